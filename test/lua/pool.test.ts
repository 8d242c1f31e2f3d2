import { expect, test } from 'vitest';
import { FakeClock, settle } from '../kit/fake-clock.ts';
import { gates, noted, policy, testHost } from './policy-kit.ts';

const waits = `kumo.on('init', function(name) kumo.later(name) return name end)`;

test('a waiting handler keeps its state, and the state is used again after it', async () => {
  const { engine } = await policy(`kumo.note('loaded') ${waits} kumo.on('fast', function() return 1 end)`);
  const first = engine.fire('init', ['a']);
  expect(engine.fire('fast', [])).toEqual({ kind: 'values', values: [1] });
  expect(engine.states).toBe(2);
  gates.get('a')!.resolve(1);
  await first;
  for (let i = 0; i < 20; i++) await engine.fire('fast', []);
  expect(engine.states).toBe(2);
  expect(noted).toEqual(['loaded', 'loaded']);
});

test('beyond the most states events wait in order; beyond the queue they fail', async () => {
  const { engine, host } = await policy(waits, { limits: { maxStates: 2, maxWaiting: 1 } });
  const results: unknown[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    void Promise.resolve(engine.fire('init', [name])).then((result) => results.push(result));
  }
  await settle();
  expect(results).toEqual([{ kind: 'error', message: 'more than 1 events wait for a free Lua state' }]);
  expect([...gates.keys()]).toEqual(['a', 'b']);
  gates.get('b')!.resolve(1);
  await settle();
  gates.get('c')!.resolve(1);
  await settle();
  expect(results.slice(1)).toEqual([
    { kind: 'values', values: ['b'] },
    { kind: 'values', values: ['c'] },
  ]);
  expect(engine.states).toBe(2);
  expect(host.told.filter(({ level }) => level === 'error')).toHaveLength(1);
});

test('states retire by use and by age', async () => {
  const clock = new FakeClock();
  const { engine } = await policy(`kumo.note('loaded') kumo.on('init', function() end)`, {
    host: testHost(clock),
    limits: { maxUses: 3, maxAge: 300 },
  });
  for (let i = 0; i < 6; i++) await engine.fire('init', []);
  expect(noted).toHaveLength(2);
  await engine.fire('init', []);
  expect(noted).toHaveLength(3);
  await clock.advance(301_000);
  await engine.fire('init', []);
  expect(noted).toHaveLength(4);
});

test('a state whose handler raised serves on', async () => {
  const { engine } = await policy(`kumo.note('loaded')
    kumo.on('init', function(bad) if bad then error('bad') end return 1 end)`);
  for (let i = 0; i < 5; i++) {
    expect(engine.fire('init', [true])).toMatchObject({ kind: 'error' });
    expect(engine.fire('init', [false])).toEqual({ kind: 'values', values: [1] });
  }
  expect(noted).toEqual(['loaded']);
});

test('the file is read once: all states of an engine run the same text', async () => {
  const { writeFileSync } = await import('node:fs');
  const { engine, directory } = await policy(
    `local part = require 'part'
    kumo.on('init', function() kumo.soon() return part end)`,
    { files: { 'part.lua': 'return 1' } },
  );
  writeFileSync(`${directory}/part.lua`, 'return 2');
  const both = await Promise.all([engine.fire('init', []), engine.fire('init', [])]);
  expect(both).toEqual([
    { kind: 'values', values: [1] },
    { kind: 'values', values: [1] },
  ]);
  expect(engine.states).toBe(2);
  expect(engine.filesRead).toEqual([`${directory}/policy.lua`, `${directory}/part.lua`]);
});

test('a state that cannot be loaded fails its event only', async () => {
  const { engine, host } = await policy(`if kumo.count() > 1 then error('no more') end ${waits}`, {
    modules: [await countingKumo()],
  });
  const first = engine.fire('init', ['a']);
  expect(await engine.fire('init', ['b'])).toMatchObject({
    kind: 'error',
    message: expect.stringMatching(/policy\.lua:1: no more$/),
  });
  gates.get('a')!.resolve(1);
  expect(await first).toEqual({ kind: 'values', values: ['a'] });
  expect(host.told).toHaveLength(1);
});

test('where no state can be loaded any more, everyone in a long line gets an answer', {
  timeout: 120_000,
}, async () => {
  const clock = new FakeClock();
  const { engine } = await policy(`if kumo.count() > 1 then error('no more') end ${waits}`, {
    host: testHost(clock),
    modules: [await countingKumo()],
    limits: { maxStates: 1, maxUses: 1 },
  });
  const first = engine.fire('init', ['a']);
  let answered = 0;
  for (let number = 0; number < 4000; number++) {
    void Promise.resolve(engine.fire('init', ['b'])).then(() => answered++);
  }
  gates.get('a')!.resolve(1);
  await first;
  await clock.advance(1);
  expect(answered).toBe(4000);
  expect(engine.running).toBe(0);
});

async function countingKumo() {
  const { fn, kumo } = await import('./policy-kit.ts');
  let loads = 0;
  return { ...kumo, functions: [...kumo.functions, fn('count', {}, () => ++loads)] };
}

test('closing fails what waits for a state and lets the rest finish', async () => {
  const { engine } = await policy(waits, { limits: { maxStates: 1 } });
  const running = engine.fire('init', ['a']);
  const waiting = engine.fire('init', ['b']);
  engine.close();
  expect(await waiting).toMatchObject({ kind: 'error', message: 'the policy engine is closed' });
  gates.get('a')!.resolve(1);
  expect(await running).toEqual({ kind: 'values', values: ['a'] });
  expect(engine.states).toBe(0);
});
