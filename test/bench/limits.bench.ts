/** Cost of one throttle and one lease on the shared memory, without contention. `node test/bench/limits.bench.ts` */
import { systemClock } from '../../src/io/clock/index.ts';
import { attachLimits, createSharedLimits, LocalThrottles } from '../../src/io/limits/index.ts';
import type { Lease, Throttles } from '../../src/model/index.ts';

const limits = attachLimits(createSharedLimits(2), 0, systemClock);
const spec = { limit: 1_000_000_000, period: 1000, burst: 1_000_000_000, local: false };
const keys = Array.from(
  { length: 1000 },
  (_, n) => `kumomta.max_message_rate.unspecified->mx${n}.example.com@smtp_client`,
);

async function measure(name: string, rounds: number, step: (n: number) => void): Promise<void> {
  for (let n = 0; n < rounds / 10; n++) step(n);
  const started = systemClock.monotonic();
  for (let n = 0; n < rounds; n++) step(n);
  const each = ((systemClock.monotonic() - started) * 1e6) / rounds;
  console.log(`${name}: ${each.toFixed(0)} ns`);
}

const throttle = (throttles: Throttles) => (n: number) => void throttles.admit(keys[n % keys.length]!, spec);
await measure('local throttle', 1e6, throttle(new LocalThrottles(systemClock)));
await measure('shared throttle', 1e6, throttle(limits.throttles));
await measure('shared lease and release', 1e6, (n) => {
  (limits.leases.tryAcquire(keys[n % keys.length]!, { limit: 32, local: false }) as Lease).release();
});
await measure('shared counter', 1e6, (n) => void limits.counters.add(keys[n % keys.length]!, 1));
