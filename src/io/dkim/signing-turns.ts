import { Fifo } from '../../model/index.ts';

/**
 * Lets so many signatures be made at one time; the others stand in line. The threads of libuv that make them also
 * flush the spool to disk, which must not wait behind a thousand signatures.
 */
export class SigningTurns {
  #running = 0;
  readonly #line = new Fifo<() => void>();

  /** Runs `work` when its turn has come. */
  run<T>(limit: number, work: () => Promise<T>): Promise<T> {
    if (this.#running >= limit) {
      return new Promise<void>((resolve) => this.#line.push(resolve)).then(() => this.#begin(work));
    }
    this.#running++;
    return this.#begin(work);
  }

  #begin<T>(work: () => Promise<T>): Promise<T> {
    const result = work();
    result.then(this.#next, this.#next);
    return result;
  }

  /** The place of one that has finished goes to the first in line. */
  readonly #next = (): void => {
    const first = this.#line.shift();
    if (first === undefined) this.#running--;
    else first();
  };
}
