import type { MaybePromise } from './json.ts';

/** `100/s,max_burst=5`: delivery.md section 1. */
export interface ThrottleSpec {
  limit: number;
  /** Milliseconds. */
  period: number;
  burst: number;
  /** Stays in this process even when limits are shared over Redis. */
  local: boolean;
}

/** `connection_limit` and friends. */
export interface LimitSpec {
  limit: number;
  local: boolean;
}

export interface ThrottleVerdict {
  throttled: boolean;
  limit: number;
  remaining: number;
  /** Milliseconds until the throttle is back to full. */
  resetAfter: number;
  /** Milliseconds until the next request would be admitted; undefined when this one was. */
  retryAfter: number | undefined;
}

/** How much is left of a budget. */
export interface ThrottleFill {
  /** Requests that a full bucket admits at once. */
  capacity: number;
  /** Requests that would be admitted now. */
  remaining: number;
  /** Milliseconds until the next request is admitted; 0 when it is now. */
  clearsIn: number;
}

/** Process-wide (or wider) request budgets. Every implementation passes test/contract/throttles.ts. */
export interface Throttles {
  /** Takes `quantity` from the budget of `key` if it is there; a refusal takes nothing. */
  admit(key: string, spec: ThrottleSpec, quantity?: number): MaybePromise<ThrottleVerdict>;
  /** How much is left of that budget. Takes and keeps nothing. */
  look?(key: string, spec: ThrottleSpec): MaybePromise<ThrottleFill>;
}

/** A held slot of a limit. */
export interface Lease {
  /**
   * True when another shard, or another owner in this one, waits for a slot of the same limit: give it back after the
   * current message.
   */
  readonly wanted: boolean;
  /**
   * For a holder that has nothing in hand: calls back once when the slot is to be given back, perhaps at once. No more
   * holders are called than slots are wanted. Gives a cancel. Absent where nobody else wants slots.
   */
  onWanted?(callback: () => void): () => void;
  /** Says that the slot will be given back soon, so that no other holder is asked for one in its place. */
  leave?(): void;
  /**
   * Keeps the slot for its duration again; false when it is lost, and what it was for must end. Absent where slots
   * do not expire.
   */
  extend?(): MaybePromise<boolean>;
  /** Gives the slot back; the second call does nothing. */
  release(): void;
}

/** Process-wide (or wider) concurrency limits. Every implementation passes test/contract/leases.ts. */
export interface Leases {
  /**
   * A slot right now, or undefined when the limit is reached. `duration`: ms after which a slot that is neither
   * released nor extended is free again, where its holder may die unseen. `owner`: who in this shard it is for; those
   * without one count as one.
   */
  tryAcquire(
    key: string,
    limit: LimitSpec,
    duration?: number,
    owner?: object,
  ): MaybePromise<Lease | undefined>;
  /**
   * Registers that this shard wants a slot of `key`, for an owner, and calls back once when it is worth another try:
   * owners that hold none come first. Returns a cancel; cancelling withdraws the want.
   */
  want(key: string, retry: () => void, owner?: object): () => void;
  /** Slots of that limit that this process holds. Takes and keeps nothing. */
  look?(key: string): number;
}

/**
 * Process-wide numbers, such as the fill of a ready queue or failures in a row. What a shard added goes when
 * the shard dies. A key at zero costs nothing; others stay until `reset`.
 */
export interface Counters {
  /** Adds `n` (may be negative) and returns the new total of all shards. */
  add(key: string, n: number): number;
  get(key: string): number;
  /** Adds `n` if the total stays at or below `limit`. */
  tryAdd(key: string, n: number, limit: number): boolean;
  /** Sets the total to zero for all shards. */
  reset(key: string): void;
}
