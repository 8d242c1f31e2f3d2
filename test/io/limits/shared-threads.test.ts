import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock/index.ts';
import { attachLimits, createSharedLimits, releaseShard } from '../../../src/io/limits/index.ts';
import type { ShardJob } from './limits-worker.ts';

function start(job: ShardJob): Worker {
  return new Worker(new URL('./limits-worker.ts', import.meta.url), { workerData: job });
}

async function run(job: Omit<ShardJob, 'shard'>): Promise<number[]> {
  const shards = Array.from({ length: job.shared.shards }, (_, shard) => start({ ...job, shard }));
  // They end by themselves; V8 does not like to be cut off while it compiles.
  const ended = shards.map((worker) => once(worker, 'exit'));
  const answers = await Promise.all(
    shards.map(async (worker) => (await once(worker, 'message'))[0] as number),
  );
  await Promise.all(ended);
  return answers;
}

test('threads together are admitted exactly the limit', async () => {
  const shared = createSharedLimits(3, { throttles: 128, leases: 128, counters: 128 });
  const gauge = new SharedArrayBuffer(12);
  // 3 threads ask 20 keys 3 x 2,000 times; each key admits 1,000 per day.
  const admitted = await run({ shared, kind: 'throttle', rounds: 2000, limit: 1000, gauge });
  expect(admitted.reduce((sum, n) => sum + n)).toBe(20_000);
});

test.each([1, 2])(
  'limit %i, 3 threads: all drain, and never more connections than the limit',
  async (limit) => {
    const shared = createSharedLimits(3, { throttles: 128, leases: 128, counters: 128 });
    const gauge = new SharedArrayBuffer(12);
    expect(await run({ shared, kind: 'lease', rounds: 300, limit, gauge })).toEqual([300, 300, 300]);
    const counts = new Int32Array(gauge);
    expect(counts[0]).toBe(0);
    expect(counts[1]).toBeLessThanOrEqual(limit);
    expect(counts[1]).toBeGreaterThan(0);
  },
);

test('the leases of a thread that was ended come back', async () => {
  const shared = createSharedLimits(1, { throttles: 128, leases: 128, counters: 128 });
  const worker = start({
    shared,
    shard: 0,
    kind: 'hold',
    rounds: 0,
    limit: 2,
    gauge: new SharedArrayBuffer(12),
  });
  await once(worker, 'message');
  const limits = attachLimits(shared, shared.shards, systemClock);
  expect(limits.leases.tryAcquire('key', { limit: 2, local: false })).toBeUndefined();
  await worker.terminate();
  releaseShard(shared, 0, systemClock);
  expect(limits.leases.tryAcquire('key', { limit: 2, local: false })).toBeDefined();
  limits.close();
});
