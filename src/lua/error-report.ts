import type { Diagnostics } from '../model/index.ts';

const mostKinds = 1000;

/** Errors of policy, each told once with its traceback; repetitions are counted and told at powers of ten. */
export class ErrorReport {
  readonly #diagnostics: Diagnostics;
  readonly #counts = new Map<string, number>();

  constructor(diagnostics: Diagnostics) {
    this.#diagnostics = diagnostics;
  }

  /** How often each error occurred: `EVENT: MESSAGE` to number. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  report(event: string, message: string, traceback: string): void {
    const key = `${event}: ${message}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    // Messages that name something of each mail would fill the memory; forgetting the oldest only repeats them.
    if (count === 1 && this.#counts.size >= mostKinds) {
      this.#counts.delete(this.#counts.keys().next().value!);
    }
    this.#counts.set(key, count);
    const detail = traceback === '' ? '' : `\n${traceback}`;
    if (count === 1) this.#diagnostics.error('lua', `${event}: ${message}${detail}`);
    else if (Number.isInteger(Math.log10(count))) {
      this.#diagnostics.error('lua', `${event}: ${message} (${count} times)`);
    }
  }
}
