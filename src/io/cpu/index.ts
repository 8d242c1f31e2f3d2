import { availableParallelism } from 'node:os';

export { CpuMeter, type CpuUse } from './usage.ts';

/** CPUs that may be used; KUMO_AVAILABLE_PARALLELISM in the environment overrides what the system says. */
export function usableCpus(): number {
  const wanted = Number.parseInt(process.env.KUMO_AVAILABLE_PARALLELISM ?? '', 10);
  return wanted > 0 ? wanted : availableParallelism();
}
