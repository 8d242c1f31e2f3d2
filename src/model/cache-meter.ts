import { measured, type Series } from './registry.ts';

/** What is measured of a cache, under its name. */
export class CacheMeter {
  readonly lookups: Series;
  readonly hits: Series;
  readonly misses: Series;
  readonly inserts: Series;
  /** Entries that the cache filled itself. */
  readonly populated: Series;
  readonly evicted: Series;
  /** Look-ups that found only an entry which is too old. */
  readonly expired: Series;
  /** Look-ups answered by such an entry. */
  readonly stale: Series;
  readonly errors: Series;
  readonly size: Series;
  /** Look-ups that wait for an entry to be filled. */
  readonly waiting: Series;

  constructor(name: string) {
    const series = (metric: string): Series => measured.series(`lruttl_${metric}`, name);
    this.lookups = series('lookup_count');
    this.hits = series('hit_count');
    this.misses = series('miss_count');
    this.inserts = series('insert_count');
    this.populated = series('populated_count');
    this.evicted = series('evict_count');
    this.expired = series('expire_count');
    this.stale = series('stale_count');
    this.errors = series('error_count');
    this.size = series('cache_size');
    this.waiting = series('waiting_populate');
  }
}
