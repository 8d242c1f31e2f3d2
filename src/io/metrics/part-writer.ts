/** Series of one part of a metric, as they are found: labels as bytes and numbers side by side. */
export class PartWriter {
  count = 0;
  #bytes = new Uint8Array(0);
  #length = 0;
  #numbers = new Float64Array(0);
  readonly #width: number;

  /** `width`: numbers of one series. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Adds a series; gives where in the numbers its own belong, of which there is room for `width`. */
  add(key: string): number {
    this.#reserve(key.length + 1);
    const bytes = this.#bytes;
    let at = this.#length;
    if (this.count > 0) bytes[at++] = 0;
    const start = at;
    for (let index = 0; index < key.length; index++) {
      const code = key.charCodeAt(index);
      if (code > 0x7f) {
        this.#addText(key, start);
        return this.count++ * this.#width;
      }
      bytes[at++] = code;
    }
    this.#length = at;
    return this.count++ * this.#width;
  }

  get numbers(): Float64Array {
    return this.#numbers;
  }

  /** What was added, in memory of its own. */
  finish(): { labels: Uint8Array; numbers: Float64Array } {
    return {
      labels: this.#bytes.slice(0, this.#length),
      numbers: this.#numbers.slice(0, this.count * this.#width),
    };
  }

  #addText(key: string, at: number): void {
    const text = Buffer.from(key);
    this.#reserve(text.length + 1);
    this.#bytes.set(text, at);
    this.#length = at + text.length;
  }

  #reserve(octets: number): void {
    if (this.#length + octets > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + octets, 512));
      bytes.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = bytes;
    }
    const numbers = (this.count + 1) * this.#width;
    if (numbers <= this.#numbers.length) return;
    const more = new Float64Array(Math.max(2 * this.#numbers.length, numbers, 16));
    more.set(this.#numbers);
    this.#numbers = more;
  }
}
