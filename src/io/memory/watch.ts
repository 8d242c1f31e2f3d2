import type { Clock, Diagnostics, MemoryLevel, MemoryLimits, MemoryState, Timer } from '../../model/index.ts';

export interface MemoryWatchParts {
  limits: MemoryLimits;
  /** Bytes in use now; undefined when that cannot be told, and the last answer counts. */
  usage(): number | undefined;
  clock: Clock;
  diagnostics: Diagnostics;
  /** The level has changed. */
  onChange(level: MemoryLevel): void;
  /** Has the engine give back what it does not use. */
  collect(): void;
}

/** ms between two looks. */
const INTERVAL = 1000;
/** A level is left when usage is below this part of what it began at, so that it does not flap. */
const BACK = 0.98;
/** ms between two collections: each holds up its thread for as long as it takes. */
const COLLECT_EVERY = 60_000;

/**
 * Looks at the memory of the process once a second.
 * enough → low → none, and back. Memory is low from the low threshold on, and there is none from the soft limit on.
 */
export class MemoryWatch implements MemoryState {
  readonly limits: MemoryLimits;
  /** What the last look found, in bytes. */
  usage = 0;
  /** Times that it became low, and that there was none. */
  readonly counts = { low: 0, none: 0 };
  readonly #parts: MemoryWatchParts;
  #level: MemoryLevel = 'enough';
  #collected = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(parts: MemoryWatchParts) {
    this.#parts = parts;
    this.limits = parts.limits;
  }

  get level(): MemoryLevel {
    return this.#level;
  }

  start(): void {
    this.look();
    this.#timer = this.#parts.clock.after(INTERVAL, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  look(): void {
    this.usage = this.#parts.usage() ?? this.usage;
    const level = this.#levelNow();
    if (level === 'none') this.#collect();
    if (level === this.#level) return;
    const before = this.#level;
    this.#level = level;
    if (level === 'none') this.counts.none++;
    else if (level === 'low' && before === 'enough') this.counts.low++;
    this.#say(before);
    this.#parts.onChange(level);
  }

  #levelNow(): MemoryLevel {
    const { soft, low } = this.limits;
    const isAbove = (limit: number, isNow: boolean): boolean => this.usage >= (isNow ? limit * BACK : limit);
    if (isAbove(soft, this.#level === 'none')) return 'none';
    return isAbove(low, this.#level !== 'enough') ? 'low' : 'enough';
  }

  /** Without it what is in use may be mostly garbage, and mail refused for nothing. */
  #collect(): void {
    const now = this.#parts.clock.monotonic();
    if (now - this.#collected < COLLECT_EVERY) return;
    this.#collected = now;
    this.#parts.collect();
  }

  #say(before: MemoryLevel): void {
    const { diagnostics } = this.#parts;
    const figures = `${mebibytes(this.usage)} in use, soft limit ${mebibytes(this.limits.soft)}`;
    if (this.#level === 'none') diagnostics.warn('memory', `memory is used up, no mail is taken: ${figures}`);
    else if (before === 'none') diagnostics.warn('memory', `mail is taken again: ${figures}`);
    else
      diagnostics.info('memory', `memory is ${this.#level === 'low' ? 'low' : 'enough again'}: ${figures}`);
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
