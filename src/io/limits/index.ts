export { LocalCounters } from './local-counters.ts';
export { LocalLeases } from './local-leases.ts';
export { LocalThrottles } from './local-throttles.ts';
export { RedisLeases } from './redis-leases.ts';
export { limitsOverRedis, type RedisLimits } from './redis-limits.ts';
export { RedisNodes } from './redis-nodes.ts';
export { RedisThrottles } from './redis-throttles.ts';
export {
  type AttachedLimits,
  attachLimits,
  createSharedLimits,
  releaseShard,
  type SharedLimits,
  type SharedLimitsOptions,
} from './shared-limits.ts';
