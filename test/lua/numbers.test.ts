import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatFloat, formatNumber } from '../../src/lua/number-format.ts';
import { vmSupport } from '../../src/lua/vm-support.ts';
import { evaluate, policy } from './policy-kit.ts';

describe('numbers print as in Lua 5.4', () => {
  test.each([
    ['2*1024*1024*1024', '2147483648'],
    ['65536*65536', '4294967296'],
    ['2147483647 + 1', '2147483648'],
    ['-2147483648 - 1', '-2147483649'],
    ['-(-2147483648)', '2147483648'],
    ['1763700000 * 1000', '1763700000000'],
    ['3000000000', '3000000000'],
    ['0xFFFFFFFF', '4294967295'],
    ['0xffffffffffffffff', '-1'],
    ['9007199254740991', '9007199254740991'],
    ['9007199254740993', '9007199254740992'],
    ['2^53', '9007199254740992'],
    ['2^31', '2147483648'],
    ['2^60', '1.1529215046068e+18'],
    ['1e15', '1000000000000000'],
    ['1e16', '1e+16'],
    ['1e100', '1e+100'],
    ['0.1', '0.1'],
    ['1e-5', '1e-05'],
    ['-1.5e-7', '-1.5e-07'],
    ['123.456', '123.456'],
    ['3.0', '3.0'],
    ['10/2', '5.0'],
    ['-0.0', '-0.0'],
    ['1/0', 'inf'],
    ['-1/0', '-inf'],
    ['0/0', 'nan'],
    ['7 // 2', '3'],
    ['-7 // 2', '-4'],
    ['-7 % 3', '2'],
    ['7 % -3', '-2'],
    ['5.5 // 2', '2.0'],
    ['9007199254740991 // 3', '3002399751580330'],
    ['9007199254740991 % 10', '1'],
    ['"10" + 1', '11'],
    ['"10" * "3"', '30'],
    ['"0x10" + 0', '16'],
    ['"1.5" + 1', '2.5'],
    ['"10" / 2', '5.0'],
    ['-"2"', '-2'],
    ['1 << 40', '1099511627776'],
    ['1 << 31', '2147483648'],
    ['0xFF00000000 & 0xF000000000', '1030792151040'],
    ['~0', '-1'],
    ['5 ~ 3', '6'],
    ['256 >> 4', '16'],
    ['1 << 64', '0'],
    ['-1 >> 60', '15'],
    ['math.maxinteger', '9007199254740991'],
    ['math.tointeger(3e9)', '3000000000'],
    ['math.floor(3e9 + 0.5)', '3000000000'],
    ['math.type(3000000000)', 'integer'],
    ['math.type(2^31)', 'float'],
    ['math.abs(-3000000000)', '3000000000'],
    ['tonumber("ffffffff", 16)', '4294967295'],
    ['tonumber("9", 8)', 'nil'],
    ['tonumber("3000000000")', '3000000000'],
    ['#{[3000000000] = 1}', '0'],
    ['({[3000000000] = "x"})[3e9]', 'x'],
    ['string.format("%d", 3000000000)', '3000000000'],
    ['string.format("%d", 3.0)', '3'],
    ['string.format("%5d|%-5d|%05d", 42, 42, 42)', '   42|42   |00042'],
    ['string.format("%+d % d", 5, 5)', '+5  5'],
    ['string.format("%x %X %#x", 255, 255, 255)', 'ff FF 0xff'],
    ['string.format("%x", -1)', 'ffffffffffffffff'],
    ['string.format("%.3f %.0f %5.1f", 3.14159, 2.5, 2.25)', '3.142 2   2.2'],
    ['string.format("%g %g %g %g", 1e20, 0.0001, 100000, 1000000)', '1e+20 0.0001 100000 1e+06'],
    ['string.format("%e", 12345.678)', '1.234568e+04'],
    ['string.format("%g", 1/0)', 'inf'],
    ['string.format("%5s|%-5s|%.2s", "ab", "ab", "abc")', '   ab|ab   |ab'],
    ['string.format("%q", 3000000000)', '3000000000'],
    ['string.format("%i", "10")', '10'],
    ['string.unpack("<i8", string.pack("<i8", -5000000000))', '-5000000000'],
    ['string.unpack(">I4", "\\xff\\xff\\xff\\xff")', '4294967295'],
    ['string.unpack("<i2", string.pack("<i2", -2))', '-2'],
    ['#string.pack("j", 1)', '8'],
  ])('%s', async (source, expected) => {
    expect(await evaluate(`return tostring((${source}))`)).toEqual({ kind: 'values', values: [expected] });
  });
});

test('concatenation, keys and json-like use agree with tostring', async () => {
  const source = `local n = 3000000000 local t = {[n] = 1}
    return 'q' .. n, 'q' .. 2^31, t[3000000000], next(t)`;
  expect(await evaluate(source)).toEqual({
    kind: 'values',
    values: ['q3000000000', 'q2147483648', 1, 3000000000, 1],
  });
});

test('loops end at the edge of 32 bits', async () => {
  const source = `local seen = {}
    for i = 2147483646, 2147483649 do seen[#seen + 1] = i end
    for i = -2147483648, -2147483650, -1 do seen[#seen + 1] = i end
    for i = 1, 3e9, 1e9 do seen[#seen + 1] = i end
    return seen`;
  expect(await evaluate(source)).toEqual({
    kind: 'values',
    values: [
      [
        2147483646, 2147483647, 2147483648, 2147483649, -2147483648, -2147483649, -2147483650, 1, 1000000001,
        2000000001,
      ],
    ],
  });
});

test('integer division and modulo by zero are errors', async () => {
  for (const source of ['return 1 // 0', 'return 1 % 0']) {
    expect(await evaluate(source)).toMatchObject({ kind: 'error' });
  }
});

test('integer arithmetic agrees with BigInt wherever the result fits 53 bits', async () => {
  const { engine } = await policy(
    `kumo.on('run', function(a, b) return a + b, a - b, a * b, a // b, a % b end)`,
  );
  const floor = (a: bigint, b: bigint) => (a % b !== 0n && a < 0n !== b < 0n ? a / b - 1n : a / b);
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.oneof(fc.integer(), fc.maxSafeInteger()), (a, b) => {
      fc.pre(b !== 0);
      const { values } = engine.fire('run', [a, b]) as { values: number[] };
      const [x, y] = [BigInt(a), BigInt(b)];
      const exact = [x + y, x - y, x * y, floor(x, y), x - floor(x, y) * y];
      exact.forEach((expected, i) => {
        if (Number.isSafeInteger(Number(expected))) expect(BigInt(values[i]!)).toBe(expected);
        else expect(values[i]).toBeCloseTo(Number(expected), -300);
      });
    }),
  );
});

test('bit operators agree with 64 bits', () => {
  const small = (n: bigint) => n >= -(2n ** 53n) && n <= 2n ** 53n;
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), fc.integer({ min: -70, max: 70 }), (a, b, by) => {
      const [x, y] = [BigInt(a), BigInt(b)];
      expect(vmSupport.and(a, b)).toBe(Number(x & y));
      expect(vmSupport.or(a, b)).toBe(Number(x | y));
      expect(vmSupport.xor(a, b)).toBe(Number(x ^ y));
      const bits = BigInt.asUintN(64, x);
      const shifted = by >= 0 ? bits << BigInt(by) : bits >> BigInt(-by);
      const expected = BigInt.asIntN(64, Math.abs(by) >= 64 ? 0n : shifted);
      if (small(expected)) expect(vmSupport.shiftLeft(a, by)).toBe(Number(expected));
    }),
  );
});

test('formats round-trip and follow C', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (n) => {
      expect(Number(formatNumber('%.17g', n))).toBe(n);
      const text = formatFloat(n);
      if (!Number.isInteger(n)) expect(Math.abs(Number(text) - n)).toBeLessThanOrEqual(Math.abs(n) * 1e-13);
      expect(formatNumber('%.3e', n)).toMatch(/^-?\d\.\d{3}e[+-]\d{2,3}$/);
    }),
  );
});

test('<const> is accepted, and kept', async () => {
  expect(await evaluate(`local a <const>, b = 1, 2 b = 3 return a, b`)).toEqual({
    kind: 'values',
    values: [1, 3],
  });
  for (const source of [
    'local a <const> = 1 a = 2',
    'local a <const> = 1 local function f() a = 2 end',
    'local a <const> = 1 local function f() return function() a = 2 end end',
    'local a <const> = 1 function a() end',
  ]) {
    await expect(evaluate(`\n${source}`)).rejects.toThrow(
      /policy\.lua:2: attempt to assign to const variable 'a'/,
    );
  }
  await expect(evaluate(`local a <constant> = 1`)).rejects.toThrow(/unknown attribute 'constant'/);
});

test('pairs goes through a list in order', async () => {
  const source = `local seen = '' for _, v in pairs{'a', 'b', 'c', 'd'} do seen = seen .. v end return seen`;
  expect(await evaluate(source)).toEqual({ kind: 'values', values: ['abcd'] });
});

test('string keys that stock fengari confused are different', async () => {
  const source = `local t = {['\\x01\\x12'] = 1} return t['\\x11\\x02'], '\\n' < '0', t['\\x01\\x12']`;
  expect(await evaluate(source)).toEqual({ kind: 'values', values: [undefined, true, 1] });
});

test('patterns stop after too many steps', async () => {
  const source = `return pcall(function() return ('a'):rep(40):find(('a-'):rep(6)..'b') end)`;
  expect(await evaluate(source)).toEqual({
    kind: 'values',
    values: [false, expect.stringMatching(/pattern takes too many steps/)],
  });
  // A long body is not a complicated pattern.
  expect(await evaluate(`return select(2, ('x y '):rep(100000):gsub('%s', '_'))`)).toEqual({
    kind: 'values',
    values: [200000],
  });
});

test('strings have a longest size', async () => {
  expect(await evaluate(`return pcall(string.rep, 'x', 1e9)`)).toEqual({
    kind: 'values',
    values: [false, expect.stringMatching(/resulting string too large/)],
  });
});
