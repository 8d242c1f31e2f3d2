/** Time as the rooms see it. The real one is io/clock; tests below `system/` use the kit's fake one. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds that never go back, on one scale for every shard of the process. */
  monotonic(): number;
  /** Milliseconds that this thread has run on a processor; where there is none, `monotonic` serves. */
  cpu?(): number;
  /** Calls back once after `delay` milliseconds, or at the next turn of the event loop for 0. */
  after(delay: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}
