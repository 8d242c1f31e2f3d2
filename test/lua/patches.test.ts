import { describe, expect, test } from 'vitest';
import { applyPatches, patches } from '../../src/lua/patches/index.ts';
import { loadVm } from '../../src/lua/vm.ts';

const edit = { name: 'an edit', reason: 'none', file: 'a.js', find: 'one', replace: 'two', count: 2 };

describe('a patch', () => {
  test('replaces exactly the places it counts', () => {
    expect(applyPatches(new Map([['a.js', 'one one']]), [edit]).get('a.js')).toBe('two two');
  });

  test.each([
    ['fewer', 'one'],
    ['more', 'one one one'],
    ['no', ''],
  ])('with %s places stops the load', (_what, text) => {
    expect(() => applyPatches(new Map([['a.js', text]]), [edit])).toThrow(
      /patch 'an edit': expected 2 places in a\.js, found \d/,
    );
  });

  test('of a file that is gone stops the load', () => {
    expect(() => applyPatches(new Map(), [edit])).toThrow(/there is no file a\.js/);
  });

  test('has a name of its own and a reason', () => {
    const names = patches.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(patches.filter(({ reason }) => reason.length < 20)).toEqual([]);
  });
});

test('the VM cannot reach files or processes, whatever its libraries would do', () => {
  const require = loadVm().require as (name: string) => Record<string, unknown>;
  for (const name of ['fs', 'child_process', 'tmp']) expect(require(name)).toEqual({});
});

test('stock fengari loads as the baseline', () => {
  const stock = loadVm({ patched: false }).require('./luaconf.js') as { LUA_MAXINTEGER: number };
  expect(stock.LUA_MAXINTEGER).toBe(2147483647);
});
