import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AttachedLimits,
  attachLimits,
  createSharedLimits,
  releaseShard,
} from '../../../src/io/limits/index.ts';
import type { Lease } from '../../../src/model/index.ts';
import { limitOf } from '../../contract/leases.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';

const SHARDS = 3;

/** One shard's view: what it holds, and how many of its wants are open. */
class Shard {
  readonly limits: AttachedLimits;
  readonly held = new Map<string, Lease[]>();
  readonly cancels = new Set<() => void>();
  dead = false;
  /** Times that it was asked to give something up. */
  told = 0;

  constructor(limits: AttachedLimits) {
    this.limits = limits;
  }

  readonly owners = [{}, {}];

  acquire(key: string, limit: number, owner: number): boolean {
    const lease = this.limits.leases.tryAcquire(key, limitOf(limit), undefined, this.owners[owner]) as
      | Lease
      | undefined;
    if (lease === undefined) return false;
    const held = this.held.get(key) ?? [];
    held.push(lease);
    this.held.set(key, held);
    return true;
  }

  /** Wants until it gets one. */
  want(key: string, limit: number, owner: number): void {
    const retry = (): void => {
      this.cancels.delete(cancel);
      if (!this.dead && !this.acquire(key, limit, owner)) this.want(key, limit, owner);
    };
    const cancel = this.limits.leases.want(key, retry, this.owners[owner]);
    this.cancels.add(cancel);
  }

  /** What it holds has nothing to do until it is wanted. */
  idle(key: string): void {
    for (const lease of this.held.get(key) ?? []) {
      lease.onWanted!(() => {
        this.told++;
        const held = this.held.get(key)!;
        held.splice(held.indexOf(lease), 1);
        lease.release();
      });
    }
  }
}

const step = fc.record({
  kind: fc.constantFrom('acquire', 'acquire', 'release', 'want', 'want', 'idle', 'cancel', 'settle', 'die'),
  shard: fc.nat(SHARDS - 1),
  key: fc.constantFrom('one', 'two'),
  owner: fc.nat(1),
});

test('no limit is exceeded, no want is forgotten, whatever the order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 3 }),
      async (steps, limit) => {
        const shared = createSharedLimits(SHARDS, { throttles: 1, leases: 128, counters: 1 });
        const clock = new FakeClock();
        const shards = Array.from({ length: SHARDS }, (_, n) => new Shard(attachLimits(shared, n, clock)));
        const heldOf = (key: string): number =>
          shards.reduce((sum, shard) => sum + (shard.dead ? 0 : (shard.held.get(key)?.length ?? 0)), 0);
        for (const { kind, shard: n, key, owner } of steps) {
          const shard = shards[n]!;
          if (shard.dead) continue;
          if (kind === 'acquire') shard.acquire(key, limit, owner);
          else if (kind === 'release') shard.held.get(key)?.pop()?.release();
          else if (kind === 'want') shard.want(key, limit, owner);
          else if (kind === 'idle') shard.idle(key);
          else if (kind === 'settle') await settle();
          else if (kind === 'cancel') {
            for (const cancel of [...shard.cancels].slice(0, 1)) {
              cancel();
              shard.cancels.delete(cancel);
            }
          } else {
            shard.dead = true;
            shard.limits.close();
            releaseShard(shared, n, clock);
          }
          for (const name of ['one', 'two']) expect(heldOf(name)).toBeLessThanOrEqual(limit);
        }
        await drain(shards);
        for (const shard of shards) shard.limits.close();
      },
    ),
    { numRuns: 60 },
  );
});

test('whoever has nothing to do gives way: idle slots alone hold nobody up, whatever the order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 3 }),
      async (steps, limit) => {
        const shared = createSharedLimits(SHARDS, { throttles: 1, leases: 128, counters: 1 });
        const clock = new FakeClock();
        const shards = Array.from({ length: SHARDS }, (_, n) => new Shard(attachLimits(shared, n, clock)));
        for (const { kind, shard: n, key, owner } of steps) {
          if (kind === 'acquire') shards[n]!.acquire(key, limit, owner);
          else if (kind === 'settle') await settle();
          else shards[n]!.idle(key);
        }
        for (const shard of shards) for (const key of shard.held.keys()) shard.idle(key);
        const waiting = shards[0]!;
        // Owner 2 is nobody in particular, and holds nothing yet.
        waiting.want('one', limit, 2);
        for (let turn = 0; turn < 100 && waiting.cancels.size > 0; turn++) await settle();
        expect(waiting.cancels.size).toBe(0);
        expect(shards.reduce((sum, { told }) => sum + told, 0)).toBeLessThanOrEqual(1);
        for (const shard of shards) shard.limits.close();
      },
    ),
    { numRuns: 60 },
  );
});

/** Everybody releases whatever they get until no want is open. */
async function drain(shards: Shard[]): Promise<void> {
  const alive = shards.filter((shard) => !shard.dead);
  const open = (): number => alive.reduce((sum, shard) => sum + shard.cancels.size, 0);
  for (let turn = 0; turn < 500; turn++) {
    for (const shard of alive) for (const held of shard.held.values()) held.pop()?.release();
    if (open() === 0 && alive.every((shard) => [...shard.held.values()].every((held) => held.length === 0)))
      return;
    await settle();
  }
  expect(open()).toBe(0);
}
