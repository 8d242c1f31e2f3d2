import type { Timer } from '../../src/model/index.ts';
import { FakeClock } from './fake-clock.ts';

/** A fake clock whose short timers fire at the next turn of the event loop by themselves, the others when it is moved. */
export class PromptClock extends FakeClock {
  readonly #longest: number;

  /** `longest` is the delay in ms up to which timers fire by themselves. */
  constructor(longest = 0) {
    super();
    this.#longest = longest;
  }

  override after(delay: number, callback: () => void): Timer {
    if (delay > this.#longest) return super.after(delay, callback);
    const handle = setImmediate(callback);
    return { cancel: () => clearImmediate(handle) };
  }
}
