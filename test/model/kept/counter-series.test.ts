import { expect, test } from 'vitest';
import { LocalCounters } from '../../../src/io/limits/index.ts';
import { CounterSeries } from '../../../src/model/kept/index.ts';

test('buckets move with time, and old ones leave nothing behind', () => {
  let now = 1_000_000;
  const counters = new LocalCounters();
  const shape = { name: 's', buckets: 3, bucketSize: 1000 };
  const series = new CounterSeries(shape, counters, () => now, 0);
  const other = new CounterSeries(shape, counters, () => now, 9);
  for (const n of [1, 2, 3]) {
    series.add(n);
    now += 1000;
  }
  expect([series.sum(), other.sum(), series.sum(1000), series.sum(1001)]).toEqual([5, 5, 0, 3]);
  now += 1000;
  expect(series.sum()).toBe(3);
  now += 100_000;
  expect(series.sum()).toBe(0);
  other.sum();
  for (let bucket = 990; bucket < 1010; bucket++)
    expect(counters.get(`counter_series s 3 1000 ${bucket}`)).toBe(0);
});
