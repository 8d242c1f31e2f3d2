import { expect, test } from 'vitest';
import { FakeClock, settle } from '../kit/fake-clock.ts';
import { gates, noted, policy, testHost } from './policy-kit.ts';

const waits = `kumo.on('init', function(name)
  kumo.later(name)
  kumo.note('resumed ' .. name)
  return name
end)`;

test('a handler that was abandoned does not go on when what it waited for comes', async () => {
  const { engine, host } = await policy(waits);
  const results: unknown[] = [];
  const event = Promise.resolve(engine.fire('init', ['a'])).then((result) => results.push(result));
  engine.abandon('it is over');
  await event;
  gates.get('a')!.resolve(1);
  await settle();
  const message = expect.stringMatching(/policy\.lua:2: kumo\.later: it is over$/);
  expect(results).toEqual([{ kind: 'error', message }]);
  expect(noted).toEqual([]);
  expect(host.told.filter(({ level }) => level === 'error')).toHaveLength(1);
  expect(engine.running).toBe(0);
  expect(engine.states).toBe(0);
});

test('a wait that fails after it was abandoned troubles nobody; pcall does not catch the end', async () => {
  const { engine } = await policy(`kumo.on('init', function(name)
    kumo.note(pcall(kumo.later, name))
    kumo.note('went on')
  end)`);
  const event = engine.fire('init', ['a']);
  engine.abandon('it is over');
  gates.get('a')!.reject(new Error('too late'));
  expect(await event).toMatchObject({ kind: 'error', message: expect.stringContaining('it is over') });
  await settle();
  expect(noted).toEqual([]);
});

test('what came just before the end ends the event once', async () => {
  const { engine, host } = await policy(waits);
  const event = engine.fire('init', ['a']);
  gates.get('a')!.resolve(1);
  engine.abandon('it is over');
  expect(await event).toMatchObject({ kind: 'error' });
  await settle();
  expect(host.told.filter(({ level }) => level === 'error')).toHaveLength(1);
});

test('an event whose state is still being loaded ends as well, and so does one that waits for a state', async () => {
  const { engine } = await policy(
    `if kumo.count() > 1 then kumo.later('load') kumo.note('loaded late') end ${waits}`,
    { modules: [await countingKumo()], limits: { maxStates: 2 } },
  );
  const serving = engine.fire('init', ['a']);
  const loading = engine.fire('init', ['b']);
  const queued = engine.fire('init', ['c']);
  engine.abandon('it is over');
  expect(await serving).toMatchObject({ message: expect.stringContaining('it is over') });
  expect(await loading).toMatchObject({
    message: expect.stringMatching(/policy\.lua:1: kumo\.later: it is over$/),
  });
  expect(await queued).toMatchObject({ message: 'the policy engine is closed' });
  gates.get('load')!.resolve(1);
  await settle();
  expect(noted).toEqual([]);
  expect(engine.running).toBe(0);
});

test('a policy whose top level waits for too long is given up, with the line where it waits', async () => {
  const clock = new FakeClock();
  const failure = policy(`\nkumo.later('x') kumo.note('went on')`, {
    host: testHost(clock),
    loadTime: 60_000,
  }).catch((error: Error) => error.message);
  await clock.advance(59_000);
  let isOver = false;
  void failure.then(() => {
    isOver = true;
  });
  await settle();
  expect(isOver).toBe(false);
  await clock.advance(2000);
  expect(await failure).toMatch(/policy\.lua:2: kumo\.later: the policy is still not loaded after 60 s$/);
  gates.get('x')!.resolve(1);
  await settle();
  expect(noted).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('one that is loaded in time leaves no timer behind', async () => {
  const clock = new FakeClock();
  const { engine } = await policy(`kumo.soon() ${waits}`, { host: testHost(clock), loadTime: 60_000 });
  expect(clock.pending).toBe(0);
  const event = engine.fire('init', ['a']);
  await clock.advance(120_000);
  gates.get('a')!.resolve(1);
  expect(await event).toEqual({ kind: 'values', values: ['a'] });
});

async function countingKumo() {
  const { fn, kumo } = await import('./policy-kit.ts');
  let loads = 0;
  return { ...kumo, functions: [...kumo.functions, fn('count', {}, () => ++loads)] };
}
