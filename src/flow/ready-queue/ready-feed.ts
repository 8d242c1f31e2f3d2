import type { Clock, MaybePromise, MessageHome, QueuedMessage, RequeueReason } from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import type { ReadyQueue } from './ready-queue.ts';
import { SourceSelector, type WeightedSource } from './source-selector.ts';

/** What became of a message that was offered for delivery. */
export type OfferVerdict =
  | { kind: 'accepted' }
  /** Every ready queue is full; ask `whenRoom`. */
  | { kind: 'full' }
  /** The configuration changed while it was being looked up: offer again. */
  | { kind: 'changed' }
  /** Nothing to deliver through now; the attempt counts. */
  | { kind: 'refused'; reply: Reply; reasons: RequeueReason[] };

/** Where a scheduled queue's mail can go now: a ready queue for each source of its pool. */
export interface Routes {
  pool: string;
  sources: WeightedSource[];
  queues: Map<string, DeliveryQueue>;
  /** Monotonic ms. */
  expires: number;
}

/** What a feed needs of a ready queue, be it for SMTP or for a maildir. */
export type DeliveryQueue = Pick<ReadyQueue, 'insert' | 'isFull' | 'whenRoom' | 'reaped'>;

const ACCEPTED: OfferVerdict = { kind: 'accepted' };
const FULL: OfferVerdict = { kind: 'full' };
const CHANGED: OfferVerdict = { kind: 'changed' };
/** A failed resolution is not repeated for this long, ms (delivery.md section 2). */
const NEGATIVE_TTL = 60_000;

/**
 * The way from one scheduled queue into the ready queues: its pool, the weighted choice of a source and the
 * ready queue of each. Answers at once while its routes are fresh.
 */
export class ReadyFeed {
  readonly #home: MessageHome;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #resolve: (home: MessageHome, options: QueueOptions) => Promise<Routes>;
  #routes: Routes | undefined;
  /** The routes are of a configuration that no longer holds. */
  #isStale = false;
  /** Counts configurations, so that the answer to a question about an old one is dropped. */
  #generation = 0;
  #selector = new SourceSelector([]);
  #failure: { reply: Reply; until: number } | undefined;
  #resolving: Promise<void> | undefined;

  constructor(
    home: MessageHome,
    clock: Pick<Clock, 'monotonic'>,
    resolve: (home: MessageHome, options: QueueOptions) => Promise<Routes>,
  ) {
    this.#home = home;
    this.#clock = clock;
    this.#resolve = resolve;
  }

  /** What was resolved no longer holds, because the queue's configuration changed. The turns of sources go on. */
  invalidate(): void {
    this.#generation++;
    this.#isStale = true;
    this.#resolving = undefined;
    this.#failure = undefined;
  }

  /** Offers a message. On `accepted` it will be settled through its home, exactly once. */
  offer(message: QueuedMessage, options: QueueOptions): MaybePromise<OfferVerdict> {
    const routes = this.#fresh();
    if (routes !== undefined) return this.#insert(message, routes);
    if (this.#failure !== undefined && this.#failure.until > this.#clock.monotonic()) return this.#refused();
    this.#resolving ??= this.#resolveRoutes(options, this.#generation);
    return this.#resolving.then(() => {
      if (this.#failure !== undefined) return this.#refused();
      // The configuration changed meanwhile: ask again, with the new one.
      return this.#isStale ? CHANGED : this.#insert(message, this.#routes!);
    });
  }

  /** Calls back when a full ready queue of this feed has room again; perhaps once for each of them. */
  whenRoom(callback: () => void): void {
    for (const queue of this.#routes?.queues.values() ?? []) queue.whenRoom(callback);
  }

  #fresh(): Routes | undefined {
    const routes = this.#routes;
    if (routes === undefined || this.#isStale || routes.expires <= this.#clock.monotonic()) return undefined;
    for (const queue of routes.queues.values()) if (queue.reaped) return undefined;
    return routes;
  }

  #insert(message: QueuedMessage, routes: Routes): OfferVerdict {
    if (this.#selector.size === 0) {
      const pool = `pool=\`${routes.pool}\``;
      const text = `KumoMTA internal: no sources available for ${this.#home.name} ${pool}`;
      return { kind: 'refused', reply: reply(451, '4.4.4', text), reasons: ['FailedToInsertIntoReadyQueue'] };
    }
    const source = this.#selector.next((name) => !routes.queues.get(name)!.isFull);
    if (source === undefined || !routes.queues.get(source)!.insert(message)) return FULL;
    return ACCEPTED;
  }

  #refused(): OfferVerdict {
    return { kind: 'refused', reply: this.#failure!.reply, reasons: ['FailedToInsertIntoReadyQueue'] };
  }

  async #resolveRoutes(options: QueueOptions, generation: number): Promise<void> {
    try {
      const routes = await this.#resolve(this.#home, options);
      if (generation !== this.#generation) return;
      if (!sameSources(this.#routes, routes)) this.#selector = new SourceSelector(routes.sources);
      this.#routes = routes;
      this.#isStale = false;
      this.#failure = undefined;
    } catch (error) {
      if (generation !== this.#generation) return;
      const text = `failed to resolve queue ${this.#home.name}: ${(error as Error).message}`;
      this.#failure = { reply: reply(451, '4.4.4', text), until: this.#clock.monotonic() + NEGATIVE_TTL };
    } finally {
      if (generation === this.#generation) this.#resolving = undefined;
    }
  }
}

function sameSources(before: Routes | undefined, after: Routes): boolean {
  if (before === undefined || before.pool !== after.pool) return false;
  if (before.sources.length !== after.sources.length) return false;
  return before.sources.every((entry, index) => {
    const other = after.sources[index]!;
    return other.name === entry.name && other.weight === entry.weight;
  });
}
