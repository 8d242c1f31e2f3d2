import type { Clock, Counters, Leases, Throttles } from '../../model/index.ts';
import { MAILBOX_WORDS, Mailbox } from './mailbox.ts';
import { counterPayload, SharedCounters } from './shared-counters.ts';
import { leasePayload, SharedLeases } from './shared-leases.ts';
import { type TableLayout, tableEnd, tableLayout } from './shared-table.ts';
import { SharedThrottles, THROTTLE_PAYLOAD } from './shared-throttles.ts';

/**
 * The memory of the limits of one process, in one SharedArrayBuffer. Plain data: post it to the workers.
 * Pages that no key has touched take no memory.
 */
export interface SharedLimits {
  readonly buffer: SharedArrayBuffer;
  /** Shards that can attach; the coordinator attaches with this number. */
  readonly shards: number;
  readonly mailboxes: number;
  readonly throttles: TableLayout;
  readonly leases: TableLayout;
  readonly counters: TableLayout;
}

/** Keys in use at a time for which there is room. */
export interface SharedLimitsOptions {
  /** Throttles whose bucket is not full (default 524,288; 32 bytes each). */
  throttles?: number;
  /** Limits with a holder or a want (default 65,536). */
  leases?: number;
  /** Counters that are not zero (default 131,072). */
  counters?: number;
}

/** The limits as one shard sees them. */
export interface AttachedLimits {
  readonly throttles: Throttles;
  readonly leases: Leases;
  readonly counters: Counters;
  /** Requests of this shard that were throttled because no room was left for their key. */
  refusedFull(): number;
  /** Stops listening; held leases stay held until they are released or `releaseShard` is called. */
  close(): void;
}

/** The limits of this process, over which those of several nodes can be put. */
export interface ProcessLimits extends AttachedLimits {
  readonly throttles: SharedThrottles;
  readonly leases: SharedLeases;
}

/** Makes the memory. In the coordinator, once, before the shards start. */
export function createSharedLimits(shards: number, options: SharedLimitsOptions = {}): SharedLimits {
  const members = shards + 1;
  const throttles = tableLayout(0, options.throttles ?? 524_288, THROTTLE_PAYLOAD);
  const leases = tableLayout(tableEnd(throttles), options.leases ?? 65_536, leasePayload(members));
  const counters = tableLayout(tableEnd(leases), options.counters ?? 131_072, counterPayload(members));
  const mailboxes = tableEnd(counters);
  const words = mailboxes + members * MAILBOX_WORDS;
  const buffer = new SharedArrayBuffer((words + (words % 2)) * 4);
  return { buffer, shards, mailboxes, throttles, leases, counters };
}

/** Joins as `shard` (0 to shards - 1; `shards` for the coordinator). At most one thread per number. */
export function attachLimits(shared: SharedLimits, shard: number, clock: Clock): ProcessLimits {
  const parts = attachParts(shared, shard, clock);
  return {
    throttles: parts.throttles,
    leases: parts.leases,
    counters: parts.counters,
    refusedFull: () => parts.throttles.refusedFull,
    close: () => parts.leases.close(),
  };
}

/**
 * Gives back everything that a dead shard held: leases, wants, what it added to counters, and locks it died with.
 * Only after its thread has ended.
 */
export function releaseShard(shared: SharedLimits, shard: number, clock: Clock): void {
  const parts = attachParts(shared, shared.shards, clock);
  parts.throttles.breakLocks(shard + 1);
  parts.leases.releaseShard(shard);
  parts.counters.releaseShard(shard);
}

function attachParts(shared: SharedLimits, shard: number, clock: Clock) {
  const words = new Int32Array(shared.buffer);
  const members = shared.shards + 1;
  const mailboxes = Array.from(
    { length: members },
    (_, box) => new Mailbox(words, shared.mailboxes + box * MAILBOX_WORDS, shard + 1),
  );
  return {
    throttles: new SharedThrottles(words, shared.throttles, shard + 1, clock),
    leases: new SharedLeases(words, shared.leases, mailboxes, shard, clock),
    counters: new SharedCounters(words, shared.counters, members, shard),
  };
}
