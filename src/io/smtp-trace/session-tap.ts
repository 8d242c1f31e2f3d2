import type { Clock, JsonObject, TracePayload, TraceTap } from '../../model/index.ts';
import type { TraceFeed } from './trace-feed.ts';

/** Gives what the sessions of a shard tell to everybody who watches. */
export class SessionTap implements TraceTap {
  isWatched = false;
  readonly #clock: Clock;
  #feeds: readonly TraceFeed[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get watchers(): number {
    return this.#feeds.length;
  }

  add(feed: TraceFeed): void {
    this.#feeds = [...this.#feeds, feed];
    this.isWatched = true;
  }

  remove(feed: TraceFeed): void {
    this.#feeds = this.#feeds.filter((one) => one !== feed);
    this.isWatched = this.#feeds.length > 0;
  }

  emit(meta: JsonObject, payload: TracePayload | (() => TracePayload), secrets: readonly string[]): void {
    const when = new Date(this.#clock.now()).toISOString();
    for (const feed of this.#feeds) feed.offer(meta, payload, { secrets, when });
  }
}
