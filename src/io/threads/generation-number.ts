/**
 * Number of the policy generation that serves, for all threads at once: storing it is the instant at which every
 * shard changes over.
 */
export class GenerationNumber {
  readonly buffer: SharedArrayBuffer;
  readonly #cell: Int32Array;

  /** Without a buffer, a number of its own that begins at 1. */
  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    this.#cell = new Int32Array(this.buffer);
    if (buffer === undefined) Atomics.store(this.#cell, 0, 1);
  }

  get value(): number {
    return Atomics.load(this.#cell, 0);
  }

  set value(generation: number) {
    Atomics.store(this.#cell, 0, generation);
  }
}
