import { type Clock, DnsError } from '../../model/index.ts';

/** ms after which one that stands in line gives up: the mail it is for comes again. */
const PATIENCE = 30_000;

/** Lets so many look-ups run at one time; the others stand in line, the first come first. */
export class LookUpLimit {
  readonly #clock: Clock;
  #running = 0;
  readonly #line = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `ask` when its turn has come. Rejects with DnsError 'timeout' when that takes too long. */
  async run<T>(limit: number, name: string, ask: () => Promise<T>): Promise<T> {
    if (this.#running >= limit) await this.#turn(name);
    else this.#running++;
    try {
      return await ask();
    } finally {
      this.#next();
    }
  }

  #turn(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        timer.cancel();
        resolve();
      };
      const timer = this.#clock.after(PATIENCE, () => {
        this.#line.delete(begin);
        const why = `${PATIENCE / 1000} s behind other look-ups that are not answered`;
        reject(new DnsError('timeout', `looking up MX of ${name}: waited ${why}`));
      });
      this.#line.add(begin);
    });
  }

  /** The place of one that has finished goes to the first in line. */
  #next(): void {
    const first = this.#line.values().next().value;
    if (first === undefined) {
      this.#running--;
      return;
    }
    this.#line.delete(first);
    first();
  }
}
