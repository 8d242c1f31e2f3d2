import {
  Fifo,
  type Lease,
  type MessageHome,
  type QueuedMessage,
  type ReadyQueueStates,
  type ReadyState,
  type RequeueReason,
  type Settlement,
} from '../../model/index.ts';
import type { EgressPathOptions, EgressSourceOptions } from '../../model/options/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import type { ConnectionStatus } from './connection-status.ts';
import { type Connection, Connections, type ConnectionsOwner } from './connections.ts';
import type { ReadyParts } from './parts.ts';
import { limitsOf, type NamedRate, type PathLimits, systemShutdownTimeout } from './path-limits.ts';

/** What a connection holds while it waits for a message. */
export type WantedSlot = Pick<Lease, 'wanted' | 'onWanted'>;

/** Makes a connection that is to be run with a lease that the queue has for it. */
export type Dispatch = (queue: ReadyQueue, lease: Lease) => Connection;

/**
 * Messages that are ready for one site from one source, and the connections that carry them.
 * open → stopping. While open, every insert and every closed connection opens connections up to the ideal
 * number, each with a slot of every limit. Stopping, nothing is handed out any more; what is left stays in the
 * spool.
 */
export class ReadyQueue implements ConnectionsOwner {
  readonly name: string;
  readonly site: string;
  source: EgressSourceOptions;
  path: EgressPathOptions;
  limits: PathLimits;
  /** Names of the queues that fed this one, for the refresh of its path. */
  readonly routingDomain: string;
  /** Monotonic milliseconds of the last insert or hand-out. */
  lastUsed: number;
  reaped = false;
  readonly #parts: ReadyParts;
  readonly #dispatch: Dispatch;
  readonly #messages = new Fifo<QueuedMessage>();
  /** Connections that wait for a message, idle for longest first. */
  readonly #idle = new Set<(message: QueuedMessage | undefined) => void>();
  /** In the order of asking; a set, because whoever is refused again asks again. */
  readonly #waitingForRoom = new Set<() => void>();
  readonly #connections: Connections;
  #reserved = 0;
  /** While connections wait for max_connection_rate. */
  #throttled: ReadyState | undefined;
  #throttling = 0;
  /** What waits is looking for another source. */
  #leaving = false;
  #stopping = false;
  readonly #stopCallbacks = new Set<() => void>();

  constructor(
    parts: ReadyParts,
    names: { name: string; site: string; routingDomain: string },
    source: EgressSourceOptions,
    path: EgressPathOptions,
    dispatch: Dispatch,
  ) {
    this.#parts = parts;
    this.name = names.name;
    this.site = names.site;
    this.routingDomain = names.routingDomain;
    this.source = source;
    this.path = path;
    this.limits = limitsOf(this.name, source.name, path);
    this.#dispatch = dispatch;
    this.#connections = new Connections(parts, this);
    this.lastUsed = parts.clock.monotonic();
  }

  get length(): number {
    return this.#messages.length;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** The connections that are open now. */
  get open(): Pick<Connections, 'inspect' | 'abort' | 'rest'> {
    return this.#connections;
  }

  /** What holds it up. */
  get states(): ReadyQueueStates {
    const { limited } = this.#connections;
    return {
      ...(limited !== undefined && { connection_limited: limited }),
      ...(this.#throttled !== undefined && { connection_rate_throttled: this.#throttled }),
    };
  }

  /** A connection waits for a rate to let it go on. */
  async whileThrottled<T>(
    reason: RequeueReason,
    key: string,
    waiting: Promise<T>,
    status: ConnectionStatus,
  ): Promise<T> {
    const isRate = reason === 'ConnectionRateThrottle';
    status.enter(isRate ? 'ConnectionRateThrottled' : 'MessageRateThrottled');
    if (!isRate) return waiting;
    this.#throttled ??= { context: `${key} lets no connection be made yet`, since: this.#parts.clock.now() };
    this.#throttling++;
    try {
      return await waiting;
    } finally {
      if (--this.#throttling === 0) this.#throttled = undefined;
    }
  }

  get connectionLimit(): number {
    if (this.isSuspended) return 0;
    const { limit } = this.path.connection_limit;
    return this.#parts.memory.level === 'none' ? Math.min(limit, CONNECTIONS_WITHOUT_MEMORY) : limit;
  }

  connect(lease: Lease): Connection {
    return this.#dispatch(this, lease);
  }

  /** How many wait for something that the end of the queue would end. */
  get stopCallbacks(): number {
    return this.#stopCallbacks.size;
  }

  /** The queue is forgotten; feeds that know it ask for a new one. */
  reap(): void {
    this.reaped = true;
    this.connected();
  }

  /** No message and no connection. */
  get isIdle(): boolean {
    return this.#messages.length === 0 && this.#reserved === 0 && this.#connections.size === 0;
  }

  get isFull(): boolean {
    return this.#messages.length + this.#reserved >= this.#capacity;
  }

  /** An administrator wants no mail to go this way, or the source does not work. */
  get isSuspended(): boolean {
    const { admin, health } = this.#parts;
    return admin.isReadyQueueSuspended(this.name) || health.isSuspended(this.source);
  }

  /** What a choice of this source has to pass, slowest first. */
  get selectionRates(): readonly NamedRate[] {
    return this.limits.selectionRates;
  }

  /** Each shard gets its part of max_ready; at least one, or a small limit would strand a shard's mail. */
  get #capacity(): number {
    return Math.max(1, Math.ceil(this.path.max_ready / this.#parts.shards));
  }

  /** Keeps a place for one message, if there is room: for `insert`, or to be given back by `unreserve`. */
  reserve(): boolean {
    if (this.#stopping || this.isFull) return false;
    this.#reserved++;
    return true;
  }

  unreserve(): void {
    this.#reserved--;
    if (this.#waitingForRoom.size > 0) this.#parts.clock.after(0, this.#offerRoom);
  }

  /** Takes the message into a place that was reserved. False when the queue has stopped since. */
  insert(message: QueuedMessage): boolean {
    this.#reserved--;
    if (this.#stopping) return false;
    this.lastUsed = this.#parts.clock.monotonic();
    const [idle] = this.#idle;
    if (idle !== undefined) idle(message);
    else {
      this.#messages.push(message);
      if (this.#parts.memory.level !== 'enough') {
        message.home.shrink(message, this.path.low_memory_reduction_policy);
      }
      this.#goOn();
    }
    return true;
  }

  /** So many of the messages that wait, from that place in the line on. */
  waiting(from: number, count: number): QueuedMessage[] {
    return this.#messages.slice(from, from + count);
  }

  /** Memory is used up, or there is some again: connections with nothing in hand end, or new ones begin. */
  memoryChanged(): void {
    if (this.#stopping) return;
    let tooMany = this.connections - this.connectionLimit;
    for (const finish of [...this.#idle]) if (tooMany-- > 0) finish(undefined);
    this.#goOn();
  }

  /** Calls back once when there is room again; callers are served in turn. The same callback waits only once. */
  whenRoom(callback: () => void): void {
    this.#waitingForRoom.add(callback);
  }

  /** The next message, if one is ready. */
  take(): QueuedMessage | undefined {
    if (this.#stopping || this.isSuspended) return undefined;
    const message = this.#shiftAllowed();
    if (message !== undefined) {
      this.lastUsed = this.#parts.clock.monotonic();
      // After this turn, so that the taker's state is settled before a feed offers more.
      if (this.#waitingForRoom.size > 0) this.#parts.clock.after(0, this.#offerRoom);
    }
    return message;
  }

  /** Puts a taken message back in front, uncharged. */
  putBack(message: QueuedMessage): void {
    this.#messages.unshift(message);
    if (!this.#stopping) this.#goOn();
  }

  /** Connections for what waits; or, when this way is suspended, another way. */
  #goOn(): void {
    if (this.isSuspended) this.suspended();
    else this.#connections.maintain();
  }

  /** The next message that no administrator stops. Those that one does are settled, so many in a turn. */
  #shiftAllowed(): QueuedMessage | undefined {
    for (let stopped = 0; ; stopped++) {
      const message = this.#messages.peek();
      const verdict = message && this.#parts.admin.verdict(message.home);
      if (verdict === undefined) return this.#messages.shift();
      if (stopped >= SETTLED_PER_TURN) {
        this.#parts.clock.after(0, this.#handOut);
        return undefined;
      }
      this.#messages.shift();
      message!.home.settle(message!, verdict);
    }
  }

  /** Gives those who wait idle what was left behind. */
  readonly #handOut = (): void => {
    while (this.#idle.size > 0) {
      const message = this.take();
      if (message === undefined) return;
      const [finish] = this.#idle;
      finish!(message);
    }
    if (!this.#stopping) this.#connections.maintain();
  };

  /**
   * An administrator has suspended the queue, or its source does not work: idle sessions close, and what waits looks
   * for another source, so much in a turn (delivery.md sections 10 and 15).
   */
  suspended(): void {
    if (this.#stopping) return;
    for (const finish of [...this.#idle]) finish(undefined);
    if (!this.#leaving) this.#leave();
  }

  readonly #leave = (): void => {
    this.#leaving = !this.#stopping && this.isSuspended && this.#messages.length > 0;
    if (!this.#leaving) {
      // The suspension may have ended before all had left.
      if (!this.#stopping) this.#connections.maintain();
      return;
    }
    this.#parts.clock.after(0, this.#leave);
    this.settleSome(SETTLED_PER_TURN, () => ({ kind: 'reinsert' }));
  };

  /** Waits up to `timeout` ms for a message; gives up early when the slot is wanted elsewhere or at shutdown. */
  async next(timeout: number, slot: WantedSlot): Promise<QueuedMessage | undefined> {
    const ready = this.take();
    if (ready !== undefined || this.#stopping || this.isSuspended || slot.wanted || timeout <= 0)
      return ready;
    return new Promise((resolve) => {
      let forget: (() => void) | undefined;
      let isOver = false;
      const finish = (message: QueuedMessage | undefined): void => {
        isOver = true;
        timer.cancel();
        this.#idle.delete(finish);
        forget?.();
        resolve(message);
      };
      const giveUp = (): void => finish(undefined);
      const timer = this.#parts.clock.after(timeout, giveUp);
      this.#idle.add(finish);
      forget = slot.onWanted?.(giveUp);
      // It may have called back at once.
      if (isOver) forget?.();
    });
  }

  /** Some host of the site answered. */
  connected(): void {
    const key = this.#failuresKey;
    if (this.#parts.counters.get(key) > 0) this.#parts.counters.reset(key);
  }

  /** No host of the site answered. Gives how many times in a row, over all shards. */
  failedToConnect(): number {
    return this.#parts.counters.add(this.#failuresKey, 1);
  }

  get #failuresKey(): string {
    return `connection-failures ${this.name}`;
  }

  /** Hands every waiting message back to its scheduled queue. */
  settleAll(settlementFor: (message: QueuedMessage) => Settlement): void {
    for (let left = this.#messages.length; left > 0; left--) {
      const message = this.#messages.shift();
      if (message !== undefined) message.home.settle(message, settlementFor(message));
    }
    if (this.#waitingForRoom.size > 0) this.#parts.clock.after(0, this.#offerRoom);
  }

  /** Settles those of the `count` oldest for which there is a settlement; the others go to the end. */
  settleSome(count: number, settlementFor: (message: QueuedMessage) => Settlement | undefined): void {
    if (this.#stopping) return;
    for (let left = Math.min(count, this.#messages.length); left > 0; left--) {
      const message = this.#messages.shift()!;
      const settlement = settlementFor(message);
      if (settlement === undefined) this.#messages.push(message);
      else message.home.settle(message, settlement);
    }
    if (this.#waitingForRoom.size > 0) this.#parts.clock.after(0, this.#offerRoom);
  }

  /** Gives what waits and is from there back to look for another way. */
  takeBack(home: MessageHome): void {
    this.settleSome(this.#messages.length, (message) =>
      message.home === home ? { kind: 'reinsert' } : undefined,
    );
  }

  requeueAll(reply: Reply, reasons: RequeueReason[], counted: boolean, delay: number | undefined): void {
    this.settleAll(() => ({ kind: 'requeue', reply, reasons, counted, delay }));
  }

  /** Applies a refreshed path; what exceeds a smaller max_ready goes back, newest first. */
  updatePath(path: EgressPathOptions): void {
    this.path = path;
    this.limits = limitsOf(this.name, this.source.name, path);
    const why = reply(451, '4.4.4', 'KumoMTA internal: max_ready was reduced');
    while (this.#messages.length > this.#capacity) {
      const newest = this.#messages.pop()!;
      const reasons: RequeueReason[] = ['MaxReadyWasReducedByConfigUpdate'];
      newest.home.settle(newest, { kind: 'requeue', reply: why, reasons, counted: false, delay: undefined });
    }
    this.#connections.limitsChanged();
  }

  /** Calls back when the queue stops: who waits for a peer or a throttle need not go on. Gives a cancel. */
  onStopping(callback: () => void): () => void {
    if (this.#stopping) callback();
    this.#stopCallbacks.add(callback);
    return () => this.#stopCallbacks.delete(callback);
  }

  /**
   * Hands out nothing more; resolves when every connection has finished what it had in hand, or was aborted after
   * system_shutdown_timeout.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const callback of [...this.#stopCallbacks]) callback();
    for (const finish of [...this.#idle]) finish(undefined);
    await this.#connections.stop(systemShutdownTimeout(this.path));
  }

  readonly #offerRoom = (): void => {
    // A caller offers until it is refused or has nothing left; then the next one may.
    for (const callback of this.#waitingForRoom) {
      if (this.#stopping || this.isFull) return;
      this.#waitingForRoom.delete(callback);
      callback();
    }
  };
}

/** Connections of a queue while there is no memory left (delivery.md section 17). */
const CONNECTIONS_WITHOUT_MEMORY = 2;
/** Messages that an administrator stops or sends elsewhere, per turn of the event loop. */
const SETTLED_PER_TURN = 256;
