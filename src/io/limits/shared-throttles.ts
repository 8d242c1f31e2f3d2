import {
  type Clock,
  gcraAdmit,
  gcraFloor,
  gcraLook,
  type ThrottleFill,
  type ThrottleSpec,
  type Throttles,
  type ThrottleVerdict,
  throttleKey,
} from '../../model/index.ts';
import { SharedTable, SLOT_HEADER, type TableKey, type TableLayout } from './shared-table.ts';

/** One float: the TAT of the bucket. */
export const THROTTLE_PAYLOAD = 2;
/** ms to wait at least when there is no room for one more bucket. */
const FULL_RETRY = 1000;

/**
 * Throttles of all shards. A key costs 32 bytes while its bucket is not full. When the table has no room for
 * another key, requests of that key are throttled until an older bucket is idle: mail waits, no rate is exceeded.
 */
export class SharedThrottles implements Throttles {
  readonly #clock: Clock;
  readonly #table: SharedTable;
  readonly #tats: Float64Array;
  #now = 0;
  #refused = 0;

  constructor(words: Int32Array, layout: TableLayout, owner: number, clock: Clock) {
    this.#clock = clock;
    this.#tats = new Float64Array(words.buffer);
    this.#table = new SharedTable(words, layout, owner, (slot) => this.#tat(slot) <= this.#now);
  }

  /** Requests of this shard that were throttled because the table was full. */
  get refusedFull(): number {
    return this.#refused;
  }

  /** `emptyAt` (ms, monotonic): the bucket counts as empty at that time if it was not later. */
  admit(key: string, spec: ThrottleSpec, quantity = 1, emptyAt?: number): ThrottleVerdict {
    const entry = this.#table.key(throttleKey(key, spec));
    this.#table.lock(entry);
    try {
      // Read under the lock, so that time does not go back from one holder to the next.
      const now = this.#clock.monotonic();
      this.#now = now;
      const slot = this.#table.locate(entry, true);
      if (slot < 0) return this.#full(entry, spec, now);
      const { tat, verdict } = gcraAdmit(gcraFloor(this.#tat(slot), spec, emptyAt), spec, now, quantity);
      if (!verdict.throttled) this.#tats[(slot + SLOT_HEADER) >> 1] = tat;
      return verdict;
    } finally {
      this.#table.unlock(entry);
    }
  }

  look(key: string, spec: ThrottleSpec, emptyAt?: number): ThrottleFill {
    const entry = this.#table.key(throttleKey(key, spec));
    this.#table.lock(entry);
    try {
      const slot = this.#table.locate(entry, false);
      const tat = slot < 0 ? 0 : this.#tat(slot);
      return gcraLook(gcraFloor(tat, spec, emptyAt), spec, this.#clock.monotonic());
    } finally {
      this.#table.unlock(entry);
    }
  }

  breakLocks(owner: number): void {
    this.#table.breakLocks(owner);
  }

  #tat(slot: number): number {
    return this.#tats[(slot + SLOT_HEADER) >> 1]!;
  }

  #full(entry: TableKey, spec: ThrottleSpec, now: number): ThrottleVerdict {
    this.#refused++;
    let earliest = Number.POSITIVE_INFINITY;
    this.#table.visitBucket(entry, (slot) => {
      earliest = Math.min(earliest, this.#tat(slot));
    });
    const wait = Math.max(FULL_RETRY, earliest - now);
    return { throttled: true, limit: spec.burst + 1, remaining: 0, resetAfter: wait, retryAfter: wait };
  }
}
