export interface WeightedSource {
  name: string;
  weight: number;
}

/**
 * Weighted round robin over the sources of a pool (delivery.md section 6): interleaved, exact over one cycle.
 * Entries with weight 0 are left out.
 */
export class SourceSelector {
  readonly #entries: WeightedSource[];
  readonly #max: number;
  readonly #step: number;
  #index = -1;
  #current = 0;

  constructor(entries: readonly WeightedSource[]) {
    this.#entries = entries.filter((entry) => entry.weight > 0);
    this.#max = Math.max(0, ...this.#entries.map((entry) => entry.weight));
    this.#step = this.#entries.map((entry) => entry.weight).reduce(greatestCommonDivisor, 0);
  }

  get size(): number {
    return this.#entries.length;
  }

  /** The next source that `eligible` accepts, or undefined when none is. */
  next(eligible: (name: string) => boolean): string | undefined {
    if (this.#entries.length === 1) {
      const only = this.#entries[0]!.name;
      return eligible(only) ? only : undefined;
    }
    if (!this.#entries.some((entry) => eligible(entry.name))) return undefined;
    // One full cycle visits every entry at every weight step, so more turns find nothing new.
    const turns = this.#entries.length * (this.#max / (this.#step || 1));
    for (let turn = 0; turn < turns; turn++) {
      this.#index = (this.#index + 1) % this.#entries.length;
      if (this.#index === 0) {
        this.#current -= this.#step;
        if (this.#current <= 0) this.#current = this.#max;
      }
      const entry = this.#entries[this.#index]!;
      if (entry.weight >= this.#current && eligible(entry.name)) return entry.name;
    }
    return undefined;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
