import { describe, expect, test } from 'vitest';
import { settle } from '../kit/fake-clock.ts';
import { evaluate, gates, noted, policy } from './policy-kit.ts';

describe('a binding that waits suspends', () => {
  test.each([
    ['a plain call', `return kumo.soon(1)`],
    ['a method call in an expression', `return kumo.soon(0) + kumo.soon(1)`],
    ['pcall', `local ok, v = pcall(kumo.soon, 1) assert(ok) return v`],
    ['pcall around Lua', `local ok, v = pcall(function() return kumo.soon(1) end) return v`],
    ['nested pcalls', `return select(3, pcall(pcall, kumo.soon, 1))`],
    ['xpcall', `local ok, v = xpcall(kumo.soon, debug.traceback, 1) return v`],
    ['__index', `return setmetatable({}, {__index = function(_, k) return kumo.soon(k) end})[1]`],
    ['__concat', `return #(setmetatable({}, {__concat = function(a, b) return kumo.soon(b) end}) .. 'x')`],
    [
      '__eq',
      `local mt = {__eq = function() return kumo.soon(true) end}
      return setmetatable({}, mt) == setmetatable({}, mt) and 1`,
    ],
    ['__call', `return setmetatable({}, {__call = function(_, v) return kumo.soon(v) end})(1)`],
    [
      'an iterator',
      `local sum = 0
      for v in function(_, v) v = (v or 0) + 1 return kumo.soon(v < 2 and v or nil) end do sum = sum + v end
      return sum`,
    ],
    ['a tail call', `return (function(v) return kumo.soon(v) end)(1)`],
    ['load', `return load("return (...).soon(1)")(kumo)`],
    ['coroutine.wrap', `return coroutine.wrap(function() return kumo.soon(1) end)()`],
    [
      'coroutine.resume',
      `local co = coroutine.create(function(v) return kumo.soon(v) end)
      local ok, v = coroutine.resume(co, 1) return v`,
    ],
    [
      'coroutines in coroutines',
      `return coroutine.wrap(function()
        return coroutine.wrap(function() return kumo.soon(1) end)() end)()`,
    ],
    ['select', `return (select(2, kumo.soon(0), kumo.soon(1)))`],
  ])('%s', async (_what, source) => {
    expect(await evaluate(source)).toEqual({ kind: 'values', values: [1] });
  });

  test('require, at its first load and in what it requires', async () => {
    const { engine } = await policy(
      `kumo.on('run', function() return require('outer').value, require('outer').value end)`,
      {
        files: {
          'outer.lua': `local kumo = require 'kumo' return { value = kumo.soon(require('inner') + 1) }`,
          'inner.lua': `return require('kumo').soon(1)`,
        },
      },
    );
    expect(await engine.fire('run', [])).toEqual({ kind: 'values', values: [2, 2] });
  });

  test('dofile and the top level of the policy', async () => {
    const { engine, directory } = await policy(
      `local kept = kumo.soon(1) kumo.on('run', function(file) return kept, dofile(file) end)`,
      { files: { 'part.lua': `return require('kumo').soon(2), 3` } },
    );
    expect(await engine.fire('run', [`${directory}/part.lua`])).toEqual({
      kind: 'values',
      values: [1, 2, 3],
    });
  });
});

test('yields of a policy coroutine and waits inside it do not mix', async () => {
  const source = `
    local co = coroutine.wrap(function(a)
      local b = coroutine.yield(kumo.soon(a) .. 1)
      kumo.soon()
      local c = coroutine.yield(b .. 2)
      return c .. kumo.soon(3)
    end)
    return co('a'), co('b'), co('c'), pcall(co)`;
  expect(await evaluate(source)).toEqual({
    kind: 'values',
    values: [
      'a1',
      'b2',
      'c3',
      false,
      expect.stringMatching(/policy\.lua:\d+: cannot resume dead coroutine$/),
    ],
  });
});

describe('a failed wait', () => {
  test('raises at the line of the call', async () => {
    const result = await evaluate(`\nkumo.fails_soon('no route')`);
    expect(result).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(/policy\.lua:2: kumo\.fails_soon: no route$/),
    });
  });

  test('can be caught', async () => {
    const source = `local ok, e = pcall(kumo.fails_soon, 'no route') return ok, e`;
    expect(await evaluate(source)).toEqual({
      kind: 'values',
      values: [false, expect.stringMatching(/no route$/)],
    });
  });

  test('reaches the handler of xpcall where it was raised', async () => {
    const source = `local function risky() kumo.fails_soon('no route') end
      local ok, e = xpcall(risky, debug.traceback) return e`;
    const { values } = (await evaluate(source)) as { values: string[] };
    expect(values[0]).toMatch(/no route\nstack traceback:.*policy\.lua:1: in /s);
  });
});

test.each([
  [
    'table.sort',
    `local t = {3, 1, 2}; table.sort(t, function(a, b) return kumo.soon(a < b) end) return table.concat(t)`,
    '123',
  ],
  ['string.gsub', `return (string.gsub('abc', '.', function(c) return kumo.soon(c .. '.') end))`, 'a.b.c.'],
  [
    'a coroutine inside table.sort',
    `local t = {2, 1}; table.sort(t, function(a, b)
     return coroutine.wrap(function() return kumo.soon(a < b) end)() end) return table.concat(t)`,
    '12',
  ],
])('a function called by %s may wait', async (_where, source, value) => {
  expect(await evaluate(source)).toEqual({ kind: 'values', values: [value] });
});

test.each([
  ['__tostring', `tostring(setmetatable({}, {__tostring = function() return kumo.soon('x') end}))`],
  [
    'a coroutine inside __close',
    `local t <close> = setmetatable({}, {__close = function()
     return coroutine.wrap(function() kumo.soon() end)() end})`,
  ],
])('a wait inside %s is an error that says so', async (_where, source) => {
  expect(await evaluate(source)).toMatchObject({
    kind: 'error',
    message: expect.stringMatching(/policy\.lua:\d: .*(__tostring, __close or the reader of load)/),
  });
  // The state goes on to work.
  expect(await evaluate(`pcall(function() ${source} end) return kumo.soon(1)`)).toEqual({
    kind: 'values',
    values: [1],
  });
});

test('coroutine.yield outside a coroutine is an error', async () => {
  expect(await evaluate(`coroutine.yield()`)).toMatchObject({
    kind: 'error',
    message: expect.stringMatching(/outside a coroutine/),
  });
});

test('a handler that never waits answers without a promise', async () => {
  const { engine } = await policy(`kumo.on('init', function() return 1 end)`);
  expect(engine.fire('init', [])).not.toBeInstanceOf(Promise);
});

test('two waiting handlers never share globals', async () => {
  const { engine } = await policy(`
    kumo.on('init', function(name)
      forgotten = name
      kumo.later(name)
      kumo.note(name .. '=' .. forgotten .. ' ' .. _KUMO_CURRENT_EVENT)
      return forgotten
    end)`);
  const first = engine.fire('init', ['a']);
  const second = engine.fire('init', ['b']);
  expect(engine.states).toBe(2);
  gates.get('b')!.resolve(1);
  await settle();
  gates.get('a')!.resolve(1);
  expect(await Promise.all([first, second])).toEqual([
    { kind: 'values', values: ['a'] },
    { kind: 'values', values: ['b'] },
  ]);
  expect(noted).toEqual(['b=b init', 'a=a init']);
});
