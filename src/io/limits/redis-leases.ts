import type { Clock, Lease, Leases, LimitSpec, MaybePromise, Timer } from '../../model/index.ts';
import type { RedisPort } from '../redis/index.ts';
import type { CountedLease } from './local-leases.ts';
import type { RedisNodes } from './redis-nodes.ts';
import { ACQUIRE, EXTEND, RELEASE } from './redis-scripts.ts';

/** Leases of this process, which know how many it holds. */
export interface NodeLeases extends Leases {
  tryAcquire(key: string, limit: LimitSpec, duration?: number): CountedLease | undefined;
}

export interface RedisLeasesParts {
  link: RedisPort;
  nodes: RedisNodes;
  /** Those of this process. */
  local: NodeLeases;
  clock: Clock;
  /** In [0, 1). */
  random(): number;
  /** A name that nobody else gives. */
  newName(): string;
}

/** Seconds after which Redis gives the slot of a node that is gone to others. */
const HELD = 60;
/** ms between two extensions of all that is held. */
const EXTEND_EVERY = 20_000;
/** ms between tries of who waits for a slot, give or take a quarter (delivery.md 1). */
const POLL = 3000;
/** Names per command, so that none holds up the server. */
const BATCH = 500;
/** ms that a slot is kept without a sign of life of the connection; the default of the longest wait for a peer. */
const DURATION = 1_690_000;

const MOST_FULL = 10_000;

interface Waiting {
  retries: Set<() => void>;
  timer: Timer;
}

/**
 * Leases of all nodes that share a Redis. Each is a lease of this process too, so that it is known what the node holds.
 * While Redis is away a node keeps its part of each limit: what it holds beyond that is `wanted`, and it takes no more
 * than the part. When Redis is back, everything held is entered there again; what finds no room is lost.
 */
export class RedisLeases implements Leases {
  readonly #parts: RedisLeasesParts;
  readonly #held = new Map<string, Map<string, RedisLease>>();
  readonly #waiting = new Map<string, Waiting>();
  /** Limits that were refused for the slots of other nodes, until somebody wants one. */
  readonly #full = new Set<string>();
  #timer: Timer | undefined;

  constructor(parts: RedisLeasesParts) {
    this.#parts = parts;
  }

  tryAcquire(key: string, limit: LimitSpec, duration = DURATION): MaybePromise<Lease | undefined> {
    const { local, link, nodes } = this.#parts;
    const own = local.tryAcquire(key, limit, duration);
    if (own === undefined || limit.local) return own;
    this.#full.delete(key);
    if (!link.isUp) return this.#acquireShare(key, limit, own, duration);
    // Until all nodes have entered what they hold, Redis shows room that is none.
    if (nodes.isSettling && own.total() > nodes.slots(limit.limit)) return this.#refuse(key, own);
    return this.#acquire(key, limit, own, duration);
  }

  want(key: string, retry: () => void): () => void {
    if (!this.#full.delete(key) && !this.#waiting.has(key)) return this.#parts.local.want(key, retry);
    const waiting = this.#waiting.get(key) ?? this.#poll(key, new Set());
    // Wrapped, so that the same function may want twice.
    const entry = (): void => retry();
    waiting.retries.add(entry);
    return () => {
      if (!waiting.retries.delete(entry) || waiting.retries.size > 0) return;
      waiting.timer.cancel();
      if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    };
  }

  /** Enters all that is held; Redis is back. */
  enter(): void {
    for (const [key, leases] of this.#held) this.#extend(key, [...leases.values()], 'enter');
  }

  close(): void {
    this.#timer?.cancel();
    for (const { timer } of this.#waiting.values()) timer.cancel();
  }

  /** Leases held over Redis by this shard. */
  get size(): number {
    let size = 0;
    for (const leases of this.#held.values()) size += leases.size;
    return size;
  }

  async #acquire(
    key: string,
    limit: LimitSpec,
    own: CountedLease,
    duration: number,
  ): Promise<Lease | undefined> {
    const name = this.#parts.newName();
    try {
      const reply = await this.#parts.link.run(ACQUIRE, key, [String(limit.limit), String(HELD), name]);
      if (reply !== 1) return this.#refuse(key, own);
    } catch {
      // A slot that Redis gives to this name nevertheless is free again when nobody extends it.
      return this.#acquireShare(key, limit, own, duration);
    }
    return this.#hold(key, limit, own, name, duration);
  }

  #acquireShare(key: string, limit: LimitSpec, own: CountedLease, duration: number): Lease | undefined {
    if (own.total() > this.#parts.nodes.slotsToTake(limit.limit)) return this.#refuse(key, own);
    const lease = this.#hold(key, limit, own, this.#parts.newName(), duration);
    // Redis may have come back while the answer was on its way.
    if (this.#parts.link.isUp) this.#extend(key, [lease], 'enter');
    return lease;
  }

  #refuse(key: string, own: CountedLease): undefined {
    // Who is refused wants next, mostly; a want that finds nothing here is told to try again, and refused.
    if (this.#full.size >= MOST_FULL) this.#full.clear();
    this.#full.add(key);
    own.release();
  }

  #hold(key: string, limit: LimitSpec, own: CountedLease, name: string, duration: number): RedisLease {
    const { clock, link, nodes } = this.#parts;
    const leases = this.#held.get(key) ?? new Map<string, RedisLease>();
    this.#held.set(key, leases);
    const lease = new RedisLease(
      { clock, name, limit: limit.limit, own, duration },
      () => !link.isUp && own.total() > nodes.slots(limit.limit),
      () => this.#release(key, name),
    );
    leases.set(name, lease);
    this.#extendLater();
    return lease;
  }

  #release(key: string, name: string): void {
    const leases = this.#held.get(key);
    if (!leases?.delete(name)) return;
    if (leases.size === 0) this.#held.delete(key);
    if (this.#parts.link.isUp) this.#parts.link.run(RELEASE, key, [name]).catch(() => {});
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    const [first] = waiting.retries;
    waiting.retries.delete(first!);
    if (waiting.retries.size === 0) {
      waiting.timer.cancel();
      this.#waiting.delete(key);
    }
    queueMicrotask(first!);
  }

  #poll(key: string, retries: Set<() => void>): Waiting {
    const { clock, random } = this.#parts;
    const timer = clock.after(POLL * (0.75 + random() / 2), () => {
      this.#waiting.delete(key);
      for (const retry of retries) retry();
    });
    const waiting = { retries, timer };
    this.#waiting.set(key, waiting);
    return waiting;
  }

  #extendLater(): void {
    this.#timer ??= this.#parts.clock.after(EXTEND_EVERY, () => {
      this.#timer = undefined;
      for (const [key, leases] of this.#held) {
        const alive = [...leases.values()].filter((lease) => !lease.isOver());
        if (this.#parts.link.isUp) this.#extend(key, alive, 'extend');
      }
      if (this.#held.size > 0) this.#extendLater();
    });
  }

  #extend(key: string, leases: readonly RedisLease[], mode: 'enter' | 'extend'): void {
    for (let from = 0; from < leases.length; from += BATCH) {
      const batch = leases.slice(from, from + BATCH);
      const room = mode === 'enter' ? Math.max(...batch.map(({ limit }) => limit)) : 0;
      const names = batch.map(({ name }) => name);
      this.#parts.link.run(EXTEND, key, [String(room), String(HELD), ...names]).then(
        (reply) => {
          const lost = new Set((reply as Buffer[]).map(String));
          for (const lease of batch) if (lost.has(lease.name)) lease.lose();
        },
        // Redis is away; everything is entered again when it is back.
        () => {},
      );
    }
  }
}

interface LeaseFacts {
  clock: Clock;
  name: string;
  limit: number;
  own: CountedLease;
  /** ms from the last sign of life of the holder. */
  duration: number;
}

class RedisLease implements Lease {
  readonly name: string;
  readonly limit: number;
  readonly #facts: LeaseFacts;
  readonly #isTooMany: () => boolean;
  readonly #onRelease: () => void;
  #until: number;
  #state: 'held' | 'lost' | 'released' = 'held';

  constructor(facts: LeaseFacts, isTooMany: () => boolean, onRelease: () => void) {
    this.name = facts.name;
    this.limit = facts.limit;
    this.#facts = facts;
    this.#isTooMany = isTooMany;
    this.#onRelease = onRelease;
    this.#until = facts.clock.monotonic() + facts.duration;
  }

  get wanted(): boolean {
    return this.#state === 'lost' || this.#facts.own.wanted || (this.#state === 'held' && this.#isTooMany());
  }

  /** All slots are extended in the background; here their holder only shows that it is alive. */
  extend(): boolean {
    if (this.isOver()) return false;
    this.#until = this.#facts.clock.monotonic() + this.#facts.duration;
    return true;
  }

  /** The slot is lost, or its holder has not been heard of for too long. */
  isOver(): boolean {
    if (this.#state === 'held' && this.#facts.clock.monotonic() > this.#until) this.lose();
    return this.#state !== 'held';
  }

  lose(): void {
    if (this.#state === 'held') this.#state = 'lost';
  }

  release(): void {
    if (this.#state === 'released') return;
    this.#state = 'released';
    this.#onRelease();
    this.#facts.own.release();
  }
}
