import { Fifo } from '../../model/index.ts';

/**
 * Lets so many signatures be made at one time; the others stand in line. The threads of libuv that make them also
 * flush the spool to disk, which must not wait behind a thousand signatures.
 */
export class SigningTurns {
  #running = 0;
  readonly #line = new Fifo<() => void>();

  /** Runs `work` when its turn has come. */
  async run<T>(limit: number, work: () => Promise<T>): Promise<T> {
    if (this.#running >= limit) await new Promise<void>((resolve) => this.#line.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
