import type { Counters } from '../../model/index.ts';
import { LocalCounters } from './local-counters.ts';
import { SharedTable, SLOT_HEADER, type TableLayout } from './shared-table.ts';

/** One float per shard. */
export function counterPayload(shards: number): number {
  return 2 * shards;
}

/**
 * Counters of all shards, a cell for each. When the table has no room for another key, that key counts in this
 * shard only.
 */
export class SharedCounters implements Counters {
  readonly #table: SharedTable;
  readonly #cells: Float64Array;
  readonly #shards: number;
  readonly #shard: number;
  readonly #overflow = new LocalCounters();

  constructor(words: Int32Array, layout: TableLayout, shards: number, shard: number) {
    this.#cells = new Float64Array(words.buffer);
    this.#shards = shards;
    this.#shard = shard;
    this.#table = new SharedTable(words, layout, shard + 1, (slot) => this.#unused(slot));
  }

  add(key: string, n: number): number {
    return this.#add(key, n, Number.POSITIVE_INFINITY) ?? this.#overflow.add(key, n);
  }

  get(key: string): number {
    const entry = this.#table.key(key);
    this.#table.lock(entry);
    try {
      const slot = this.#table.locate(entry, false);
      return slot < 0 ? this.#overflow.get(key) : this.#total(slot);
    } finally {
      this.#table.unlock(entry);
    }
  }

  tryAdd(key: string, n: number, limit: number): boolean {
    const total = this.#add(key, n, limit);
    return total === undefined ? this.#overflow.tryAdd(key, n, limit) : !Number.isNaN(total);
  }

  reset(key: string): void {
    this.#overflow.reset(key);
    const entry = this.#table.key(key);
    this.#table.lock(entry);
    try {
      const slot = this.#table.locate(entry, false);
      if (slot >= 0) this.#cells.fill(0, this.#cell(slot, 0), this.#cell(slot, this.#shards));
    } finally {
      this.#table.unlock(entry);
    }
  }

  /** Forgets what a dead shard added. */
  releaseShard(shard: number): void {
    this.#table.breakLocks(shard + 1);
    this.#table.visitAll((slot) => {
      this.#cells[this.#cell(slot, shard)] = 0;
    });
  }

  /** The new total, NaN when it would exceed `limit`, undefined when there is no room for the key. */
  #add(key: string, n: number, limit: number): number | undefined {
    const entry = this.#table.key(key);
    this.#table.lock(entry);
    try {
      const slot = this.#table.locate(entry, true);
      if (slot < 0) return undefined;
      const total = this.#total(slot) + n;
      if (total > limit) return Number.NaN;
      const cell = this.#cell(slot, this.#shard);
      this.#cells[cell] = this.#cells[cell]! + n;
      return total;
    } finally {
      this.#table.unlock(entry);
    }
  }

  #cell(slot: number, shard: number): number {
    return ((slot + SLOT_HEADER) >> 1) + shard;
  }

  #total(slot: number): number {
    let total = 0;
    for (let shard = 0; shard < this.#shards; shard++) total += this.#cells[this.#cell(slot, shard)]!;
    return total;
  }

  /** Cells may cancel each other out, so each must be zero. */
  #unused(slot: number): boolean {
    for (let shard = 0; shard < this.#shards; shard++) {
      if (this.#cells[this.#cell(slot, shard)] !== 0) return false;
    }
    return true;
  }
}
