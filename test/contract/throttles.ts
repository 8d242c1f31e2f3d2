import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ThrottleSpec, Throttles, ThrottleVerdict } from '../../src/model/index.ts';
import { FakeClock } from '../kit/fake-clock.ts';

export function spec(limit: number, period: number, burst = limit): ThrottleSpec {
  return { limit, period, burst, local: false };
}

/** What every implementation of Throttles keeps. Times come from the given clock. */
export function throttlesContract(name: string, make: (clock: FakeClock) => Throttles): void {
  describe(`${name} keeps the contract of Throttles`, () => {
    test('admits its capacity at once, then one per interval', async () => {
      const clock = new FakeClock();
      const throttles = make(clock);
      const tenPerSecond = spec(10, 1000);
      for (let n = 0; n < 10; n++) {
        const verdict = await throttles.admit('key', tenPerSecond);
        expect(verdict).toMatchObject({
          throttled: false,
          limit: 11,
          remaining: 9 - n,
          retryAfter: undefined,
        });
      }
      const refused = await throttles.admit('key', tenPerSecond);
      expect(refused.throttled).toBe(true);
      expect(refused.remaining).toBe(0);
      expect(refused.retryAfter).toBeCloseTo(100, 2);
      expect(refused.resetAfter).toBeCloseTo(1000, 2);
      await clock.advance(99);
      expect((await throttles.admit('key', tenPerSecond)).throttled).toBe(true);
      await clock.advance(1);
      expect((await throttles.admit('key', tenPerSecond)).throttled).toBe(false);
    });

    test('a look tells how much is left and takes nothing', async () => {
      const clock = new FakeClock();
      const throttles = make(clock);
      const tenPerSecond = spec(10, 1000);
      for (let n = 0; n < 30; n++) {
        const fill = await throttles.look!('key', tenPerSecond);
        expect(fill).toMatchObject({ capacity: 10, remaining: 10, clearsIn: 0 });
      }
      for (let n = 0; n < 10; n++) await throttles.admit('key', tenPerSecond);
      const empty = await throttles.look!('key', tenPerSecond);
      expect(empty.remaining).toBe(0);
      expect(empty.clearsIn).toBeCloseTo(100, 1);
      await clock.advance(250);
      expect(await throttles.look!('key', tenPerSecond)).toMatchObject({ remaining: 2, clearsIn: 0 });
      expect((await throttles.admit('key', tenPerSecond)).throttled).toBe(false);
    });

    test.each([
      [10, 1, 2],
      [10, 5, 6],
      [10, 10, 10],
      [10, 50, 10],
      [1, 1, 1],
      [1, 0, 1],
    ])('limit %i with burst %i admits %i at once', async (limit, burst, capacity) => {
      const throttles = make(new FakeClock());
      let admitted = 0;
      while (!(await throttles.admit('key', spec(limit, 60_000, burst))).throttled) admitted++;
      expect(admitted).toBe(capacity);
    });

    test('a refusal takes nothing', async () => {
      const clock = new FakeClock();
      const throttles = make(clock);
      await throttles.admit('key', spec(1, 1000));
      for (let n = 0; n < 50; n++) await throttles.admit('key', spec(1, 1000));
      await clock.advance(1000);
      expect((await throttles.admit('key', spec(1, 1000))).throttled).toBe(false);
    });

    test('a quantity is taken whole or not at all', async () => {
      const throttles = make(new FakeClock());
      expect((await throttles.admit('key', spec(10, 1000), 7)).remaining).toBe(3);
      expect((await throttles.admit('key', spec(10, 1000), 4)).throttled).toBe(true);
      expect((await throttles.admit('key', spec(10, 1000), 3)).throttled).toBe(false);
    });

    test('keys, and the numbers of a spec, have budgets of their own', async () => {
      const throttles = make(new FakeClock());
      const admitted = async (key: string, numbers: ThrottleSpec): Promise<boolean> =>
        !(await throttles.admit(key, numbers)).throttled;
      expect(await admitted('one', spec(1, 1000))).toBe(true);
      expect(await admitted('one', spec(1, 1000))).toBe(false);
      expect(await admitted('two', spec(1, 1000))).toBe(true);
      expect(await admitted('one', spec(1, 2000))).toBe(true);
      expect(await admitted('one', spec(1, 1000, 5))).toBe(true);
    });

    test('no window sees more than the capacity plus what its length refills', async () => {
      const steps = fc.array(fc.record({ wait: fc.nat(400), tries: fc.nat(4) }), { maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(steps, fc.integer({ min: 1, max: 8 }), fc.nat(8), async (moves, limit, burst) => {
          const clock = new FakeClock();
          const throttles = make(clock);
          const times: number[] = [];
          for (const { wait, tries } of moves) {
            await clock.advance(wait);
            for (let n = 0; n < tries; n++) {
              const verdict: ThrottleVerdict = await throttles.admit('key', spec(limit, 1000, burst));
              if (!verdict.throttled) times.push(clock.monotonic());
            }
          }
          const capacity = Math.min(burst, limit - 1) + 1;
          for (let from = 0; from < times.length; from++) {
            for (let to = from; to < times.length; to++) {
              const allowed = capacity + ((times[to]! - times[from]!) * limit) / 1000;
              expect(to - from + 1).toBeLessThanOrEqual(allowed + 0.001);
            }
          }
        }),
        { numRuns: 25 },
      );
    });

    test('waiting for retryAfter is enough', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 1000 }),
          fc.constantFrom(1000, 60_000, 3_600_000),
          fc.nat(10),
          async (limit, period, burst) => {
            const clock = new FakeClock();
            const throttles = make(clock);
            for (let n = 0; n < 20; n++) {
              const verdict = await throttles.admit('key', spec(limit, period, burst));
              if (!verdict.throttled) continue;
              await clock.advance(verdict.retryAfter!);
              expect((await throttles.admit('key', spec(limit, period, burst))).throttled).toBe(false);
            }
          },
        ),
        { numRuns: 15 },
      );
    });
  });
}
