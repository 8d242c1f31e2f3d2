import type { Clock, Lease, Leases, LimitSpec, MaybePromise, Timer } from '../../model/index.ts';
import type { RedisPort } from '../redis/index.ts';
import type { CountedLease } from './local-leases.ts';
import type { RedisNodes } from './redis-nodes.ts';
import { ACQUIRE, EXTEND, RELEASE } from './redis-scripts.ts';
import { type Holding, SlotLine } from './slot-line.ts';

/** Leases of this process, which know how many it holds. */
export interface NodeLeases extends Leases {
  tryAcquire(key: string, limit: LimitSpec, duration?: number, owner?: object): CountedLease | undefined;
  look(key: string): number;
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
/** ms between two looks, while Redis is away, whether idle slots are more than the part of this node. */
const LOOK_EVERY = 1000;
/** Idle slots that one look is at; the next one goes on with others. */
const LOOKED_AT = 500;

/** What this shard holds of a limit, and who waits for slots that other nodes have. */
interface Share {
  readonly line: SlotLine;
  readonly leases: Map<string, RedisLease>;
  /** The next try, while somebody waits. */
  timer: Timer | undefined;
}

/** What a lease is asked for with. */
interface Asked {
  key: string;
  limit: LimitSpec;
  duration: number;
  owner: object | undefined;
}

/**
 * Leases of all nodes that share a Redis. Each is a lease of this process too, so that it is known what the node holds.
 * While Redis is away a node keeps its part of each limit: what it holds beyond that is `wanted`, and it takes no more
 * than the part. When Redis is back, everything held is entered there again; what finds no room is lost.
 */
export class RedisLeases implements Leases {
  readonly #parts: RedisLeasesParts;
  readonly #shares = new Map<string, Share>();
  /** Limits that were refused for the slots of other nodes, until somebody wants one. */
  readonly #full = new Set<string>();
  /** Slots of connections with nothing in hand. */
  readonly #idle = new Set<RedisLease>();
  #timer: Timer | undefined;
  #look: Timer | undefined;

  constructor(parts: RedisLeasesParts) {
    this.#parts = parts;
  }

  tryAcquire(
    key: string,
    limit: LimitSpec,
    duration = DURATION,
    owner?: object,
  ): MaybePromise<Lease | undefined> {
    const { local, link, nodes } = this.#parts;
    const own = local.tryAcquire(key, limit, duration, owner);
    if (own === undefined || limit.local) return own;
    const asked = { key, limit, duration, owner };
    this.#full.delete(key);
    if (!link.isUp) return this.#acquireShare(asked, own);
    // Until all nodes have entered what they hold, Redis shows room that is none.
    if (nodes.isSettling && own.total() > nodes.slots(limit.limit)) return this.#refuse(key, own);
    return this.#acquire(asked, own);
  }

  want(key: string, retry: () => void, owner?: object): () => void {
    const known = this.#shares.get(key);
    if (!this.#full.delete(key) && known?.timer === undefined)
      return this.#parts.local.want(key, retry, owner);
    const share = known ?? this.#share(key);
    const withdraw = share.line.want(retry, owner);
    share.timer ??= this.#tryLater(key, share);
    this.#tellIdle(share);
    return () => {
      if (withdraw()) this.#forgetUnused(key, share);
    };
  }

  look(key: string): number {
    return this.#parts.local.look(key);
  }

  /** Enters all that is held; Redis is back. */
  enter(): void {
    for (const [key, { leases }] of this.#shares) this.#extend(key, [...leases.values()], 'enter');
  }

  /** Redis is away: what is more than the part of this node is given up. */
  away(): void {
    this.#lookLater();
  }

  close(): void {
    this.#timer?.cancel();
    this.#look?.cancel();
    for (const { timer } of this.#shares.values()) timer?.cancel();
  }

  /** Leases held over Redis by this shard. */
  get size(): number {
    let size = 0;
    for (const { leases } of this.#shares.values()) size += leases.size;
    return size;
  }

  async #acquire(asked: Asked, own: CountedLease): Promise<Lease | undefined> {
    const { key, limit } = asked;
    const name = this.#parts.newName();
    try {
      const reply = await this.#parts.link.run(ACQUIRE, key, [String(limit.limit), String(HELD), name]);
      if (reply !== 1) return this.#refuse(key, own);
    } catch {
      // A slot that Redis gives to this name nevertheless is free again when nobody extends it.
      return this.#acquireShare(asked, own);
    }
    return this.#hold(asked, own, name);
  }

  #acquireShare(asked: Asked, own: CountedLease): Lease | undefined {
    const { key, limit } = asked;
    if (own.total() > this.#parts.nodes.slotsToTake(limit.limit)) return this.#refuse(key, own);
    const lease = this.#hold(asked, own, this.#parts.newName());
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

  #hold({ key, limit, duration, owner }: Asked, own: CountedLease, name: string): RedisLease {
    const { clock, link, nodes } = this.#parts;
    const share = this.#share(key);
    const holding = share.line.take(owner);
    const lease: RedisLease = new RedisLease(
      { clock, name, limit: limit.limit, own, duration, holding },
      {
        isTooMany: () => !link.isUp && own.total() - own.leaving() > nodes.slots(limit.limit),
        isWantedHere: () =>
          share.line.waitingBut(holding) > share.line.leaving && share.line.isWanted(holding),
        idles: (isIdle) => this.#idles(share, lease, isIdle),
        released: () => this.#release(key, share, name),
      },
    );
    share.leases.set(name, lease);
    this.#extendLater();
    return lease;
  }

  #idles(share: Share, lease: RedisLease, isIdle: boolean): void {
    if (!isIdle) {
      this.#idle.delete(lease);
      return;
    }
    this.#idle.add(lease);
    if (!this.#parts.link.isUp) this.#lookLater();
    this.#tellIdle(share);
  }

  /** Somebody in this shard waits for what other nodes do not give: idle slots are for him. */
  #tellIdle({ line }: Share): void {
    while (line.hasIdle && line.waiting > line.leaving && line.tellOne(false));
  }

  #release(key: string, share: Share, name: string): void {
    if (!share.leases.delete(name)) return;
    if (this.#parts.link.isUp) this.#parts.link.run(RELEASE, key, [name]).catch(() => {});
    const retry = share.line.next(share.line.stamp);
    if (retry !== undefined) queueMicrotask(retry);
    this.#forgetUnused(key, share);
  }

  #share(key: string): Share {
    let share = this.#shares.get(key);
    if (share === undefined) {
      share = { line: new SlotLine(), leases: new Map(), timer: undefined };
      this.#shares.set(key, share);
    }
    return share;
  }

  #forgetUnused(key: string, share: Share): void {
    if (share.line.waiting === 0) {
      share.timer?.cancel();
      share.timer = undefined;
    }
    if (share.line.isUnused && share.leases.size === 0 && this.#shares.get(key) === share)
      this.#shares.delete(key);
  }

  #tryLater(key: string, share: Share): Timer {
    const { clock, random } = this.#parts;
    return clock.after(POLL * (0.75 + random() / 2), () => {
      share.timer = undefined;
      const { stamp } = share.line;
      for (let retry = share.line.next(stamp); retry !== undefined; retry = share.line.next(stamp)) retry();
      this.#forgetUnused(key, share);
    });
  }

  /** One look for all, however many are idle. */
  #lookLater(): void {
    if (this.#idle.size === 0) return;
    this.#look ??= this.#parts.clock.after(LOOK_EVERY, () => {
      this.#look = undefined;
      if (this.#parts.link.isUp) return;
      let left = Math.min(this.#idle.size, LOOKED_AT);
      for (const lease of this.#idle) {
        if (left-- === 0) break;
        this.#idle.delete(lease);
        if (lease.wanted) lease.tell();
        else this.#idle.add(lease);
      }
      this.#lookLater();
    });
  }

  #extendLater(): void {
    this.#timer ??= this.#parts.clock.after(EXTEND_EVERY, () => {
      this.#timer = undefined;
      let held = 0;
      for (const [key, { leases }] of this.#shares) {
        held += leases.size;
        const alive = [...leases.values()].filter((lease) => !lease.isOver());
        if (this.#parts.link.isUp) this.#extend(key, alive, 'extend');
      }
      if (held > 0) this.#extendLater();
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
  /** Its place in the line of this shard. */
  holding: Holding;
}

/** What a lease asks and tells those that it is one of. */
interface LeaseFriends {
  /** There are more of them than this node may have now. */
  isTooMany(): boolean;
  /** Somebody in this shard waits for what other nodes do not give. */
  isWantedHere(): boolean;
  idles(isIdle: boolean): void;
  released(): void;
}

class RedisLease implements Lease {
  readonly name: string;
  readonly limit: number;
  readonly #facts: LeaseFacts;
  readonly #friends: LeaseFriends;
  #until: number;
  #state: 'held' | 'lost' | 'released' = 'held';
  #onWanted: (() => void) | undefined;

  constructor(facts: LeaseFacts, friends: LeaseFriends) {
    this.name = facts.name;
    this.limit = facts.limit;
    this.#facts = facts;
    this.#friends = friends;
    this.#until = facts.clock.monotonic() + facts.duration;
  }

  get wanted(): boolean {
    if (this.#state !== 'held') return this.#state === 'lost';
    const { own, holding } = this.#facts;
    return own.wanted || holding.isLeaving || this.#friends.isTooMany() || this.#friends.isWantedHere();
  }

  onWanted(callback: () => void): () => void {
    if (this.#state === 'released') return () => {};
    const { own, holding } = this.#facts;
    let isOver = false;
    const stop = (): void => {
      isOver = true;
      this.#onWanted = undefined;
      cancelOwn?.();
      cancelHere?.();
      this.#friends.idles(false);
    };
    this.#onWanted = () => {
      if (isOver) return;
      stop();
      this.leave();
      callback();
    };
    const told = (): void => this.tell();
    let cancelOwn: (() => void) | undefined;
    let cancelHere: (() => void) | undefined;
    // Each of them may call back at once.
    cancelOwn = own.onWanted(told);
    if (!isOver) cancelHere = holding.onWanted(told);
    if (!isOver) this.#friends.idles(true);
    return () => {
      if (!isOver) stop();
    };
  }

  /** Has an idle holder give it back. */
  tell(): void {
    this.#onWanted?.();
  }

  leave(): void {
    this.#facts.own.leave();
    this.#facts.holding.leave();
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
    if (this.#state !== 'held') return;
    this.#state = 'lost';
    this.tell();
  }

  release(): void {
    if (this.#state === 'released') return;
    this.#onWanted = undefined;
    this.#state = 'released';
    this.#facts.holding.giveBack();
    this.#friends.idles(false);
    this.#friends.released();
    this.#facts.own.release();
  }
}
