export { formatDate } from './date-format.ts';
export { luaNull } from './marshalling.ts';
export {
  createPolicyEngine,
  type EventRules,
  PolicyEngine,
  type PolicyEngineOptions,
} from './policy-engine.ts';
export { PolicyLoadError, sharedFile } from './policy-files.ts';
export { PolicyGenerations } from './policy-generations.ts';
export { PolicyReject, rejectError } from './policy-reject.ts';
export { defaultLimits, type PoolLimits } from './state-pool.ts';
