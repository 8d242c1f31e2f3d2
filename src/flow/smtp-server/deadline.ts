import type { Clock, Timer } from '../../model/index.ts';

/**
 * A point in time that is moved often and reached seldom. Moving it on costs no timer: the one that runs looks,
 * when it fires, whether there is still time.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #expired: () => void;
  #at: number | undefined;
  #timer: Timer | undefined;
  #timerAt = 0;

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** `at` and `now` on the clock's monotonic scale. */
  set(at: number, now: number): void {
    this.#at = at;
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#arm(at, now);
  }

  cancel(): void {
    this.#at = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(at: number, now: number): void {
    this.#timerAt = at;
    this.#timer = this.#clock.after(Math.max(at - now, 1), () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#at === undefined) return;
    const now = this.#clock.monotonic();
    if (now < this.#at) {
      this.#arm(this.#at, now);
      return;
    }
    this.#at = undefined;
    this.#expired();
  }
}
