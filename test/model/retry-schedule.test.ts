import { describe, expect, test } from 'vitest';
import { expiresBefore, retryDelay, uncountedDelay } from '../../src/model/retry-schedule.ts';

const minutes = (count: number): number => count * 60_000;
const options = { retry_interval: minutes(20), max_age: minutes(60 * 24 * 7) };

describe('retry schedule (delivery.md section 5)', () => {
  test('doubles with every attempt', () => {
    expect([0, 1, 2, 3].map((attempts) => retryDelay(options, attempts, 0.5))).toEqual(
      [20, 40, 80, 160].map(minutes),
    );
  });

  test('jitter is at most 30 s either way for long intervals', () => {
    expect(retryDelay(options, 0, 0)).toBe(minutes(20) - 30_000);
    expect(retryDelay(options, 0, 0.9999)).toBe(minutes(20) + 29_000);
  });

  test('a 5 s interval has no jitter', () => {
    expect(retryDelay({ ...options, retry_interval: 5000 }, 0, 0)).toBe(5000);
    expect(retryDelay({ ...options, retry_interval: 5000 }, 0, 0.9999)).toBe(5000);
  });

  test('max_retry_interval caps the schedule', () => {
    expect(retryDelay({ ...options, max_retry_interval: minutes(30) }, 5, 0.5)).toBe(minutes(30));
  });

  test('saturates instead of overflowing', () => {
    expect(Number.isFinite(retryDelay(options, 1e9, 0.5))).toBe(true);
  });

  test('a sub-second interval truncates to 0', () => {
    expect(retryDelay({ ...options, retry_interval: 900 }, 0, 0.5)).toBe(0);
  });

  test('expires when the age at the next due time exceeds max_age', () => {
    const short = { ...options, max_age: minutes(60) };
    expect(expiresBefore(short, 0, minutes(60))).toBe(false);
    expect(expiresBefore(short, 0, minutes(60) + 1)).toBe(true);
  });

  test('an uncounted requeue waits whole seconds below a minute', () => {
    expect(uncountedDelay(0)).toBe(0);
    expect(uncountedDelay(0.99999)).toBe(59_000);
  });
});
