import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createPolicyEngine, PolicyGenerations } from '../../src/lua/index.ts';
import { settle } from '../kit/fake-clock.ts';
import { events, gates, kumo, policy } from './policy-kit.ts';

/** A generation whose event `which` answers its name, and whose `wait` waits for a gate first. */
async function engineCalled(name: string) {
  const { engine } = await policy(`
    kumo.on('which', function() return '${name}' end)
    kumo.on('wait', function(gate) kumo.later(gate) return '${name}' end)`);
  return engine;
}

async function generations(names: string[]) {
  const shown = { number: 1 };
  const all = new PolicyGenerations(await engineCalled(names[0]!), () => shown.number);
  for (const [index, name] of names.slice(1).entries()) all.prepare(index + 2, await engineCalled(name));
  return { all, shown };
}

const answer = (name: string) => ({ kind: 'values', values: [name] });

test('events go to the generation that is shown, from one event to the next', async () => {
  const { all, shown } = await generations(['one', 'two']);
  expect(all.fire('which', [])).toEqual(answer('one'));
  shown.number = 2;
  expect(all.fire('which', [])).toEqual(answer('two'));
  expect(all.old).toEqual([]);
});

test('a generation that begins to serve is told, once', async () => {
  const shown = { number: 1 };
  const all = new PolicyGenerations(await engineCalled('one'), () => shown.number);
  const { engine } = await policy(`
    local began = 0
    kumo.on('config_epoch_changed', function() began = began + 1 end)
    kumo.on('which', function() return began end)`);
  all.prepare(2, engine);
  shown.number = 2;
  all.settle();
  all.settle();
  expect(all.fire('which', [])).toEqual({ kind: 'values', values: [1] });
});

test('a handler that waits finishes where it started, and its generation is gone then', async () => {
  const { all, shown } = await generations(['one', 'two']);
  const waiting = all.fire('wait', ['a']);
  shown.number = 2;
  expect(all.fire('which', [])).toEqual(answer('two'));
  expect(all.old).toEqual([{ generation: 1, running: 1 }]);
  gates.get('a')!.resolve(1);
  expect(await waiting).toEqual(answer('one'));
  await settle();
  expect(all.old).toEqual([]);
});

test('a number that was not prepared changes nothing; a dropped one neither', async () => {
  const { all, shown } = await generations(['one', 'two']);
  shown.number = 7;
  expect(all.fire('which', [])).toEqual(answer('one'));
  all.drop(2);
  shown.number = 2;
  expect(all.fire('which', [])).toEqual(answer('one'));
});

test('there is room for three old generations; the oldest can be ended, with an error for what waits', async () => {
  const { all, shown } = await generations(['one', 'two', 'three', 'four']);
  const waiting: unknown[] = [];
  for (const number of [1, 2, 3]) {
    shown.number = number;
    waiting.push(all.fire('wait', [`gate ${number}`]));
  }
  shown.number = 4;
  all.settle();
  expect(all.old.map(({ generation }) => generation)).toEqual([1, 2, 3]);
  expect(all.hasRoom).toBe(false);
  all.abandonOldest();
  expect(all.hasRoom).toBe(true);
  expect(await waiting[0]).toEqual({
    kind: 'error',
    message: expect.stringMatching(/policy\.lua:3: kumo\.later: policy generation 1 has ended$/),
  });
  gates.get('gate 2')!.resolve(1);
  expect(await waiting[1]).toEqual(answer('two'));
  // What the ended handler waited for comes too late for it.
  gates.get('gate 1')!.resolve(1);
  gates.get('gate 3')!.resolve(1);
  expect(await waiting[2]).toEqual(answer('three'));
  expect(all.old).toEqual([]);
});

test('the generation with the background tasks takes no room and is not ended', async () => {
  const { all, shown } = await generations(['one', 'two', 'three', 'four', 'five']);
  all.pin();
  const task = all.fire('wait', ['task']);
  for (const number of [2, 3, 4]) {
    shown.number = number;
    void all.fire('wait', [`gate ${number}`]);
  }
  shown.number = 5;
  all.settle();
  expect(all.old).toHaveLength(4);
  expect(all.hasRoom).toBe(false);
  all.abandonOldest();
  expect(all.old.map(({ generation }) => generation)).toEqual([1, 3, 4]);
  gates.get('task')!.resolve(1);
  expect(await task).toEqual(answer('one'));
});

test('an event that waits for a state of an old generation still gets it', async () => {
  const { engine } = await policy(`kumo.on('wait', function(gate) kumo.later(gate) return gate end)`, {
    limits: { maxStates: 1 },
  });
  const shown = { number: 1 };
  const all = new PolicyGenerations(engine, () => shown.number);
  all.prepare(2, await engineCalled('two'));
  const first = all.fire('wait', ['first']);
  const second = all.fire('wait', ['second']);
  shown.number = 2;
  all.settle();
  gates.get('first')!.resolve(1);
  expect(await first).toEqual(answer('first'));
  await settle();
  gates.get('second')!.resolve(1);
  expect(await second).toEqual(answer('second'));
  await settle();
  expect(all.old).toEqual([]);
});

test('an engine made from the texts of another runs the same, whatever is on disk', async () => {
  const { engine, directory, host } = await policy(
    `kumo.on('which', function() return (require('part')) end)`,
    { files: { 'part.lua': `return 'as it was'` } },
  );
  expect(engine.fire('which', [])).toEqual(answer('as it was'));
  writeFileSync(join(directory, 'part.lua'), `return 'changed'`);
  const parts = { modules: [kumo], objects: [], events, host, helpersDir: directory };
  const file = join(directory, 'policy.lua');
  const { engine: again } = await createPolicyEngine({ ...parts, file, texts: engine.texts });
  expect(again.fire('which', [])).toEqual(answer('as it was'));
  const { engine: anew } = await createPolicyEngine({ ...parts, file });
  expect(anew.fire('which', [])).toEqual(answer('changed'));
});
