import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { lock, unlock } from './shared-lock.ts';

/** Slots per bucket: at three quarters load a bucket overflows once in a thousand. */
const BUCKET = 128;
/** Words of a slot that belong to the table: 128-bit hash, state, and one that keeps what follows even. */
export const SLOT_HEADER = 6;

const STATE = 4;
const EMPTY = 0;
const USED = 1;
/** Between two keys; a scan goes on past it. */
const CHANGING = 2;

/** Where one table lies in the shared words. Plain data, posted to the workers. */
export interface TableLayout {
  /** Index of the first word. */
  start: number;
  buckets: number;
  /** Words per slot, header included; even. */
  stride: number;
}

export function tableLayout(start: number, slots: number, payload: number): TableLayout {
  const stride = SLOT_HEADER + payload + (payload % 2);
  return { start: start + (start % 2), buckets: Math.max(1, Math.ceil(slots / BUCKET)), stride };
}

/** Words the table takes: a lock per bucket, then the buckets. */
export function tableEnd(layout: TableLayout): number {
  return slotsStart(layout) + layout.buckets * BUCKET * layout.stride;
}

function slotsStart(layout: TableLayout): number {
  return layout.start + layout.buckets + (layout.buckets % 2);
}

/** A key as the table knows it, with the slot where it was last seen. */
export interface TableKey {
  readonly h0: number;
  readonly h1: number;
  readonly h2: number;
  readonly h3: number;
  readonly bucket: number;
  slot: number;
}

/**
 * A hash table in shared memory. Keys are 128-bit hashes; a bucket holds 128 slots behind one lock. A slot is
 * never emptied, only given to another key once `idle` says so, which ends a scan at the first empty slot and
 * makes any background sweep needless.
 */
export class SharedTable {
  readonly words: Int32Array;
  readonly #layout: TableLayout;
  readonly #slots: number;
  readonly #owner: number;
  readonly #idle: (slot: number) => boolean;
  readonly #keys = new LRUCache<string, TableKey>({ max: 16_384 });

  constructor(words: Int32Array, layout: TableLayout, owner: number, idle: (slot: number) => boolean) {
    this.words = words;
    this.#layout = layout;
    this.#slots = slotsStart(layout);
    this.#owner = owner;
    this.#idle = idle;
  }

  key(name: string): TableKey {
    let key = this.#keys.get(name);
    if (key === undefined) {
      // A cryptographic hash, since parts of the names are domains that strangers choose.
      const digest = hash('sha256', name, 'buffer');
      const h0 = digest.readInt32LE(0);
      key = {
        h0,
        h1: digest.readInt32LE(4),
        h2: digest.readInt32LE(8),
        h3: digest.readInt32LE(12),
        bucket: digest.readUInt32LE(16) % this.#layout.buckets,
        slot: -1,
      };
      this.#keys.set(name, key);
    }
    return key;
  }

  lock(key: TableKey): void {
    lock(this.words, this.#layout.start + key.bucket, this.#owner);
  }

  unlock(key: TableKey): void {
    unlock(this.words, this.#layout.start + key.bucket, this.#owner);
  }

  /** Where `name` has its slot now; -1 when it has none. Takes the lock for the look. */
  find(name: string): number {
    const key = this.key(name);
    this.lock(key);
    const slot = this.locate(key, false);
    this.unlock(key);
    return slot;
  }

  /**
   * Index of the first word of the slot of `key`; -1 when it has none and none is to be made, or when the
   * bucket is full of keys in use. A new slot has zeros after its header. Under the lock of `key`.
   */
  locate(key: TableKey, create: boolean): number {
    if (key.slot >= 0 && this.#holds(key.slot, key)) return key.slot;
    const first = this.#slots + key.bucket * BUCKET * this.#layout.stride;
    const end = first + BUCKET * this.#layout.stride;
    let slot = first;
    for (; slot < end; slot += this.#layout.stride) {
      if (this.words[slot + STATE] === EMPTY) break;
      if (this.#holds(slot, key)) {
        key.slot = slot;
        return slot;
      }
    }
    return create ? this.#claim(key, first, slot, end) : -1;
  }

  /** Visits the slots in use of the bucket of `key`. Under its lock. */
  visitBucket(key: TableKey, visit: (slot: number) => void): void {
    this.#visit(key.bucket, visit);
  }

  /** Visits every slot in use, taking the locks one after the other. */
  visitAll(visit: (slot: number) => void): void {
    for (let bucket = 0; bucket < this.#layout.buckets; bucket++) {
      const index = this.#layout.start + bucket;
      lock(this.words, index, this.#owner);
      this.#visit(bucket, visit);
      unlock(this.words, index, this.#owner);
    }
  }

  /** Opens the locks that a dead thread left closed. */
  breakLocks(owner: number): void {
    for (let bucket = 0; bucket < this.#layout.buckets; bucket++) {
      unlock(this.words, this.#layout.start + bucket, owner);
    }
  }

  #visit(bucket: number, visit: (slot: number) => void): void {
    const first = this.#slots + bucket * BUCKET * this.#layout.stride;
    for (let n = 0; n < BUCKET; n++) {
      const slot = first + n * this.#layout.stride;
      if (this.words[slot + STATE] === EMPTY) return;
      if (this.words[slot + STATE] === USED) visit(slot);
    }
  }

  #holds(slot: number, key: TableKey): boolean {
    const words = this.words;
    return (
      words[slot] === key.h0 &&
      words[slot + 1] === key.h1 &&
      words[slot + 2] === key.h2 &&
      words[slot + 3] === key.h3 &&
      words[slot + STATE] === USED
    );
  }

  /** The lowest idle slot, else the first empty one, so that few pages are touched. */
  #claim(key: TableKey, first: number, empty: number, end: number): number {
    let slot = first;
    while (slot < empty && this.words[slot + STATE] === USED && !this.#idle(slot))
      slot += this.#layout.stride;
    if (slot === end) return -1;
    const words = this.words;
    words[slot + STATE] = CHANGING;
    words.fill(0, slot + STATE + 1, slot + this.#layout.stride);
    words[slot] = key.h0;
    words[slot + 1] = key.h1;
    words[slot + 2] = key.h2;
    words[slot + 3] = key.h3;
    words[slot + STATE] = USED;
    key.slot = slot;
    return slot;
  }
}
