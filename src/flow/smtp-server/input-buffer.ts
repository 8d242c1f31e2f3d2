import type { Reading } from './context.ts';

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

export const LINE_TOO_LONG = 'line too long';

/** What a client sent and nobody looked at yet. Holds no memory when that is nothing. */
export class InputBuffer {
  #current: Buffer = NOTHING;
  #at = 0;
  #later: Buffer[] = [];
  #laterSize = 0;
  #isOverlong = false;

  /** In octets. */
  get size(): number {
    return this.#current.length - this.#at + this.#laterSize;
  }

  get chunkCount(): number {
    return this.#later.length;
  }

  push(chunk: Buffer): void {
    if (this.#at === this.#current.length && this.#later.length === 0) {
      this.#setCurrent(chunk);
    } else {
      this.#later.push(chunk);
      this.#laterSize += chunk.length;
    }
  }

  /**
   * The next line without its CRLF, which alone ends a line (RFC 5321 §2.3.8); undefined while it is not all there.
   * Of a line with more than `limit` octets nothing is kept; LINE_TOO_LONG is what comes when it ends.
   */
  takeLine(limit: number): Buffer | typeof LINE_TOO_LONG | undefined {
    do {
      const current = this.#current;
      let lf = current.indexOf(LF, this.#at);
      while (lf >= 0 && (lf === this.#at || current[lf - 1] !== CR)) lf = current.indexOf(LF, lf + 1);
      if (lf >= 0) {
        const line = current.subarray(this.#at, lf - 1);
        this.#at = lf + 1;
        const isOverlong = this.#isOverlong || line.length > limit;
        this.#isOverlong = false;
        return isOverlong ? LINE_TOO_LONG : line;
      }
      if (current.length - this.#at > limit + 1) {
        this.#isOverlong = true;
        this.#at = current.at(-1) === CR ? current.length - 1 : current.length;
      }
    } while (this.#pull());
    this.#shrink();
    return undefined;
  }

  /** Gives `reading` what is there, until it has all or there is no more. */
  feed(reading: Pick<Reading, 'isComplete' | 'feed'>): void {
    while (!reading.isComplete) {
      if (this.#at === this.#current.length && !this.#pull()) break;
      this.#at += reading.feed(this.#at === 0 ? this.#current : this.#current.subarray(this.#at));
    }
    if (this.#at === this.#current.length && this.#later.length === 0) this.clear();
  }

  clear(): void {
    this.#setCurrent(NOTHING);
    this.#later = [];
    this.#laterSize = 0;
  }

  /** Joins the next chunk to what is left of the current one; false when there is none. */
  #pull(): boolean {
    const next = this.#later.shift();
    if (next === undefined) return false;
    this.#laterSize -= next.length;
    const rest = this.#current.length - this.#at;
    if (rest === 0) {
      this.#setCurrent(next);
      return true;
    }
    this.#setCurrent(Buffer.concat([this.#current.subarray(this.#at), next]));
    return true;
  }

  #setCurrent(chunk: Buffer): void {
    this.#current = chunk;
    this.#at = 0;
  }

  /** Half a line must not keep the 64 KB alive that it came with. */
  #shrink(): void {
    const rest = this.#current.length - this.#at;
    if (rest === 0) this.#setCurrent(NOTHING);
    else if (this.#at > 0) {
      const copy = Buffer.allocUnsafeSlow(rest);
      this.#current.copy(copy, 0, this.#at);
      this.#setCurrent(copy);
    }
  }
}
