import type { ThrottleFill, ThrottleSpec, ThrottleVerdict } from './limits.ts';

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

/** ms that an empty bucket takes to be full again. */
export function gcraDepth(spec: ThrottleSpec): number {
  return gcraCapacity(spec) * (spec.period / spec.limit);
}

/** TAT of a bucket that was empty at `emptyAt`, or later. */
export function gcraFloor(tat: number, spec: ThrottleSpec, emptyAt: number | undefined): number {
  return emptyAt === undefined ? tat : Math.max(tat, emptyAt + gcraDepth(spec));
}

/**
 * The answer to a request for `quantity`, which the bucket would be full again `ahead` ms after if it was admitted.
 */
export function gcraVerdict(
  spec: ThrottleSpec,
  admitted: boolean,
  ahead: number,
  quantity: number,
): ThrottleVerdict {
  const interval = spec.period / spec.limit;
  const depth = gcraDepth(spec);
  const kept = admitted ? ahead : ahead - quantity * interval;
  return {
    throttled: !admitted,
    limit: spec.burst + 1,
    remaining: Math.max(0, Math.floor((depth - kept + SLACK) / interval)),
    resetAfter: Math.max(0, kept),
    retryAfter: admitted ? undefined : ahead - depth,
  };
}

/**
 * Asks the bucket for `quantity` (default 1) at `now` (ms, monotonic). A quantity above the capacity is never
 * admitted. A refusal leaves the bucket as it was.
 */
export function gcraAdmit(tat: number, spec: ThrottleSpec, now: number, quantity = 1): GcraStep {
  const interval = spec.period / spec.limit;
  const next = Math.max(tat, now) + quantity * interval;
  const ahead = next - now;
  const admitted = ahead <= gcraDepth(spec) + SLACK;
  return { tat: admitted ? next : tat, verdict: gcraVerdict(spec, admitted, ahead, quantity) };
}

/** How much is left in the bucket at `now` (ms, monotonic). */
export function gcraLook(tat: number, spec: ThrottleSpec, now: number): ThrottleFill {
  return gcraFill(spec, Math.max(tat, now) - now);
}

/** How much is left in a bucket that is full again in `ahead` ms. */
export function gcraFill(spec: ThrottleSpec, ahead: number): ThrottleFill {
  const interval = spec.period / spec.limit;
  const room = gcraDepth(spec) - ahead + SLACK;
  return {
    capacity: gcraCapacity(spec),
    remaining: Math.max(0, Math.floor(room / interval)),
    clearsIn: Math.max(0, interval - room),
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
