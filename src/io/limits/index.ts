export { LocalCounters } from './local-counters.ts';
export { LocalLeases } from './local-leases.ts';
export { LocalThrottles } from './local-throttles.ts';
export {
  type AttachedLimits,
  attachLimits,
  createSharedLimits,
  releaseShard,
  type SharedLimits,
  type SharedLimitsOptions,
} from './shared-limits.ts';
