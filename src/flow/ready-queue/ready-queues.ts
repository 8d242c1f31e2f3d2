import {
  DEFERRED_INJECTION_QUEUE,
  GENERATOR_QUEUE,
  type MessageHome,
  measured,
  parseTransferTarget,
  type QueuedMessage,
  type QueueNameParts,
  type RouteFacts,
  type Settlement,
  type SourceHealth,
  type Timer,
} from '../../model/index.ts';
import type { QueueOptions, QueueProtocol } from '../../model/options/index.ts';
import { type MaildirTarget, TransferClient } from '../delivery/index.ts';
import { forgetCounts } from './counts.ts';
import { Dispatcher } from './dispatcher.ts';
import { easeMemory } from './ease-memory.ts';
import { EgressCatalog, UNSPECIFIED } from './egress-catalog.ts';
import { explainRoute } from './explain-route.ts';
import { generationQueue } from './generation-queue.ts';
import { injectionQueue } from './injection-queue.ts';
import { LuaDispatcher, type LuaProtocol, luaSite } from './lua-queue.ts';
import { maildirQueue } from './maildir-queue.ts';
import type { ReadyParts } from './parts.ts';
import { type DeliveryQueue, type FeedParts, ReadyFeed, type Routes } from './ready-feed.ts';
import { ReadyQueue } from './ready-queue.ts';
import type { Site } from './routing.ts';
import { transferWorkers } from './transfer-queue.ts';
import type { WorkerQueue } from './worker-queue.ts';

/** A ready queue without messages and connections is forgotten after this long, ms. */
const REAP_AFTER = 600_000;
/** Queues looked at per turn of the event loop. */
const LOOKED_AT_PER_TURN = 500;
const runs = measured.series('total_readyq_runs');
/** How often paths are refreshed and idle queues forgotten, ms (delivery.md section 11). */
const UPKEEP = 10_000;

/** All ready queues of a shard. */
export class ReadyQueues {
  readonly #parts: ReadyParts;
  readonly #catalog: EgressCatalog;
  readonly #queues = new Map<string, Live>();
  /** Maildirs and other nodes, by a key of their own. */
  readonly #workers = new Map<string, WorkerQueue>();
  readonly #transfers: NonNullable<ReadyParts['transfers']>;
  readonly #injection: WorkerQueue;
  readonly #generation: WorkerQueue;
  readonly #feedParts: FeedParts;
  #upkeep: Timer;
  /** Where the look at all queues goes on, when it takes more than one turn. */
  #round: MapIterator<[string, Live]> | undefined;
  #stopping = false;
  /** Counts changes of the policy. */
  #policyEpoch = 0;

  constructor(parts: ReadyParts) {
    this.#parts = parts;
    this.#catalog = new EgressCatalog(parts);
    this.#transfers = parts.transfers ?? new TransferClient();
    this.#injection = injectionQueue(parts);
    this.#generation = generationQueue(parts);
    const { clock, throttles } = parts;
    this.#feedParts = { clock, throttles, resolve: (home, options) => this.#routes(home, options) };
    this.#upkeep = parts.clock.after(UPKEEP, this.#maintain);
    parts.health.onNoticed = () => this.#lookSoon();
  }

  /** The way of one scheduled queue into the ready queues. */
  feedFor(home: MessageHome): ReadyFeed {
    return new ReadyFeed(home, this.#feedParts);
  }

  /** Ready queues with the pools that led to them, and the queues of what is delivered without a connection. */
  measuredQueues(): { sites: Iterable<{ queue: ReadyQueue; pool: string }>; workers: WorkerQueue[] } {
    const workers = [...this.#workers.values(), this.#injection, this.#generation];
    return { sites: this.#queues.values(), workers };
  }

  /** Sources that are left out, for metrics; each is told of by one shard. */
  suspendedSources(): ReturnType<SourceHealth['made']> {
    return this.#parts.health.made();
  }

  /** The way that mail of a queue would take, and what holds it up there; see `explainRoute`. */
  explainRoute(names: QueueNameParts, options: QueueOptions, source?: string): Promise<RouteFacts> {
    const find = (name: string, { security }: Site) => this.#queues.get(name + security)?.queue;
    return explainRoute({ parts: this.#parts, catalog: this.#catalog, find }, names, options, source);
  }

  /** Every ready queue, for metrics and status. */
  *live(): Iterable<ReadyQueue> {
    for (const { queue } of this.#queues.values()) yield queue;
  }

  /** Everything in which messages wait, be it for a connection or not. */
  *waiting(): Iterable<Waiting> {
    yield* this.live();
    yield* this.#workers.values();
    yield this.#injection;
    yield this.#generation;
  }

  /**
   * Policy has changed: pools, sources and paths are asked for again, those of busy queues at once. Connections
   * go on.
   */
  refresh(): void {
    this.#policyEpoch++;
    this.#catalog.forget();
    if (this.#stopping) return;
    this.#upkeep.cancel();
    this.#round = undefined;
    this.#maintain();
  }

  /** Memory is short, or is so no longer. Goes on beside everything else. */
  memoryChanged(): void {
    if (!this.#stopping) void easeMemory(this.live(), this.#parts.memory, this.#parts.clock);
  }

  /** Resolves when every connection has finished what it had in hand. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#upkeep.cancel();
    const smtp = [...this.#queues.values()].map(({ queue }) => queue.stop());
    const workers = [...this.#workers.values()].map((queue) => queue.stop());
    await Promise.all([...smtp, ...workers, this.#injection.stop(), this.#generation.stop()]);
    this.#transfers.close();
  }

  async #routes(home: MessageHome, options: QueueOptions): Promise<Routes> {
    if (this.#stopping) throw new Error('shutting down');
    const { protocol } = options;
    const now = this.#parts.clock.monotonic();
    if (home.name === DEFERRED_INJECTION_QUEUE) return onlyTo(this.#injection);
    if (home.name === GENERATOR_QUEUE) return onlyTo(this.#generation);
    if (protocol.kind === 'maildir') return onlyTo(this.#maildir(protocol));
    if (protocol.kind === 'xfer') return onlyTo(this.#node(parseTransferTarget(protocol.target)));
    const domain = home.parts.routingDomain ?? home.parts.domain;
    const pool = await this.#catalog.pool(options.egress_pool);
    const isSmtp = protocol.kind === 'smtp';
    const site = isSmtp ? await this.#parts.routing.site(domain, protocol) : luaSite(domain);
    return {
      pool: pool.name,
      sources: pool.entries.filter(({ weight }) => weight > 0),
      queueOf: (source) => this.#queue(source, domain, { site, protocol, pool: pool.name }),
      expires: Math.min(site.expires, now + pool.ttl),
    };
  }

  async #queue(sourceName: string, domain: string, { site, protocol, pool }: Way): Promise<ReadyQueue> {
    const isSmtp = protocol.kind === 'smtp';
    const name = `${sourceName}->${site.name}@${isSmtp ? 'smtp_client' : `lua:${protocol.constructor}`}`;
    // Mail that DNSSEC or MTA-STS protects has connections of its own; limits and records go by the name alone.
    const key = name + site.security;
    const known = this.#queues.get(key);
    if (known !== undefined && !known.queue.reaped) {
      known.site = site;
      known.protocol = protocol;
      // One that is idle whenever the upkeep comes by would never be refreshed otherwise.
      if (!known.refreshing && this.#isOutdated(known, this.#parts.clock.monotonic())) {
        await this.#refresh(known);
      }
      return known.queue;
    }
    const source = await this.#catalog.source(sourceName);
    const path = await this.#catalog.path(domain, sourceName, site.name);
    // Another feed may have made it while this one asked policy.
    const made = this.#queues.get(key);
    if (made !== undefined) return made.queue;
    const live: Live = {
      pool,
      site,
      protocol,
      refreshed: this.#parts.clock.monotonic(),
      refreshing: false,
      policyEpoch: this.#policyEpoch,
      queue: new ReadyQueue(
        this.#parts,
        { name, site: site.name, routingDomain: domain },
        source,
        path,
        (queue, lease) =>
          isSmtp
            ? new Dispatcher(this.#parts, queue, lease, (asking) =>
                live.site.plan(asking.path, asking.source),
              )
            : new LuaDispatcher(this.#parts, queue, lease, () => live.protocol as LuaProtocol),
      ),
    };
    this.#queues.set(key, live);
    return live.queue;
  }

  #maildir(target: MaildirTarget): WorkerQueue {
    const key = JSON.stringify([target.maildir_path, target.dir_mode, target.file_mode]);
    return this.#worker(key, () => maildirQueue(this.#parts, target));
  }

  #node(target: string): WorkerQueue {
    return this.#worker(target, () => transferWorkers(this.#parts, this.#transfers, target));
  }

  #worker(key: string, make: () => WorkerQueue): WorkerQueue {
    const queue = this.#workers.get(key) ?? make();
    this.#workers.set(key, queue);
    return queue;
  }

  readonly #maintain = (): void => {
    if (this.#stopping) return;
    const now = this.#parts.clock.monotonic();
    const round = this.#round ?? this.#queues.entries();
    for (let looked = 0; looked < LOOKED_AT_PER_TURN; looked++) {
      const next = round.next();
      if (next.done === true) {
        this.#round = undefined;
        this.#reapWorkers(now);
        this.#upkeep = this.#parts.clock.after(UPKEEP, this.#maintain);
        return;
      }
      this.#look(next.value[0], next.value[1], now);
    }
    this.#round = round;
    this.#upkeep = this.#parts.clock.after(0, this.#maintain);
  };

  /** A source does not work: what waits for it is found. */
  #lookSoon(): void {
    if (this.#stopping) return;
    this.#upkeep.cancel();
    this.#round = undefined;
    this.#upkeep = this.#parts.clock.after(0, this.#maintain);
  }

  #look(key: string, live: Live, now: number): void {
    const { queue } = live;
    runs.add();
    // Another shard may have found out that the source does not work.
    if (queue.length > 0 && queue.isSuspended) queue.suspended();
    if (queue.isIdle && now - queue.lastUsed > REAP_AFTER) {
      queue.reap();
      this.#queues.delete(key);
      forgetCounts(queue.name);
      this.#parts.onReaped(queue.name);
    } else if (!queue.isIdle && !live.refreshing && this.#isOutdated(live, now)) {
      void this.#refresh(live);
    }
  }

  #isOutdated(live: Live, now: number): boolean {
    if (live.policyEpoch !== this.#policyEpoch) return true;
    const { refresh_strategy, refresh_interval } = live.queue.path;
    return refresh_strategy === 'Ttl' && now - live.refreshed >= refresh_interval;
  }

  #reapWorkers(now: number): void {
    for (const [key, queue] of this.#workers) {
      if (!queue.isIdle || now - queue.lastUsed <= REAP_AFTER) continue;
      queue.reaped = true;
      this.#workers.delete(key);
    }
  }

  /**
   * Asks policy for the path again, and for the source too when policy has changed; on an error the old ones stay
   * (delivery.md sections 6 and 11).
   */
  async #refresh(live: Live): Promise<void> {
    const { queue } = live;
    const isNewPolicy = live.policyEpoch !== this.#policyEpoch;
    live.refreshing = true;
    live.policyEpoch = this.#policyEpoch;
    try {
      if (isNewPolicy) queue.source = await this.#catalog.source(queue.source.name);
      queue.updatePath(await this.#catalog.path(queue.routingDomain, queue.source.name, queue.site));
    } catch (error) {
      this.#parts.diagnostics.warn(
        'ready-queue',
        `${queue.name}: keeps its path: ${(error as Error).message}`,
      );
    } finally {
      live.refreshing = false;
      live.refreshed = this.#parts.clock.monotonic();
    }
  }
}

/** Where messages wait, some of which may be wanted elsewhere. */
export interface Waiting {
  readonly length: number;
  /** Settles those of the first `count` that wait for which there is a settlement. */
  settleSome(count: number, settlementFor: (message: QueuedMessage) => Settlement | undefined): void;
}

/** How mail goes that is sent through sources. */
interface Way {
  /** The pool that led to it first. */
  pool: string;
  site: Site;
  protocol: Extract<QueueProtocol, { kind: 'smtp' | 'custom_lua' }>;
}

interface Live extends Way {
  queue: ReadyQueue;
  /** Monotonic ms. */
  refreshed: number;
  refreshing: boolean;
  /** Change of the policy that source and path are from. */
  policyEpoch: number;
}

/** The way of mail that is not sent through sources. */
function onlyTo(queue: DeliveryQueue): Routes {
  return {
    pool: UNSPECIFIED,
    sources: [{ name: UNSPECIFIED, weight: 1 }],
    queueOf: () => queue,
    expires: Infinity,
  };
}
