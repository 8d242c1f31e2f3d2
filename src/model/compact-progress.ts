/**
 * Attempts and due time in two small integers, because there may be a million of them: as a number of its own, a due time in
 * milliseconds takes 24 bytes.
 */
export class CompactProgress {
  /** Whole seconds of the due time. */
  #dueSeconds = 0;
  /** Attempts times 1024, plus the milliseconds of the due time. */
  #attemptsAndMillis = 0;

  /** Attempts counted so far; more than four million count as that many. */
  get attempts(): number {
    return this.#attemptsAndMillis >>> 10;
  }

  set attempts(attempts: number) {
    this.#attemptsAndMillis = (Math.min(attempts, 0x3fffff) << 10) | (this.#attemptsAndMillis & 1023);
  }

  /** Milliseconds since the epoch, until the year 2106. Fractions are dropped. */
  get due(): number {
    return (this.#dueSeconds >>> 0) * 1000 + (this.#attemptsAndMillis & 1023);
  }

  set due(due: number) {
    const millis = Math.min(Math.max(Math.floor(due), 0), 0xffffffff * 1000);
    this.#dueSeconds = Math.floor(millis / 1000) | 0;
    this.#attemptsAndMillis = (this.#attemptsAndMillis & ~1023) | (millis % 1000);
  }
}
