import {
  Fifo,
  type Lease,
  type QueuedMessage,
  type RequeueReason,
  type Settlement,
  type Timer,
} from '../../model/index.ts';
import {
  type EgressPathOptions,
  type EgressSourceOptions,
  systemShutdownTimeout,
} from '../../model/options/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import { type Connection, Connections, type ConnectionsOwner } from './connections.ts';
import type { ReadyParts } from './parts.ts';
import { limitsOf, type NamedRate, type PathLimits } from './path-limits.ts';

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
  readonly #idle: ((message: QueuedMessage | undefined) => void)[] = [];
  /** In the order of asking; a set, because whoever is refused again asks again. */
  readonly #waitingForRoom = new Set<() => void>();
  readonly #connections: Connections;
  #reserved = 0;
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

  get connectionLimit(): number {
    return this.path.connection_limit.limit;
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
    const idle = this.#idle.shift();
    if (idle !== undefined) idle(message);
    else {
      this.#messages.push(message);
      this.#connections.maintain();
    }
    return true;
  }

  /** Calls back once when there is room again; callers are served in turn. The same callback waits only once. */
  whenRoom(callback: () => void): void {
    this.#waitingForRoom.add(callback);
  }

  /** The next message, if one is ready. */
  take(): QueuedMessage | undefined {
    if (this.#stopping) return undefined;
    const message = this.#messages.shift();
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
    if (!this.#stopping) this.#connections.maintain();
  }

  /** Waits up to `timeout` ms for a message; gives up early when the slot is wanted elsewhere or at shutdown. */
  async next(timeout: number, lease: { readonly wanted: boolean }): Promise<QueuedMessage | undefined> {
    const ready = this.take();
    if (ready !== undefined || this.#stopping || lease.wanted || timeout <= 0) return ready;
    const { clock } = this.#parts;
    return new Promise((resolve) => {
      const deadline = clock.monotonic() + timeout;
      let timer: Timer;
      const finish = (message: QueuedMessage | undefined): void => {
        timer.cancel();
        const index = this.#idle.indexOf(finish);
        if (index !== -1) this.#idle.splice(index, 1);
        resolve(message);
      };
      const look = (): void => {
        const left = deadline - clock.monotonic();
        if (left <= 0 || lease.wanted) finish(undefined);
        else timer = clock.after(Math.min(left, WANTED_POLL), look);
      };
      timer = clock.after(Math.min(timeout, WANTED_POLL), look);
      this.#idle.push(finish);
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

/** An idle connection looks this often, in ms, whether another shard wants its slot. */
const WANTED_POLL = 200;
