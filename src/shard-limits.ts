import { systemClock } from './io/clock/index.ts';
import { type AttachedLimits, attachLimits, limitsOverRedis } from './io/limits/index.ts';
import type { Registry } from './io/metrics/index.ts';
import { random } from './io/random/index.ts';
import { closeRedisPools } from './io/redis/index.ts';
import type { Diagnostics } from './model/index.ts';
import type { RedisThrottleOptions } from './model/options/index.ts';
import type { ShardStart } from './shard-messages.ts';

export interface ShardLimits extends AttachedLimits {
  /** Resolves when limits hold as wide as they are meant to, or at the latest after the timeouts of Redis. */
  start(): Promise<void>;
}

/** The limits of a shard: those of its process, over Redis when init configured it. */
export function shardLimits(start: ShardStart, registry: Registry, diagnostics: Diagnostics): ShardLimits {
  const local = attachLimits(start.limits, start.shard, systemClock);
  const configured = start.declarations.find(({ kind }) => kind === 'configure_redis_throttles');
  const close = (limits: AttachedLimits): void => {
    limits.close();
    closeRedisPools();
  };
  if (configured === undefined) {
    return { ...local, start: () => Promise.resolve(), close: () => close(local) };
  }
  const shared = limitsOverRedis(local, {
    options: configured.options as RedisThrottleOptions,
    nodeId: start.nodeId,
    clock: systemClock,
    diagnostics,
    random,
    onOperation: (operation, status, milliseconds) =>
      registry
        .histogram('redis_operation_latency', 'throttles', operation, status)
        .observe(milliseconds / 1000),
    onChange: (isUp) => registry.series('redis_throttles_away').set(isUp ? 0 : 1),
  });
  const { throttles, leases, counters, refusedFull, start: connect } = shared;
  return { throttles, leases, counters, refusedFull, start: connect, close: () => close(shared) };
}
