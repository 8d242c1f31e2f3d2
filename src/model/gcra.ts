import type { ThrottleSpec, ThrottleVerdict } from './limits.ts';

/**
 * The generic cell rate algorithm. A bucket is one number: the theoretical arrival time (TAT), the moment, in
 * milliseconds on the monotonic scale, at which it is full again. A bucket whose TAT has passed is the same as
 * one never used, so idle buckets need not be kept.
 */
export interface GcraStep {
  /** TAT to store when admitted; the old one otherwise. */
  tat: number;
  verdict: ThrottleVerdict;
}

/** Rounding of the floating point TAT, in ms. It is slack on the depth of the bucket, not on its rate. */
const SLACK = 1e-3;

/** How many requests a full bucket admits at once (delivery.md 1, in-process throttles). */
export function gcraCapacity(spec: ThrottleSpec): number {
  return Math.min(spec.burst, spec.limit - 1) + 1;
}

/**
 * Asks the bucket for `quantity` (default 1) at `now` (ms, monotonic). A quantity above the capacity is never
 * admitted. A refusal leaves the bucket as it was.
 */
export function gcraAdmit(tat: number, spec: ThrottleSpec, now: number, quantity = 1): GcraStep {
  const interval = spec.period / spec.limit;
  const depth = gcraCapacity(spec) * interval;
  const filled = Math.max(tat, now);
  const next = filled + quantity * interval;
  const ahead = next - now;
  const admitted = ahead <= depth + SLACK;
  const kept = admitted ? next : filled;
  return {
    tat: admitted ? next : tat,
    verdict: {
      throttled: !admitted,
      limit: spec.burst + 1,
      remaining: Math.max(0, Math.floor((depth - (kept - now) + SLACK) / interval)),
      resetAfter: Math.max(0, kept - now),
      retryAfter: admitted ? undefined : ahead - depth,
    },
  };
}

/** Writing the three numbers costs half a microsecond, and a spec is asked about many times. */
const suffixes = new WeakMap<ThrottleSpec, string>();

/** Name of the bucket: a change of any number starts a fresh one (delivery.md 1). Specs are not changed in place. */
export function throttleKey(key: string, spec: ThrottleSpec): string {
  let suffix = suffixes.get(spec);
  if (suffix === undefined) {
    suffix = `:${spec.limit}:${spec.burst}:${spec.period / 1000}`;
    suffixes.set(spec, suffix);
  }
  return key + suffix;
}
