import type { ScheduledQueue } from './queue.ts';

/** Empty queues looked at each time. */
const LOOKED_AT = 8;
/** A queue that never got a configuration is forgotten after this long, ms. */
const UNUSED = 60_000;

/** The queues without messages, which are forgotten after their reap_interval. Times are monotonic ms. */
export class EmptyQueues {
  /** Since when each is empty, oldest first. */
  readonly #since = new Map<ScheduledQueue, number>();

  add(queue: ScheduledQueue, now: number): void {
    this.#since.set(queue, now);
  }

  delete(queue: ScheduledQueue): void {
    this.#since.delete(queue);
  }

  /** Tells of those that have been empty for long enough; looks at a few each time. */
  reap(now: number, forget: (queue: ScheduledQueue) => void): void {
    let looked = 0;
    for (const [queue, since] of this.#since) {
      if (looked++ >= LOOKED_AT) return;
      this.#since.delete(queue);
      // One with a long interval goes to the end, so that it does not keep the others.
      if (now - since < (queue.options?.reap_interval ?? UNUSED)) this.#since.set(queue, since);
      else forget(queue);
    }
  }
}
