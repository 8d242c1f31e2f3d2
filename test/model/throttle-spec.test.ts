import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatLimitSpec,
  formatThrottleSpec,
  parseLimitSpec,
  parseThrottleSpec,
} from '../../src/model/index.ts';

test.each([
  ['100/s', { limit: 100, period: 1000, burst: 100, local: false }],
  ['1,000/hr', { limit: 1000, period: 3_600_000, burst: 1000, local: false }],
  ['local:20/30min,max_burst=1_0', { limit: 20, period: 1_800_000, burst: 10, local: true }],
  ['5/2day', { limit: 5, period: 172_800_000, burst: 5, local: false }],
])('%s', (text, spec) => {
  expect(parseThrottleSpec(text)).toEqual(spec);
});

test.each([
  '',
  '100',
  '100/',
  '/s',
  '0/s',
  '5/0s',
  '5/s,max_burst=0',
  '5/seconds',
  '5/minutes',
  '-5/s',
  '5/s ',
  'global:5/s',
  ',/s',
])('%j is refused', (text) => {
  expect(parseThrottleSpec(text)).toHaveProperty('problem');
});

test('throttles parse back', () => {
  const spec = fc.record({
    limit: fc.integer({ min: 1, max: 10 ** 9 }),
    period: fc.integer({ min: 1, max: 10 ** 6 }).map((seconds) => seconds * 1000),
    burst: fc.integer({ min: 1, max: 10 ** 9 }),
    local: fc.boolean(),
  });
  fc.assert(
    fc.property(spec, (value) => {
      expect(parseThrottleSpec(formatThrottleSpec(value))).toEqual(value);
    }),
  );
});

test('limits', () => {
  expect(parseLimitSpec('local:1_000')).toEqual({ limit: 1000, local: true });
  expect(parseLimitSpec('0')).toBeUndefined();
  expect(parseLimitSpec('x')).toBeUndefined();
  expect(formatLimitSpec({ limit: 5, local: true })).toBe('local:5');
});
