import {
  type Clock,
  gcraAdmit,
  gcraFloor,
  gcraLook,
  type ThrottleFill,
  type ThrottleSpec,
  type Throttles,
  type ThrottleVerdict,
  throttleKey,
} from '../../model/index.ts';

/** Throttles of one thread. Idle buckets are dropped when as many keys came as were live at the last look. */
export class LocalThrottles implements Throttles {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, number>();
  #sweepAt = 1024;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Buckets held, idle ones included. */
  get size(): number {
    return this.#buckets.size;
  }

  /** `emptyAt` (ms, monotonic): the bucket counts as empty at that time if it was not later. */
  admit(key: string, spec: ThrottleSpec, quantity = 1, emptyAt?: number): ThrottleVerdict {
    const name = throttleKey(key, spec);
    const now = this.#clock.monotonic();
    const before = gcraFloor(this.#buckets.get(name) ?? 0, spec, emptyAt);
    const { tat, verdict } = gcraAdmit(before, spec, now, quantity);
    if (!verdict.throttled) {
      this.#buckets.set(name, tat);
      if (this.#buckets.size > this.#sweepAt) this.#sweep(now);
    }
    return verdict;
  }

  look(key: string, spec: ThrottleSpec, emptyAt?: number): ThrottleFill {
    const tat = this.#buckets.get(throttleKey(key, spec)) ?? 0;
    return gcraLook(gcraFloor(tat, spec, emptyAt), spec, this.#clock.monotonic());
  }

  #sweep(now: number): void {
    for (const [name, tat] of this.#buckets) if (tat <= now) this.#buckets.delete(name);
    this.#sweepAt = Math.max(1024, this.#buckets.size * 2);
  }
}
