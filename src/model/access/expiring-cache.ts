import { LRUCache } from 'lru-cache';

interface Entry<T> {
  readonly value: T;
  readonly until: number;
  readonly epoch: number;
}

export interface ExpiringCacheOptions {
  /** Most entries. */
  readonly max: number;
  /** Milliseconds for which an entry counts; 0 = never. */
  readonly ttl: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Entries of another configuration epoch do not count. */
  readonly epoch: () => number;
}

/** The most recently used entries, each for a while and for one configuration epoch. */
export class ExpiringCache<T> {
  readonly #options: ExpiringCacheOptions;
  readonly #entries: LRUCache<string, Entry<T>>;

  constructor(options: ExpiringCacheOptions) {
    this.#options = options;
    this.#entries = new LRUCache({ max: options.max });
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    return entry.until > this.#options.now() && entry.epoch === this.#options.epoch()
      ? entry.value
      : undefined;
  }

  set(key: string, value: T, epoch = this.#options.epoch()): void {
    this.#entries.set(key, { value, until: this.#options.now() + this.#options.ttl(), epoch });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
