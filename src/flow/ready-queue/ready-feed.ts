import {
  type Clock,
  type MaybePromise,
  type MessageHome,
  measured,
  type QueuedMessage,
  type RequeueReason,
  type Throttles,
} from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import { countFor } from './counts.ts';
import type { NamedRate } from './path-limits.ts';
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

/** Where a scheduled queue's mail can go now. */
export interface Routes {
  pool: string;
  /** Those of weight 0 are left out. */
  sources: WeightedSource[];
  /** The ready queue of a source, made when there is none. Rejects when policy has no path for it. */
  queueOf(source: string): MaybePromise<DeliveryQueue>;
  /** Monotonic ms. */
  expires: number;
}

/** What a feed needs of a ready queue, be it for SMTP or for a maildir. */
export type DeliveryQueue = Pick<
  ReadyQueue,
  | 'reserve'
  | 'unreserve'
  | 'insert'
  | 'isFull'
  | 'isSuspended'
  | 'whenRoom'
  | 'reaped'
  | 'selectionRates'
  | 'takeBack'
  | 'name'
> &
  Partial<Pick<ReadyQueue, 'site' | 'path'>>;

/** What a feed needs of the rooms around. */
export interface FeedParts {
  clock: Pick<Clock, 'monotonic'>;
  throttles: Throttles;
  resolve(home: MessageHome, options: QueueOptions): Promise<Routes>;
}

interface Failure {
  reply: Reply;
  /** Monotonic ms. */
  until: number;
}

const ACCEPTED: OfferVerdict = { kind: 'accepted' };
const FULL: OfferVerdict = { kind: 'full' };
const CHANGED: OfferVerdict = { kind: 'changed' };
/** A failed resolution is not repeated for this long, ms (delivery.md section 2). */
const NEGATIVE_TTL = 60_000;
const NO_SOURCES = new SourceSelector([]);
const inserted = measured.histogram('ready_queue_insert_latency');
const ignore = (): void => {};

/**
 * The way from one scheduled queue into the ready queues: its pool, the weighted choice of a source and the
 * ready queue of each. Answers at once while its routes are fresh. One offer at a time.
 */
export class ReadyFeed {
  readonly #home: MessageHome;
  readonly #parts: FeedParts;
  #routes: Routes | undefined;
  /** By the index of their source; made when the source is chosen for the first time. */
  #queues: (DeliveryQueue | undefined)[] = [];
  /** Sources without a path, by index. */
  #broken: (Failure | undefined)[] | undefined;
  /** Those that the last selection found full. */
  #full: DeliveryQueue[] = [];
  /** The routes are of a configuration that no longer holds. */
  #isStale = false;
  /** Counts configurations, so that the answer to a question about an old one is dropped. */
  #generation = 0;
  #selector = NO_SOURCES;
  #failure: Failure | undefined;
  #resolving: Promise<void> | undefined;

  constructor(home: MessageHome, parts: FeedParts) {
    this.#home = home;
    this.#parts = parts;
  }

  /** Whose the site is that mail goes to; undefined as long as none has gone, or where it goes to no site. */
  get provider(): string | undefined {
    const known = this.#queues.find((queue) => queue?.site !== undefined);
    return known?.path?.provider_name ?? known?.site;
  }

  /** What was resolved no longer holds, because the queue's configuration changed. The turns of sources go on. */
  invalidate(): void {
    this.#generation++;
    this.#isStale = true;
    this.#resolving = undefined;
    this.#failure = undefined;
  }

  /** The old way may lead nowhere any more: what waits in its ready queues comes back at once, uncounted. */
  takeBack(): void {
    for (const queue of this.#queues) queue?.takeBack(this.#home);
  }

  /** Offers a message. On `accepted` it will be settled through its home, exactly once. */
  offer(message: QueuedMessage, options: QueueOptions): MaybePromise<OfferVerdict> {
    const now = this.#parts.clock.monotonic();
    const verdict = this.#offer(message, options, now);
    if (!(verdict instanceof Promise)) inserted.took(this.#parts.clock.monotonic() - now);
    else void verdict.then(() => inserted.took(this.#parts.clock.monotonic() - now), ignore);
    return verdict;
  }

  #offer(message: QueuedMessage, options: QueueOptions, now: number): MaybePromise<OfferVerdict> {
    const routes = this.#routes;
    if (routes !== undefined && !this.#isStale && routes.expires > now) return this.#begin(message, routes);
    if (this.#failure !== undefined && this.#failure.until > now) return refused(this.#failure.reply);
    this.#resolving ??= this.#resolveRoutes(options, this.#generation);
    return this.#resolving.then(() => {
      if (this.#failure !== undefined) return refused(this.#failure.reply);
      // The configuration changed meanwhile: ask again, with the new one.
      return this.#isStale ? CHANGED : this.#begin(message, this.#routes!);
    });
  }

  /** Calls back when a full ready queue of this feed has room again; perhaps once for each of them. */
  whenRoom(callback: () => void): void {
    for (const queue of this.#full) queue.whenRoom(callback);
  }

  #begin(message: QueuedMessage, routes: Routes): MaybePromise<OfferVerdict> {
    if (this.#selector.size === 0) {
      const pool = `pool=\`${routes.pool}\``;
      return refused(
        reply(451, '4.4.4', `KumoMTA internal: no sources available for ${this.#home.name} ${pool}`),
      );
    }
    this.#selector.begin();
    this.#full.length = 0;
    return this.#choose(message, routes);
  }

  /** Goes on with the selection until a source takes the message, or none is left (delivery.md section 6). */
  #choose(message: QueuedMessage, routes: Routes): MaybePromise<OfferVerdict> {
    for (;;) {
      const index = this.#selector.next();
      if (index < 0) return this.#nobody(routes);
      const verdict = this.#tryOne(index, message, routes);
      if (verdict instanceof Promise) return verdict.then((later) => later ?? this.#choose(message, routes));
      if (verdict !== undefined) return verdict;
    }
  }

  /** Undefined when this source does not take the message now. */
  #tryOne(index: number, message: QueuedMessage, routes: Routes): MaybePromise<OfferVerdict | undefined> {
    const queue = this.#queues[index];
    if (queue !== undefined && !queue.reaped) return this.#enter(index, queue, message);
    const broken = this.#broken?.[index];
    if (broken !== undefined && broken.until > this.#parts.clock.monotonic()) return refused(broken.reply);
    return this.#makeQueue(index, message, routes);
  }

  async #makeQueue(index: number, message: QueuedMessage, routes: Routes): Promise<OfferVerdict | undefined> {
    const generation = this.#generation;
    try {
      const queue = await routes.queueOf(routes.sources[index]!.name);
      if (generation !== this.#generation) return CHANGED;
      this.#queues[index] = queue;
      return await this.#enter(index, queue, message);
    } catch (error) {
      if (generation !== this.#generation) return CHANGED;
      const broken = this.#failed(error as Error);
      this.#broken ??= [];
      this.#broken[index] = broken;
      return refused(broken.reply);
    }
  }

  #enter(
    index: number,
    queue: DeliveryQueue,
    message: QueuedMessage,
  ): MaybePromise<OfferVerdict | undefined> {
    if (queue.isSuspended) {
      this.#leaveOutSuspended();
      return undefined;
    }
    if (!queue.reserve()) {
      countFor('ready_full', queue.name);
      this.#leaveOutFull(index, queue);
      return undefined;
    }
    const apply = (isAdmitted: boolean): OfferVerdict | undefined => {
      if (isAdmitted) return queue.insert(message) ? ACCEPTED : FULL;
      queue.unreserve();
      this.#selector.leaveOut(index);
      return undefined;
    };
    const admitted = queue.selectionRates.length === 0 || this.#admit(queue.selectionRates);
    if (!(admitted instanceof Promise)) return apply(admitted);
    return admitted.then(apply, (error: Error) => {
      queue.unreserve();
      throw error;
    });
  }

  /** All at once, for the same reason as below. The one that was found is among them. */
  #leaveOutSuspended(): void {
    for (let index = 0; index < this.#queues.length; index++) {
      if (this.#queues[index]?.isSuspended === true) this.#selector.leaveOut(index);
    }
  }

  /** Takes a look at all at once, or a selection among many full ones would take long. */
  #leaveOutFull(found: number, queue: DeliveryQueue): void {
    this.#selector.leaveOut(found);
    this.#full.push(queue);
    for (let index = 0; index < this.#queues.length; index++) {
      const other = this.#queues[index];
      if (index === found || other === undefined || other.reaped || !other.isFull) continue;
      this.#selector.leaveOut(index);
      this.#full.push(other);
    }
  }

  /** Whether all the rates, slowest first, let the source be chosen once more. */
  #admit(rates: readonly NamedRate[]): MaybePromise<boolean> {
    for (let index = 0; index < rates.length; index++) {
      const { key, spec } = rates[index]!;
      const verdict = this.#parts.throttles.admit(key, spec);
      if (verdict instanceof Promise) {
        return verdict.then(({ throttled }) => !throttled && this.#admit(rates.slice(index + 1)));
      }
      if (verdict.throttled) return false;
    }
    return true;
  }

  /** A full queue outranks a throttled source: it has room soon. */
  #nobody(routes: Routes): OfferVerdict {
    if (this.#full.length > 0) return FULL;
    const what = `for ${this.#home.name} pool=\`${routes.pool}\` are eligible for selection at this time`;
    return refused(reply(451, '4.4.4', `KumoMTA internal: no sources ${what}`));
  }

  async #resolveRoutes(options: QueueOptions, generation: number): Promise<void> {
    try {
      const routes = await this.#parts.resolve(this.#home, options);
      if (generation !== this.#generation) return;
      if (!sameSources(this.#routes, routes)) {
        this.#selector = new SourceSelector(routes.sources.map(({ weight }) => weight));
      }
      this.#routes = routes;
      this.#queues = new Array(routes.sources.length);
      this.#broken = undefined;
      this.#isStale = false;
      this.#failure = undefined;
    } catch (error) {
      if (generation === this.#generation) this.#failure = this.#failed(error as Error);
    } finally {
      if (generation === this.#generation) this.#resolving = undefined;
    }
  }

  #failed(error: Error): Failure {
    const text = `failed to resolve queue ${this.#home.name}: ${error.message}`;
    return { reply: reply(451, '4.4.4', text), until: this.#parts.clock.monotonic() + NEGATIVE_TTL };
  }
}

function refused(why: Reply): OfferVerdict {
  return { kind: 'refused', reply: why, reasons: ['FailedToInsertIntoReadyQueue'] };
}

function sameSources(before: Routes | undefined, after: Routes): boolean {
  if (before === undefined || before.pool !== after.pool) return false;
  if (before.sources.length !== after.sources.length) return false;
  return before.sources.every((entry, index) => {
    const other = after.sources[index]!;
    return other.name === entry.name && other.weight === entry.weight;
  });
}
