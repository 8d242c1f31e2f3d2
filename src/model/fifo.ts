/**
 * First in, first out, as a ring that doubles when full and shrinks when mostly empty. `shift()` of an array
 * moves every element; this moves none.
 */
export class Fifo<T> {
  #ring: (T | undefined)[] = new Array(16);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: T): void {
    if (this.#length === this.#ring.length) this.#resize(this.#ring.length * 2);
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = value;
    this.#length++;
  }

  /** Puts a value before all others. */
  unshift(value: T): void {
    if (this.#length === this.#ring.length) this.#resize(this.#ring.length * 2);
    this.#head = (this.#head - 1) & (this.#ring.length - 1);
    this.#ring[this.#head] = value;
    this.#length++;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head];
  }

  /** Some of the values, oldest first: those from the place `from`, up to `to`. */
  slice(from: number, to: number): T[] {
    const values: T[] = [];
    for (let index = from; index < Math.min(to, this.#length); index++) {
      values.push(this.#ring[(this.#head + index) & (this.#ring.length - 1)]!);
    }
    return values;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const value = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    if (this.#ring.length > 1024 && this.#length < this.#ring.length / 8) this.#resize(this.#ring.length / 4);
    return value;
  }

  /** Takes the newest value back. */
  pop(): T | undefined {
    if (this.#length === 0) return undefined;
    this.#length--;
    const index = (this.#head + this.#length) & (this.#ring.length - 1);
    const value = this.#ring[index];
    this.#ring[index] = undefined;
    return value;
  }

  #resize(capacity: number): void {
    const next: (T | undefined)[] = new Array(capacity);
    for (let index = 0; index < this.#length; index++) {
      next[index] = this.#ring[(this.#head + index) & (this.#ring.length - 1)];
    }
    this.#ring = next;
    this.#head = 0;
  }
}
