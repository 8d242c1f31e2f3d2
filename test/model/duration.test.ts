import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/model/index.ts';

test.each([
  ['5 minutes', 300_000],
  ['1h 30m', 5_400_000],
  ['1h30m', 5_400_000],
  ['500ms', 500],
  ['4.2s', 4200],
  ['7 days', 604_800_000],
  ['1m', 60_000],
  ['1M', 30.44 * 86_400_000],
  ['1 year', 365.25 * 86_400_000],
  ['2wks', 1_209_600_000],
  ['3 usec', 0.003],
  ['0s', 0],
])('%s', (text, milliseconds) => {
  expect(parseDuration(text)).toBeCloseTo(milliseconds, 6);
});

test.each(['', ' ', '5', 'm', '5 m 3', '-5m', '5 parsecs', '1.s', '5mm', '1h,30m'])('%j is none', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  [0, '0s'],
  [300_000, '5m'],
  [5_400_000, '1h 30m'],
  [604_800_000, '7days'],
  [86_400_000, '1day'],
  [1500, '1s 500ms'],
  [0.5, '500us'],
])('%d ms is %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

test('what is formatted parses back', () => {
  fc.assert(
    fc.property(fc.nat(10 ** 12), fc.nat(999_999), (whole, nanoseconds) => {
      expect(parseDuration(formatDuration(whole))).toBe(whole);
      const small = (whole % 10_000) + nanoseconds / 1e6;
      expect(parseDuration(formatDuration(small))).toBeCloseTo(small, 6);
    }),
  );
});
