import { describe, expect, test } from 'vitest';
import { evaluate, noted } from './policy-kit.ts';

const open = `local function open(name)
  return setmetatable({}, {__close = function(_, e) kumo.note(name, e) end}) end `;

describe('<close> closes', () => {
  test.each([
    [
      'at the end of a block',
      `do local a <close> = open('a') kumo.note('in') end kumo.note('out')`,
      ['in', 'a', undefined, 'out'],
    ],
    [
      'in reverse order',
      `do local a <close> = open('a') local b <close> = open('b') end`,
      ['b', undefined, 'a', undefined],
    ],
    [
      'at return, after its values',
      `local function f() local a <close> = open('a') return kumo.echo(1), 2 end
      kumo.note(f())`,
      ['a', undefined, 1, 2],
    ],
    [
      'at a returned call, after it',
      `local function f() local a <close> = open('a') return kumo.note('call') end f()`,
      ['call', 'a', undefined],
    ],
    ['at the end of the handler', `local a <close> = open('a') kumo.note('in')`, ['in', 'a', undefined]],
    [
      'at break',
      `while true do local a <close> = open('a') break end kumo.note('out')`,
      ['a', undefined, 'out'],
    ],
    [
      'at goto',
      `do local a <close> = open('a') goto out end ::out:: kumo.note('out')`,
      ['a', undefined, 'out'],
    ],
    ['in each turn of a loop', `for i = 1, 2 do local a <close> = open(i) end`, [1, undefined, 2, undefined]],
    ['nothing for nil and false', `local a <close> = nil local b <close> = false`, []],
    ['in a list', `do local x, a <close>, y = 1, open('a'), 3 kumo.note(x + y) end`, [4, 'a', undefined]],
    [
      'what a closure holds',
      `local f do local a <close> = open('a') f = function() return a end end kumo.note(type(f()))`,
      ['a', undefined, 'table'],
    ],
    [
      'when pcall catches an error',
      `pcall(function() local a <close> = open('a') error('no', 0) end)`,
      ['a', 'no'],
    ],
    ['when nobody catches the error', `local a <close> = open('a') error('no', 0)`, ['a', 'no']],
    [
      'across a wait',
      `local a <close> = open('a') kumo.soon() kumo.note('waited')`,
      ['waited', 'a', undefined],
    ],
    [
      'when the error comes after a wait',
      `pcall(function() local a <close> = open('a') kumo.soon() error('no', 0) end)`,
      ['a', 'no'],
    ],
    [
      'when a coroutine fails',
      `pcall(coroutine.wrap(function() local a <close> = open('a') error('no', 0) end))`,
      ['a', 'no'],
    ],
    [
      'when a coroutine is closed',
      `local co = coroutine.create(function() local a <close> = open('a') coroutine.yield() end)
      coroutine.resume(co) kumo.note(coroutine.close(co))`,
      ['a', undefined, true],
    ],
  ])('%s', async (_when, source, expected) => {
    await evaluate(open + source);
    expect(noted).toEqual(expected);
  });
});

test('an error while closing takes the place of the one before', async () => {
  const source = `local bad = setmetatable({}, {__close = function() error('second', 0) end})
    return pcall(function() local a <close> = bad error('first', 0) end)`;
  expect(await evaluate(source)).toEqual({ kind: 'values', values: [false, 'second'] });
});

test('a reject passes through', async () => {
  expect(await evaluate(`${open} local a <close> = open('a') kumo.reject(550, 'no')`)).toMatchObject({
    kind: 'reject',
    code: 550,
  });
});

test('what cannot be closed is an error with its name and line', async () => {
  expect(await evaluate(`\nlocal a <close> = 5`)).toMatchObject({
    message: expect.stringMatching(/policy\.lua:2: variable 'a' got a non-closable value$/),
  });
  await expect(evaluate(`\nlocal a <close>, b <close> = 1, 2`)).rejects.toThrow(
    /policy\.lua:2: multiple to-be-closed variables in local list/,
  );
  await expect(evaluate(`\nlocal a <close> = nil a = 2`)).rejects.toThrow(/const variable 'a'/);
});

test('a handler runs its <close> calls without leaving anything on the stack', async () => {
  const source = `${open} local sum = 0
    for i = 1, 1000 do local a <close> = setmetatable({}, {__close = function() sum = sum + i end}) end
    return sum`;
  expect(await evaluate(source)).toEqual({ kind: 'values', values: [500500] });
});
