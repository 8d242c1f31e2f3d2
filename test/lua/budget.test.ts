import { describe, expect, test } from 'vitest';
import { luaModules, luaObjects } from '../../src/api/lua/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { handlerLimits, limitsOf } from '../../src/lua/budget.ts';
import type { PolicyEngineOptions } from '../../src/lua/index.ts';
import { parseOptions } from '../../src/model/define/index.ts';
import type { PolicyBudget, PolicyResult } from '../../src/model/index.ts';
import { budgetOptions } from '../../src/model/options/index.ts';
import { FakeClock, settle } from '../kit/fake-clock.ts';
import { evaluate, gates, policy, testHost } from './policy-kit.ts';

/** A clock on which looking costs time, so that a run of many looks is a long one, on any machine. */
class TickingClock extends FakeClock {
  #ticks = 0;
  override monotonic(): number {
    this.#ticks += 0.4;
    return super.monotonic() + this.#ticks;
  }
}

const budget = (given: Partial<PolicyBudget>): PolicyBudget => ({
  ...parseOptions(budgetOptions, {}),
  ...given,
});
const withBudget = (given: Partial<PolicyBudget>): Partial<PolicyEngineOptions> => ({
  budget: budget(given),
});
const few = withBudget({ instructions: 20_000 });

test('the documented defaults are those of the engine', () => {
  expect(limitsOf(parseOptions(budgetOptions, {})).handler).toEqual(handlerLimits);
});

describe('a handler over its budget of instructions is stopped', () => {
  test.each([
    ['in a loop', 'while true do end'],
    ['in pcall', 'while true do pcall(function() while true do end end) end'],
    ['in xpcall and its handler', 'xpcall(error, function() while true do end end)'],
    [
      'in a coroutine',
      'coroutine.resume(coroutine.create(function() while true do end end)) while true do end',
    ],
    [
      'in coroutine.wrap in pcall',
      'while true do pcall(coroutine.wrap(function() while true do end end)) end',
    ],
    ['in __close', 'local x <close> = setmetatable({}, {__close = function() while true do end end})'],
    ['in __index', 'return setmetatable({}, {__index = function() while true do end end}).x'],
    ['in __tostring', 'return tostring(setmetatable({}, {__tostring = function() while true do end end}))'],
    ['in the text of its error', 'error(setmetatable({}, {__tostring = function() while true do end end}))'],
    ['in a comparison of sort', 'table.sort({3, 2, 1}, function() while true do end end)'],
    ['in a replacement of gsub', `string.gsub('abc', '.', function() while true do end end)`],
    ['in a reader of load', 'load(function() while true do end end)'],
    ['in require', `package.preload.x = function() while true do end end pcall(require, 'x')`],
    ['in a pattern', `pcall(string.find, ('a'):rep(40), ('a-'):rep(6) .. 'b') while true do end`],
    ['in the conversion of its result', 'local t = {} for i = 1, 40 do t = {t, t} end return t'],
    [
      'in __close while it is stopped',
      `pcall(function()
      local x <close> = setmetatable({}, {__close = function() closed = true while true do end end})
      while true do end end) while true do end`,
    ],
  ])('%s', async (_where, source) => {
    const result = (await evaluate(source, [], few)) as PolicyResult;
    expect(result).toEqual({
      kind: 'error',
      overBudget: true,
      message: expect.stringMatching(
        /policy\.lua:\d+: stopped for being over its budget: instructions of 20000$/,
      ),
    });
  });
});

test('the diagnostic names event, line and budget, and the engine goes on with another state', async () => {
  const { engine, host } = await policy(
    `local n = 0
     kumo.on('bad', function() n = 1
       while true do end
     end)
     kumo.on('good', function() return n end)`,
    few,
  );
  expect(await engine.fire('bad', [])).toMatchObject({ overBudget: true });
  expect(await engine.fire('good', [])).toEqual({ kind: 'values', values: [0] });
  expect(host.told).toHaveLength(1);
  expect(host.told[0]).toMatchObject({ level: 'error' });
  expect(host.told[0]!.text).toMatch(
    /^bad: .*policy\.lua:3: stopped for being over its budget: instructions of 20000\nstack traceback:\n\t.*policy\.lua:3$/,
  );
});

test('every call of a handler begins anew', async () => {
  const { engine } = await policy(`kumo.on('run', function() for i = 1, 3000 do end return 1 end)`, few);
  for (let call = 0; call < 20; call++) {
    expect(await engine.fire('run', [])).toEqual({ kind: 'values', values: [1] });
  }
});

test.each([
  ['strings', `local t = {} for i = 1, 100 do t[i] = ('x'):rep(100000) end`],
  ['tables', `local t = {} for i = 1, 100000 do t[i] = i end`],
  ['functions', `local t = {} for i = 1, 100000 do t[i] = function() return i end end`],
  ['coroutines', `local t = {} for i = 1, 100000 do t[i] = coroutine.create(print) end`],
  ['concatenation', `local s = '' for i = 1, 10000 do s = s .. 'xxxxxxxxxx' end`],
])('memory of %s is counted', async (_what, source) => {
  expect(await evaluate(source, [], withBudget({ memory: 2 ** 20 }))).toMatchObject({
    overBudget: true,
    message: expect.stringMatching(/memory of 1048576 bytes$/),
  });
});

test.each([
  ['depth', 'local function f() return 1 + f() end f()', { depth: 200 }, /stack overflow/],
  ['string_size', `local s = 'x' while true do s = s .. s end`, { string_size: 65_536 }, /string too large/],
  ['string_size', `return ('x'):rep(1e9)`, {}, /string too large/],
  [
    'pattern_steps',
    `return ('a'):rep(300):find(('a-'):rep(3) .. 'b')`,
    { pattern_steps: 1000 },
    /too many steps/,
  ],
])('over %s is an error that Lua can catch', async (_limit, source, given, message) => {
  const caught = `local ok, e = pcall(function() ${source} end) return ok, tostring(e)`;
  expect(await evaluate(caught, [], withBudget(given))).toEqual({
    kind: 'values',
    values: [false, expect.stringMatching(message)],
  });
});

describe('time', () => {
  const timed = (given: Partial<PolicyBudget> = {}) => ({
    ...withBudget(given),
    host: testHost(new TickingClock()),
  });

  test('a handler that runs for long is suspended, and other events are answered meanwhile', async () => {
    const options = timed({ cpu_time: 1000 });
    const { engine } = await policy(
      `kumo.on('long', function() local n = 0 for i = 1, 100000 do n = n + 1 end return n end)
       kumo.on('short', function() return 'here' end)`,
      options,
    );
    const long = engine.fire('long', []);
    expect(long).toBeInstanceOf(Promise);
    expect(engine.fire('short', [])).toEqual({ kind: 'values', values: ['here'] });
    for (let turn = 0; turn < 50; turn++) await (options.host.clock as FakeClock).advance(0);
    expect(await long).toEqual({ kind: 'values', values: [100000] });
  });

  test.each([
    ['through coroutines', `return coroutine.wrap(function() return coroutine.wrap(count)() end)()`, 60_000],
    ['through pcall', `return select(2, pcall(count))`, 60_000],
    ['through metamethods', `return setmetatable({}, {__index = count}).x`, 60_000],
    [
      'through sort',
      `local t = {2, 1} table.sort(t, function(a, b) count() return a < b end) return t[1]`,
      1,
    ],
    ['through gsub', `return (('ab'):gsub('.', function(c) count() return c .. c end))`, 'aabb'],
    ['through gmatch', `local n = 0 for c in ('a'):rep(60000):gmatch('.') do n = n + 1 end return n`, 60_000],
    ['through require', `package.preload.x = count return (require 'x')`, 60_000],
    ['in gsub', `return #(('a'):rep(100000):gsub('a', 'bb'))`, 200_000],
    ['in find', `return (('a'):rep(100000) .. 'b'):find('[b]')`, 100_001],
    ['in concat', `local t = {} for i = 1, 20000 do t[i] = 'xy' end return #table.concat(t, ',')`, 59_999],
  ])('suspended %s, it ends as if it had not been', async (_how, source, value) => {
    const options = timed({ cpu_time: 100_000, unbroken_time: 12 });
    const { engine } = await policy(
      `local function count() local n = 0 for i = 1, 60000 do n = n + 1 end return n end
       kumo.on('run', function() ${source} end)`,
      options,
    );
    const result = engine.fire('run', []);
    expect(result).toBeInstanceOf(Promise);
    for (let turn = 0; turn < 200; turn++) await (options.host.clock as FakeClock).advance(0);
    const { values } = (await result) as { values: unknown[] };
    expect(values[0]).toBe(value);
  });

  test('over cpu_time it is stopped, also when it was suspended in between', async () => {
    const options = timed({ cpu_time: 50 });
    const { engine } = await policy(`kumo.on('run', function() while true do pcall(error) end end)`, options);
    const result = engine.fire('run', []);
    for (let turn = 0; turn < 50; turn++) await (options.host.clock as FakeClock).advance(0);
    expect(await result).toMatchObject({
      overBudget: true,
      message: expect.stringMatching(/cpu_time of 50 ms$/),
    });
  });

  test('waiting does not count', async () => {
    const options = timed({ cpu_time: 50 });
    const { engine } = await policy(`kumo.on('run', function() return kumo.later 'x' end)`, options);
    const result = engine.fire('run', []);
    await (options.host.clock as FakeClock).advance(10_000);
    gates.get('x')!.resolve(7);
    expect(await result).toEqual({ kind: 'values', values: [7] });
  });

  test('where it cannot be suspended, unbroken_time stops it', async () => {
    const source = `return tostring(setmetatable({}, {__tostring = function() while true do end end}))`;
    expect(await evaluate(source, [], timed())).toMatchObject({
      overBudget: true,
      message: expect.stringMatching(/unbroken_time of 10 ms$/),
    });
  });

  test('a policy whose top level never ends does not load', async () => {
    const options = timed();
    const loading = policy('while true do end', options).then(
      () => 'loaded',
      (error: Error) => error.message,
    );
    const driver = async () => {
      for (let turn = 0; turn < 5000; turn++) await (options.host.clock as FakeClock).advance(0);
    };
    const [message] = await Promise.all([loading, driver()]);
    expect(message).toMatch(/policy\.lua:1: stopped for being over its budget: cpu_time of 5000 ms/);
  });
});

describe('kumo.policy.set_budget', () => {
  const real = { modules: luaModules, objects: luaObjects };

  test('at the top of the policy it holds for its handlers', async () => {
    const { engine } = await policy(
      `kumo.policy.set_budget { instructions = 10000 }
       kumo.on('run', function() for i = 1, 20000 do end end)`,
      real,
    );
    expect(await engine.fire('run', [])).toMatchObject({
      overBudget: true,
      message: expect.stringMatching(/instructions of 10000$/),
    });
  });

  test('in pre_init it is declared, for all shards', async () => {
    const declared: unknown[] = [];
    const host = { ...testHost(), declare: (declaration: unknown) => void declared.push(declaration) };
    const { engine } = await policy(
      `kumo.on('pre_init', function() kumo.policy.set_budget { cpu_time = '1s' } end)`,
      { ...real, host },
    );
    expect(await engine.fire('pre_init', [])).toEqual({ kind: 'values', values: [] });
    expect(declared).toEqual([
      {
        kind: 'set_budget',
        options: budget({ cpu_time: 1000 }),
        where: expect.stringMatching(/policy\.lua:1$/),
      },
    ]);
  });

  test.each([
    [`kumo.policy.set_budget { cpu_tim = 1 }`, /did you mean `cpu_time`/],
    [`kumo.policy.set_budget { depth = 1 }`, /from 200 to 50000/],
    [`kumo.policy.set_budget {}`, /only while the policy is loaded, or in the event pre_init or init/],
  ])('%s in a handler is an error', async (source, message) => {
    const { engine } = await policy(`kumo.on('run', function() ${source} end)`, real);
    expect(await engine.fire('run', [])).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(message),
    });
  });
});

describe('events that handlers fire', () => {
  const source = `
    kumo.on('key', function()
      return kumo.secrets.load { event_name = 'key', event_args = {} }
    end)`;

  test('an event that fires itself is an error, and takes no state for good', async () => {
    const host = { ...testHost(), clock: systemClock };
    const { engine } = await policy(source, { modules: luaModules, objects: luaObjects, host });
    expect(await engine.fire('key', [])).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(/events fire each other more than 16 deep/),
    });
    expect(engine.running).toBe(0);
  });

  test('they get a state also when all are taken', async () => {
    const { engine } = await policy(
      `kumo.on('outer', function() return kumo.secrets.load { event_name = 'inner', event_args = {} } end)
       kumo.on('inner', function() return 'secret' end)`,
      { modules: luaModules, objects: luaObjects, limits: { maxStates: 1 } },
    );
    expect(await engine.fire('outer', [])).toMatchObject({ kind: 'values', values: ['secret'] });
    await settle();
    expect(engine.running).toBe(0);
  });
});
