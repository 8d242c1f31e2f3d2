import { afterEach, describe, expect, test } from 'vitest';
import {
  type AttachedLimits,
  attachLimits,
  createSharedLimits,
  releaseShard,
  type SharedLimits,
} from '../../../src/io/limits/index.ts';
import type { Clock, Lease } from '../../../src/model/index.ts';
import { leasesContract, limitOf } from '../../contract/leases.ts';
import { spec, throttlesContract } from '../../contract/throttles.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';

const open: AttachedLimits[] = [];
afterEach(() => {
  for (const limits of open.splice(0)) limits.close();
});

const small = { throttles: 1024, leases: 256, counters: 256 };

function attach(shared: SharedLimits, shard: number, clock: Clock = new FakeClock()): AttachedLimits {
  const limits = attachLimits(shared, shard, clock);
  open.push(limits);
  return limits;
}

throttlesContract('SharedThrottles', (clock) => attach(createSharedLimits(2, small), 1, clock).throttles);
leasesContract('SharedLeases', () => attach(createSharedLimits(2, small), 0).leases);

/** Two shards of one process, in one thread: the memory does not know the difference. */
function pair(): { shared: SharedLimits; a: AttachedLimits; b: AttachedLimits; clock: FakeClock } {
  const shared = createSharedLimits(2, small);
  const clock = new FakeClock();
  return { shared, clock, a: attach(shared, 0, clock), b: attach(shared, 1, clock) };
}

const take = (limits: AttachedLimits, limit: number): Lease | undefined =>
  limits.leases.tryAcquire('key', limitOf(limit)) as Lease | undefined;

describe('throttles across shards', () => {
  test('share one budget', async () => {
    const { a, b } = pair();
    const admitted = [a, b, a, b, a].map((shard) => shard.throttles.admit('key', spec(3, 1000)));
    expect((await Promise.all(admitted)).map((verdict) => verdict.throttled)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  test('a full table throttles new keys until a bucket is idle, and says so', async () => {
    const clock = new FakeClock();
    const limits = attach(createSharedLimits(1, { ...small, throttles: 128 }), 0, clock);
    for (let key = 0; key < 128; key++) await limits.throttles.admit(`key-${key}`, spec(1, 5000 + key));
    const refused = await limits.throttles.admit('one more', spec(10, 1000));
    expect(refused).toMatchObject({ throttled: true, retryAfter: 5000 });
    expect(limits.refusedFull()).toBe(1);
    await clock.advance(5000);
    expect((await limits.throttles.admit('one more', spec(10, 1000))).throttled).toBe(false);
    expect((await limits.throttles.admit('key-127', spec(1, 5127))).throttled).toBe(true);
  });
});

describe('leases across shards', () => {
  test('share one limit', () => {
    const { a, b } = pair();
    const held = take(a, 2);
    expect(take(b, 2)).toBeDefined();
    expect(take(a, 2)).toBeUndefined();
    held!.release();
    expect(take(b, 2)).toBeDefined();
  });

  test('with limit 1 the shards take turns, even when one asks again at once', async () => {
    const { a, b } = pair();
    const order: string[] = [];
    const first = take(a, 1)!;
    let second: Lease | undefined;
    b.leases.want('key', () => {
      second = take(b, 1);
      order.push('b');
    });
    expect(first.wanted).toBe(true);
    first.release();
    expect(take(a, 1)).toBeUndefined();
    a.leases.want('key', () => {
      order.push('a');
      expect(take(a, 1)).toBeDefined();
    });
    await settleRealTime(() => second !== undefined);
    expect(second!.wanted).toBe(true);
    second!.release();
    await settleRealTime(() => order.length === 2);
    expect(order).toEqual(['b', 'a']);
  });

  test('a busy shard gives up what makes the shares even, and no more', async () => {
    const { a, b } = pair();
    const held = Array.from({ length: 4 }, () => take(a, 4)!);
    const other: Lease[] = [];
    const want = (): void => {
      b.leases.want('key', () => {
        other.push(take(b, 4)!);
        want();
      });
    };
    want();
    for (let share = 1; share <= 2; share++) {
      expect(held.every((lease) => lease.wanted)).toBe(true);
      held.pop()!.release();
      await settleRealTime(() => other.length === share);
    }
    expect(held.map((lease) => lease.wanted)).toEqual([false, false]);
    expect(other.map((lease) => lease.wanted)).toEqual([false, false]);
  });

  test('an idle holder is told by the shard that wants, one for each slot, and holds no timer', async () => {
    const { a, b, clock } = pair();
    const told: number[] = [];
    const held = Array.from({ length: 3 }, () => take(a, 3)!);
    for (const [index, lease] of held.entries()) lease.onWanted!(() => told.push(index));
    expect(clock.pending).toBe(0);
    let got: Lease | undefined;
    b.leases.want('key', () => {
      got = take(b, 3);
    });
    await settleRealTime(() => told.length > 0);
    await settle();
    expect(told).toEqual([0]);
    held[0]!.release();
    await settleRealTime(() => got !== undefined);
    expect(told).toEqual([0]);
    // As many as the other has: no more than one apart.
    b.leases.want('key', () => {});
    await settle();
    await settle();
    expect(told).toEqual([0]);
  });

  test('a shard that stops idling is not told any more, one that idles again is', async () => {
    const { a, b } = pair();
    const lease = take(a, 1)!;
    let told = 0;
    const cancel = lease.onWanted!(() => told++);
    cancel();
    b.leases.want('key', () => {});
    await settle();
    await settle();
    expect([told, lease.wanted]).toEqual([0, true]);
    lease.onWanted!(() => told++);
    expect(told).toBe(1);
  });

  test('a lease is not wanted while a slot is free', () => {
    const { a, b } = pair();
    const lease = take(a, 2)!;
    b.leases.want('key', () => {});
    expect(lease.wanted).toBe(false);
  });

  test('a withdrawn want lets the others on', async () => {
    const { a, b } = pair();
    const lease = take(a, 1)!;
    const cancel = b.leases.want('key', () => {});
    cancel();
    expect(lease.wanted).toBe(false);
    lease.release();
    expect(take(a, 1)).toBeDefined();
  });

  test('a dead shard gives back its leases, wants and locks', async () => {
    const { shared, clock, a, b } = pair();
    take(a, 1);
    let woken = false;
    b.leases.want('key', () => {
      woken = true;
    });
    a.counters.add('counter', 5);
    b.counters.add('counter', 2);
    // Died with every lock closed: all lock words of the three tables and the mailboxes.
    const words = new Int32Array(shared.buffer);
    for (const table of [shared.throttles, shared.leases, shared.counters]) {
      words.fill(1, table.start, table.start + table.buckets);
    }
    releaseShard(shared, 0, clock);
    await settleRealTime(() => woken);
    expect(take(b, 1)).toBeDefined();
    expect(b.counters.get('counter')).toBe(2);
    expect((await b.throttles.admit('key', spec(1, 1000))).throttled).toBe(false);
  });

  test('a dead shard that waited first does not hold up the next', async () => {
    const shared = createSharedLimits(3, small);
    const clock = new FakeClock();
    const [a, dead, c] = [
      attach(shared, 0, clock),
      attach(shared, 1, clock),
      attach(shared, 2, clock),
    ] as const;
    const lease = take(a, 1)!;
    dead.leases.want('key', () => {});
    let woken = false;
    c.leases.want('key', () => {
      woken = take(c, 1) !== undefined;
    });
    dead.close();
    await settle();
    lease.release();
    await settle();
    expect(woken).toBe(false);
    releaseShard(shared, 1, clock);
    await settleRealTime(() => woken);
  });

  test('a full table refuses, and a want tries again later', async () => {
    const clock = new FakeClock();
    const limits = attach(createSharedLimits(1, { ...small, leases: 128 }), 0, clock);
    const held = Array.from(
      { length: 128 },
      (_, n) => limits.leases.tryAcquire(`key-${n}`, limitOf(1)) as Lease,
    );
    expect(limits.leases.tryAcquire('one more', limitOf(1))).toBeUndefined();
    let lease: Lease | undefined;
    limits.leases.want('one more', () => {
      lease = limits.leases.tryAcquire('one more', limitOf(1)) as Lease;
    });
    held[5]!.release();
    await clock.advance(1000);
    expect(lease).toBeDefined();
  });
});

test('counters of all shards add up', () => {
  const { a, b } = pair();
  expect(a.counters.add('key', 3)).toBe(3);
  expect(b.counters.add('key', 4)).toBe(7);
  expect(a.counters.tryAdd('key', 4, 10)).toBe(false);
  expect(a.counters.tryAdd('key', 3, 10)).toBe(true);
  expect(b.counters.get('key')).toBe(10);
  b.counters.reset('key');
  expect(a.counters.get('key')).toBe(0);
});

test('a counter without room counts in its shard', () => {
  const limits = attach(createSharedLimits(1, { ...small, counters: 128 }), 0);
  for (let key = 0; key < 128; key++) limits.counters.add(`key-${key}`, 1);
  expect(limits.counters.add('one more', 2)).toBe(2);
  expect(limits.counters.tryAdd('one more', 2, 3)).toBe(false);
  expect(limits.counters.get('one more')).toBe(2);
});

/** Calls between shards come by Atomics.waitAsync, hence over real event loop turns. */
async function settleRealTime(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !done(); turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(done()).toBe(true);
}
