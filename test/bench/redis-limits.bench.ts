/**
 * Throttles and leases over a real redis-server on this machine, one shard. `node test/bench/redis-limits.bench.ts`.
 * Needs the Debian package redis-server.
 */
import { systemClock } from '../../src/io/clock/index.ts';
import { attachLimits, createSharedLimits, limitsOverRedis } from '../../src/io/limits/index.ts';
import { parseOptions } from '../../src/model/define/index.ts';
import { redisThrottleOptions } from '../../src/model/options/index.ts';
import { RedisServer } from '../kit/redis-server.ts';
import { freePort } from '../peers/postfix-tools.ts';

const server = await RedisServer.start(await freePort());
const quiet = { error: console.error, warn: console.error, info: () => {}, debug: () => {} };
const limits = limitsOverRedis(attachLimits(createSharedLimits(1), 0, systemClock), {
  options: parseOptions(redisThrottleOptions, { node: server.url }),
  nodeId: 'bench',
  clock: systemClock,
  random: Math.random,
  diagnostics: quiet,
});
await limits.start();

const spec = { limit: 1_000_000_000, period: 1000, burst: 1_000_000_000, local: false };
const keys = Array.from(
  { length: 1000 },
  (_, n) => `kumomta.max_message_rate.unspecified->mx${n}.example.com@smtp_client`,
);

/** `queues` ask at the same time, each one after the other, as ready queues do. */
async function measure(
  name: string,
  queues: number,
  rounds: number,
  step: (n: number) => Promise<void>,
): Promise<void> {
  const lap = async (count: number): Promise<void> => {
    let next = 0;
    const one = async (): Promise<void> => {
      while (next < count) await step(next++);
    };
    await Promise.all(Array.from({ length: queues }, one));
  };
  await lap(rounds / 10);
  const cpu = process.cpuUsage();
  const started = systemClock.monotonic();
  await lap(rounds);
  const seconds = (systemClock.monotonic() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const each = (user + system) / rounds;
  console.log(
    `${name}, ${queues} queues: ${Math.round(rounds / seconds)}/s, ${each.toFixed(1)} us of CPU each`,
  );
}

const admit = async (n: number): Promise<void> => {
  const verdict = await limits.throttles.admit(keys[n % keys.length]!, spec);
  if (verdict.throttled) throw new Error('throttled');
};
const lease = async (n: number): Promise<void> => {
  const held = await limits.leases.tryAcquire(keys[n % keys.length]!, { limit: 1000, local: false });
  if (held === undefined) throw new Error('no slot');
  held.release();
};
await measure('admit', 1, 20_000, admit);
await measure('admit', 100, 200_000, admit);
await measure('lease and release', 100, 50_000, lease);
if (!limits.isUp) throw new Error('Redis was away');
await server.kill();
while (limits.isUp) await new Promise((done) => setTimeout(done, 10));
await measure('share while away', 100, 500_000, async (n) => {
  await limits.throttles.admit(keys[n % keys.length]!, spec);
});
limits.close();
