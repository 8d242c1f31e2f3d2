import { lock, unlock } from './shared-lock.ts';

const LOCK = 0;
const BELL = 1;
const COUNT = 2;
const ENTRIES = 3;
const CAPACITY = 509;

export const MAILBOX_WORDS = ENTRIES + CAPACITY;

/** What came since the last look: slots, or `all` when there were too many to list. */
export interface Calls {
  slots: Set<number>;
  all: boolean;
}

/** Where other shards leave the numbers of slots that one shard should look at. In shared memory. */
export class Mailbox {
  readonly #words: Int32Array;
  readonly #start: number;
  readonly #owner: number;
  #closed = false;

  constructor(words: Int32Array, start: number, owner: number) {
    this.#words = words;
    this.#start = start;
    this.#owner = owner;
  }

  /** Leaves a slot number and rings. */
  post(slot: number): void {
    const words = this.#words;
    lock(words, this.#start + LOCK, this.#owner);
    const count = words[this.#start + COUNT]!;
    if (count < CAPACITY) words[this.#start + ENTRIES + count] = slot;
    // One more than fits means `all`.
    words[this.#start + COUNT] = Math.min(count + 1, CAPACITY + 1);
    unlock(words, this.#start + LOCK, this.#owner);
    this.#ring();
  }

  drain(): Calls {
    const words = this.#words;
    lock(words, this.#start + LOCK, this.#owner);
    const count = words[this.#start + COUNT]!;
    const first = this.#start + ENTRIES;
    const slots = new Set(words.subarray(first, first + Math.min(count, CAPACITY)));
    words[this.#start + COUNT] = 0;
    unlock(words, this.#start + LOCK, this.#owner);
    return { slots, all: count > CAPACITY };
  }

  /** Calls back whenever the bell rings, until `close`. For the owner. Holds no thread and keeps none alive. */
  listen(callback: () => void): void {
    const bell = this.#start + BELL;
    const wait = (): void => {
      if (this.#closed) return;
      const seen = Atomics.load(this.#words, bell);
      callback();
      const ring = Atomics.waitAsync(this.#words, bell, seen);
      if (ring.async) void ring.value.then(wait);
      else setImmediate(wait);
    };
    wait();
  }

  close(): void {
    this.#closed = true;
    this.#ring();
  }

  /** Empties the box of a dead shard. */
  reset(deadOwner: number): void {
    unlock(this.#words, this.#start + LOCK, deadOwner);
    this.drain();
  }

  #ring(): void {
    Atomics.add(this.#words, this.#start + BELL, 1);
    Atomics.notify(this.#words, this.#start + BELL);
  }
}
