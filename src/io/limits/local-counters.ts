import type { Counters } from '../../model/index.ts';

/** Counters of one thread. */
export class LocalCounters implements Counters {
  readonly #totals = new Map<string, number>();

  add(key: string, n: number): number {
    const total = this.get(key) + n;
    if (total === 0) this.#totals.delete(key);
    else this.#totals.set(key, total);
    return total;
  }

  get(key: string): number {
    return this.#totals.get(key) ?? 0;
  }

  tryAdd(key: string, n: number, limit: number): boolean {
    if (this.get(key) + n > limit) return false;
    this.add(key, n);
    return true;
  }

  reset(key: string): void {
    this.#totals.delete(key);
  }
}
