import type { Counters, Diagnostics } from '../model/index.ts';

const mostKinds = 1000;

/**
 * Errors of policy, each told once with its traceback; repetitions are counted and told at powers of ten. With shared
 * counters that holds for all shards together.
 */
export class ErrorReport {
  readonly #diagnostics: Diagnostics;
  readonly #shared: Counters | undefined;
  /** Tells the counts of one generation of the policy from those of others. */
  readonly #epoch: number;
  readonly #counts = new Map<string, number>();

  constructor(diagnostics: Diagnostics, shared?: Counters, epoch = 0) {
    this.#diagnostics = diagnostics;
    this.#shared = shared;
    this.#epoch = epoch;
  }

  /** How often each error occurred here: `EVENT: MESSAGE` to number. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  report(event: string, message: string, traceback: string): void {
    const key = `${event}: ${message}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    // Messages that name something of each mail would fill the memory; forgetting the oldest only repeats them.
    if (count === 1 && this.#counts.size >= mostKinds) {
      this.#forget(this.#counts.keys().next().value!);
    }
    this.#counts.set(key, count);
    const detail = traceback === '' ? '' : `\n${traceback}`;
    const everywhere = this.#shared?.add(this.#sharedKey(key), 1) ?? count;
    if (everywhere === 1) this.#diagnostics.error('lua', `${event}: ${message}${detail}`);
    else if (Number.isInteger(Math.log10(everywhere))) {
      this.#diagnostics.error('lua', `${event}: ${message} (${everywhere} times)`);
    }
  }

  /** The policy that comes next has errors of its own. */
  close(): void {
    for (const key of this.#counts.keys()) this.#forget(key);
  }

  #forget(key: string): void {
    this.#counts.delete(key);
    this.#shared?.reset(this.#sharedKey(key));
  }

  #sharedKey(key: string): string {
    return `policy error ${this.#epoch} ${key}`;
  }
}
