import { expect, test } from 'vitest';
import { settle } from '../kit/fake-clock.ts';
import { evaluate, gates, policy } from './policy-kit.ts';

const values = (...all: unknown[]) => ({ kind: 'values', values: all });

test('a global that a handler makes is gone at the next event, and told of once', async () => {
  const { engine, host } = await policy(`
    kumo.on('init', function(value) local before = seen; seen = value; return before, seen end)`);
  for (const value of [1, 2, 3]) expect(engine.fire('init', [value])).toEqual(values(undefined, value));
  expect(engine.states).toBe(1);
  const told = host.told.filter(({ level }) => level === 'warn').map(({ text }) => text);
  expect(told[0]).toMatch(/policy\.lua:2: the global 'seen' ends with the event; is a 'local' missing\?$/);
});

test('it is gone after an error too, and whatever kind of value it was', async () => {
  const { engine } = await policy(`
    kumo.on('init', function(fails)
      local before = a or b or c
      a, b, c = {}, function() end, 'text'
      if fails then error('no') end
      return before == nil
    end)`);
  expect(engine.fire('init', [true])).toMatchObject({ kind: 'error' });
  expect(engine.fire('init', [false])).toEqual(values(true));
});

test('within the event it stays, also over a wait', async () => {
  const { engine } = await policy(`
    local function later() return made end
    kumo.on('init', function() made = 7 kumo.later('gate') return later(), rawget(_G, 'made') end)`);
  const result = engine.fire('init', []);
  gates.get('gate')!.resolve(1);
  await settle();
  expect(await result).toEqual(values(7, 7));
});

test('globals of the policy and of modules that a handler requires stay, and can be changed', async () => {
  const { engine } = await policy(
    `counter = 0
     kumo.on('init', function() require('old'); counter = counter + 1 return counter, from_old, rawget(_G, 'none') end)`,
    { files: { 'old.lua': `from_old = 'here'` } },
  );
  expect(engine.fire('init', [])).toEqual(values(1, 'here', undefined));
  expect(engine.fire('init', [])).toEqual(values(2, 'here', undefined));
});

test('a policy that guards _G itself goes on doing so', async () => {
  const result = await evaluate(`undeclared = 1`, [], {});
  expect(result).toMatchObject({ kind: 'values' });
  const { engine } = await policy(`
    setmetatable(_G, { __newindex = function(_, name) error('undeclared ' .. name, 2) end })
    kumo.on('init', function() oops = 1 end)`);
  expect(engine.fire('init', [])).toMatchObject({
    message: expect.stringMatching(/policy\.lua:3: undeclared oops/),
  });
});
