import { LRUCache } from 'lru-cache';
import type { KeptValue } from './kept-value.ts';

/** What a memoized function came to: a value, which may be that of a time before, or the text of its error. */
export type Memo = { readonly value: KeptValue; readonly isOld?: true } | { readonly error: string };

interface Entry {
  readonly memo: Memo;
  /** Configuration epoch in which it was made. */
  readonly epoch: number;
  /** When it stops being fresh, by the clock of the caller. */
  readonly until: number;
}

export interface MemoCacheOptions {
  /** Milliseconds for which a value is fresh. */
  readonly ttl: number;
  /** Most entries. */
  readonly capacity: number;
  readonly allowStale: boolean;
}

/** Errors, and what stands in for one, are remembered too, but not for long: milliseconds. */
const ERROR_TTL = 60_000;

/**
 * Results of one memoized function by key. Each key is computed by one caller at a time: `begin` makes the caller
 * that one, everybody else finds `pending`.
 */
export class MemoCache {
  readonly options: MemoCacheOptions;
  readonly #entries: LRUCache<string, Entry>;
  readonly #pending = new Map<string, Pending>();

  constructor(options: MemoCacheOptions) {
    this.options = options;
    this.#entries = new LRUCache({ max: options.capacity });
  }

  /** A value that is fresh at `now` (monotonic milliseconds) in this epoch. */
  fresh(key: string, now: number, epoch: number): Memo | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.until > now && entry.epoch === epoch ? entry.memo : undefined;
  }

  /** What there is, however old, where stale reads are allowed; an error is not. */
  stale(key: string): Memo | undefined {
    const memo = this.options.allowStale ? this.#entries.get(key)?.memo : undefined;
    return memo !== undefined && 'value' in memo ? memo : undefined;
  }

  /** The last value of the key, however old; undefined when there is none, or an error came after it. */
  lastGood(key: string): Memo | undefined {
    const memo = this.#entries.get(key)?.memo;
    return memo !== undefined && 'value' in memo ? { value: memo.value, isOld: true } : undefined;
  }

  /** The computation under way that began less than `timeout` ms ago. An older one is given up. */
  pending(key: string, now: number, timeout: number): Promise<Memo> | undefined {
    const pending = this.#pending.get(key);
    return pending !== undefined && now - pending.began < timeout ? pending.result : undefined;
  }

  /** Makes the caller the one that computes; it calls back with what came out. */
  begin(key: string, now: number): (memo: Memo, now: number, epoch: number) => void {
    const { promise, resolve } = Promise.withResolvers<Memo>();
    const pending = { result: promise, began: now };
    this.#pending.set(key, pending);
    return (memo, now, epoch) => {
      if (this.#pending.get(key) === pending) this.#pending.delete(key);
      const ttl = 'error' in memo || memo.isOld === true ? ERROR_TTL : this.options.ttl;
      this.#entries.set(key, { memo, epoch, until: now + ttl });
      resolve(memo);
    };
  }
}

interface Pending {
  readonly result: Promise<Memo>;
  readonly began: number;
}
