import { LRUCache } from 'lru-cache';
import { CacheMeter } from '../cache-meter.ts';
import { measured, type Series } from '../registry.ts';
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

/** What is measured of one memoized function. */
export class MemoMeter {
  readonly cache: CacheMeter;
  readonly #lookups: Series;
  readonly #hits: Series;
  readonly #misses: Series;
  readonly #populated: Series;

  constructor(name: string) {
    this.cache = new CacheMeter(name);
    this.#lookups = measured.series('memoize_cache_lookup_count', name);
    this.#hits = measured.series('memoize_cache_hit_count', name);
    this.#misses = measured.series('memoize_cache_miss_count', name);
    this.#populated = measured.series('memoize_cache_populated_count', name);
  }

  /** Somebody asked; `isThere`: there was something, fresh or not. */
  looked(isFresh: boolean, isThere: boolean): void {
    this.#lookups.add();
    this.cache.lookups.add();
    if (isFresh) {
      this.#hits.add();
      this.cache.hits.add();
      return;
    }
    this.#misses.add();
    this.cache.misses.add();
    if (isThere) this.cache.expired.add();
  }

  /** There are `size` results now. */
  filled(isError: boolean, size: number): void {
    this.#populated.add();
    this.cache.populated.add();
    this.cache.inserts.add();
    this.cache.size.set(size);
    if (isError) this.cache.errors.add();
  }
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
  readonly #meter: MemoMeter | undefined;
  readonly #pending = new Map<string, Pending>();

  /** `meter` counts what it is asked for, and what of that it has. */
  constructor(options: MemoCacheOptions, meter?: MemoMeter) {
    this.options = options;
    this.#meter = meter;
    this.#entries = new LRUCache({
      max: options.capacity,
      ...(meter !== undefined && {
        dispose: (_entry, _key, reason) => void (reason === 'evict' && meter.cache.evicted.add()),
      }),
    });
  }

  /** A value that is fresh at `now` (monotonic milliseconds) in this epoch. */
  fresh(key: string, now: number, epoch: number): Memo | undefined {
    const entry = this.#entries.get(key);
    const isFresh = entry !== undefined && entry.until > now && entry.epoch === epoch;
    this.#meter?.looked(isFresh, entry !== undefined);
    return isFresh ? entry.memo : undefined;
  }

  /** What there is, however old, where stale reads are allowed; an error is not. */
  stale(key: string): Memo | undefined {
    const memo = this.options.allowStale ? this.#entries.get(key)?.memo : undefined;
    if (memo === undefined || 'error' in memo) return undefined;
    this.#meter?.cache.stale.add();
    return memo;
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

  /** So many callers more, or less, wait for a computation. */
  waits(count: number): void {
    this.#meter?.cache.waiting.add(count);
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
      this.#meter?.filled('error' in memo, this.#entries.size);
      resolve(memo);
    };
  }
}

interface Pending {
  readonly result: Promise<Memo>;
  readonly began: number;
}
