/**
 * What the patched VM counts down while Lua runs. One per thread of JavaScript, since one Lua state runs at a time
 * there; budget.ts gives it its numbers. All fields stay small integers, which makes `--meter.left` one machine
 * instruction.
 *
 * A unit is one instruction of the VM. What a library does in one go counts as the instructions that would take about
 * as long. Bytes are counted where strings, tables, closures and coroutines are made; a count that falls below zero
 * only sets `left` to -1, so that the next instruction looks.
 */
export interface Meter {
  /** Units until the next look. */
  left: number;
  /** Bytes that may still be allocated until the next look. */
  memory: number;
  /** Most calls inside each other. */
  depth: number;
  /** Longest string that Lua builds, in bytes. */
  longestString: number;
  /** Most steps of one call of a pattern function. */
  patternSteps: number;
  /**
   * What happens below zero: throws OverBudget, or refills. `where` is the thread that runs; `atRest` says that it
   * could be suspended here. True asks for that.
   */
  look(where: unknown, atRest: boolean): boolean;
}

/** More than any run uses between two looks. */
export const plenty = 2 ** 30;

export const defaultDepth = 20_000;

function refill(): boolean {
  meter.left = plenty;
  meter.memory = plenty;
  return false;
}

export const meter: Meter = {
  left: plenty,
  memory: plenty,
  depth: defaultDepth,
  longestString: 8 * 1024 * 1024,
  patternSteps: 4_000_000,
  look: refill,
};

/** Where no run is metered: loading the libraries, conversions of the engine itself. */
export function stopMeter(): void {
  refill();
  meter.look = refill;
}

/**
 * Counts what a library does in one go. `where` is its thread if known, else null; or what the engine converts:
 * undefined for arguments of a binding, false for its results.
 */
export function charge(where: unknown, units: number): void {
  meter.left -= units;
  if (meter.left < 0) meter.look(where, false);
}

/** Thrown through all of Lua: no pcall, coroutine or handler of errors catches it. Deliberately no Error. */
export class OverBudget {
  /** Which budget, as `set_budget` names it, with its value: `cpu_time of 200 ms`. */
  readonly what: string;
  readonly where: string;
  readonly traceback: string;

  constructor(what: string, where: string, traceback: string) {
    this.what = what;
    this.where = where;
    this.traceback = traceback;
  }
}
