import type { Clock, Timer } from '../../src/model/index.ts';

/** A clock that moves only when told to. Timers fire in order of their time, then of their making. */
export class FakeClock implements Clock {
  #now: number;
  #sequence = 0;
  readonly #timers = new Map<number, { at: number; callback: () => void }>();

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delay: number, callback: () => void): Timer {
    const key = this.#sequence++;
    this.#timers.set(key, { at: this.#now + Math.max(delay, 0), callback });
    return { cancel: () => this.#timers.delete(key) };
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time on by `duration` ms, firing what falls due and letting promises settle after each. */
  async advance(duration: number): Promise<void> {
    const target = this.#now + duration;
    await settle();
    for (;;) {
      let next: [number, { at: number; callback: () => void }] | undefined;
      for (const entry of this.#timers) {
        if (entry[1].at <= target && (next === undefined || entry[1].at < next[1].at)) next = entry;
      }
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].callback();
      await settle();
    }
    this.#now = target;
    await settle();
  }
}

/** Lets everything that only waits for promises run to its end. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  await new Promise<void>((resolve) => setImmediate(resolve));
}
