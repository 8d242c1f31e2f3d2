import type { Counters } from '../limits.ts';

export interface SeriesShape {
  readonly name: string;
  readonly buckets: number;
  /** Milliseconds, whole seconds. */
  readonly bucketSize: number;
}

/**
 * Sums over the last minutes or hours: a number per bucket of time, in counters that the whole process shares.
 * A bucket is known by its number since 1970; old ones are reset when a later one is touched.
 */
export class CounterSeries {
  readonly shape: SeriesShape;
  readonly #counters: Counters;
  readonly #now: () => number;
  #last: number;

  /** `initial`: what the present bucket holds when nobody in the process has used this series yet. */
  constructor(shape: SeriesShape, counters: Counters, now: () => number, initial: number) {
    this.shape = shape;
    this.#counters = counters;
    this.#now = now;
    this.#last = this.#number();
    const known = `${this.#prefix} known`;
    if (counters.add(known, 1) === 1 && initial !== 0) counters.add(this.#key(this.#last), initial);
  }

  /** Adds to the present bucket; its sum does not go below zero. */
  add(n: number): void {
    const key = this.#key(this.#rotate());
    this.#counters.add(key, Math.max(n, -this.#counters.get(key)));
  }

  /** Sets the present bucket. */
  observe(n: number): void {
    const key = this.#key(this.#rotate());
    this.#counters.add(key, n - this.#counters.get(key));
  }

  /** Sum of the newest buckets that `milliseconds` reach into; of all by default. */
  sum(milliseconds = Number.POSITIVE_INFINITY): number {
    const newest = this.#rotate();
    const count = Math.min(this.shape.buckets, Math.ceil(milliseconds / this.shape.bucketSize));
    let sum = 0;
    for (let i = 0; i < count; i++) sum += this.#counters.get(this.#key(newest - i));
    return sum;
  }

  get #prefix(): string {
    const { name, buckets, bucketSize } = this.shape;
    return `counter_series ${name} ${buckets} ${bucketSize}`;
  }

  #key(bucket: number): string {
    return `${this.#prefix} ${bucket}`;
  }

  #number(): number {
    return Math.floor(this.#now() / this.shape.bucketSize);
  }

  /** The number of the present bucket. What fell out since the last time is reset. */
  #rotate(): number {
    const newest = this.#number();
    const { buckets } = this.shape;
    const end = Math.min(newest - buckets, this.#last);
    for (let old = this.#last - buckets + 1; old <= end; old++) this.#counters.reset(this.#key(old));
    this.#last = Math.max(this.#last, newest);
    return newest;
  }
}
