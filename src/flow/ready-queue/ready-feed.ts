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

  /** Forgets what was resolved, after the queue's configuration changed. */
  invalidate(): void {
    this.#routes = undefined;
    this.#failure = undefined;
  }

  /** Offers a message. On `accepted` it will be settled through its home, exactly once. */
  offer(message: QueuedMessage, options: QueueOptions): MaybePromise<OfferVerdict> {
    const routes = this.#fresh();
    if (routes !== undefined) return this.#insert(message, routes);
    if (this.#failure !== undefined && this.#failure.until > this.#clock.monotonic()) return this.#refused();
    this.#resolving ??= this.#resolveRoutes(options);
    return this.#resolving.then(() => {
      const resolved = this.#routes;
      return resolved === undefined ? this.#refused() : this.#insert(message, resolved);
    });
  }

  /** Calls back when a full ready queue of this feed has room again; perhaps once for each of them. */
  whenRoom(callback: () => void): void {
    for (const queue of this.#routes?.queues.values() ?? []) queue.whenRoom(callback);
  }

  #fresh(): Routes | undefined {
    const routes = this.#routes;
    if (routes === undefined || routes.expires <= this.#clock.monotonic()) return undefined;
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

  async #resolveRoutes(options: QueueOptions): Promise<void> {
    try {
      const routes = await this.#resolve(this.#home, options);
      if (!sameSources(this.#routes, routes)) this.#selector = new SourceSelector(routes.sources);
      this.#routes = routes;
      this.#failure = undefined;
    } catch (error) {
      this.#routes = undefined;
      const text = `failed to resolve queue ${this.#home.name}: ${(error as Error).message}`;
      this.#failure = { reply: reply(451, '4.4.4', text), until: this.#clock.monotonic() + NEGATIVE_TTL };
    } finally {
      this.#resolving = undefined;
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
