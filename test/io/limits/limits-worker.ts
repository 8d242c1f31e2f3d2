import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../../src/io/clock/index.ts';
import { attachLimits, type SharedLimits } from '../../../src/io/limits/index.ts';
import type { Lease } from '../../../src/model/index.ts';

/** One shard of the tests with real threads. Posts what it counted, or holds what it has until it is ended. */
export interface ShardJob {
  shared: SharedLimits;
  shard: number;
  kind: 'throttle' | 'lease' | 'hold';
  rounds: number;
  limit: number;
  /** [0] slots held by all shards right now, [1] the most there ever were, [2] how many times it started. */
  gauge: SharedArrayBuffer;
}

const job = workerData as ShardJob;
const gauge = new Int32Array(job.gauge);
const limits = attachLimits(job.shared, job.shard, systemClock);

/** All shards start together. */
Atomics.add(gauge, 2, 1);
Atomics.notify(gauge, 2);
while (Atomics.load(gauge, 2) < job.shared.shards) Atomics.wait(gauge, 2, Atomics.load(gauge, 2), 5);

// Waiting for another shard keeps no thread alive; a real shard has its listeners.
const alive = setInterval(() => {}, 1000);

if (job.kind === 'throttle') parentPort!.postMessage(await countAdmitted());
if (job.kind === 'lease') parentPort!.postMessage(await takeTurns());
if (job.kind === 'hold') {
  for (let n = 0; n < job.limit; n++)
    void limits.leases.tryAcquire('key', { limit: job.limit, local: false });
  parentPort!.postMessage('holding');
} else {
  limits.close();
  clearInterval(alive);
}

/** Many keys, so that buckets, claims and locks are all contended. */
async function countAdmitted(): Promise<number> {
  const spec = { limit: job.limit, period: 86_400_000, burst: job.limit, local: false };
  let admitted = 0;
  for (let n = 0; n < job.rounds; n++) {
    for (let key = 0; key < 20; key++) {
      if (!(await limits.throttles.admit(`key-${key}`, spec)).throttled) admitted++;
    }
  }
  return admitted;
}

/** Drains `rounds` messages, one connection at a time, giving the slot up whenever another shard wants it. */
function takeTurns(): Promise<number> {
  let left = job.rounds;
  return new Promise((resolve) => {
    const attempt = (): void => {
      const lease = limits.leases.tryAcquire('key', { limit: job.limit, local: false }) as Lease | undefined;
      if (lease === undefined) {
        limits.leases.want('key', attempt);
        return;
      }
      const held = Atomics.add(gauge, 0, 1) + 1;
      if (held > Atomics.load(gauge, 1)) Atomics.store(gauge, 1, held);
      deliver(lease);
    };
    const deliver = (lease: Lease): void => {
      left--;
      if (left > 0 && !lease.wanted) {
        setImmediate(deliver, lease);
        return;
      }
      Atomics.sub(gauge, 0, 1);
      lease.release();
      if (left === 0) resolve(job.rounds);
      else attempt();
    };
    attempt();
  });
}
