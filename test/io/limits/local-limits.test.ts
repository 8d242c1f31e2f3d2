import { expect, test } from 'vitest';
import { LocalCounters, LocalLeases, LocalThrottles } from '../../../src/io/limits/index.ts';
import { leasesContract, limitOf } from '../../contract/leases.ts';
import { spec, throttlesContract } from '../../contract/throttles.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

throttlesContract('LocalThrottles', (clock) => new LocalThrottles(clock));
leasesContract('LocalLeases', () => new LocalLeases());

test('idle buckets are dropped', async () => {
  const clock = new FakeClock();
  const throttles = new LocalThrottles(clock);
  for (let n = 0; n < 100; n++) {
    for (let key = 0; key < 100; key++) throttles.admit(`${n}-${key}`, spec(10, 1000));
    await clock.advance(1000);
  }
  expect(throttles.size).toBeLessThan(1200);
});

test('limits without holder or want are forgotten', async () => {
  const leases = new LocalLeases();
  const lease = leases.tryAcquire('key', limitOf(1));
  const cancel = leases.want('key', () => {});
  expect(leases.size).toBe(1);
  cancel();
  lease!.release();
  await Promise.resolve();
  expect(leases.size).toBe(0);
});

test('counters count', () => {
  const counters = new LocalCounters();
  expect(counters.add('key', 3)).toBe(3);
  expect(counters.tryAdd('key', 2, 4)).toBe(false);
  expect(counters.tryAdd('key', 1, 4)).toBe(true);
  expect(counters.get('key')).toBe(4);
  counters.reset('key');
  expect(counters.get('key')).toBe(0);
});
