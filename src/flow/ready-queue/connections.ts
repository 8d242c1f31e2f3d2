import type {
  Clock,
  Diagnostics,
  InspectedConnection,
  Lease,
  Leases,
  ReadyState,
  Timer,
} from '../../model/index.ts';
import type { End } from './connection-end.ts';
import { acquireSlots, type Slots } from './connection-slots.ts';
import type { ConnectionStatus } from './connection-status.ts';
import { idealConnections } from './ideal-connections.ts';
import type { PathLimits } from './path-limits.ts';

/** One connection's work, from its first message to its end. */
export interface Connection {
  /** Resolves when the connection is closed and nothing of it is in hand. */
  run(): Promise<void>;
  /** Ends it at once. What it has in hand stays in the spool as it is when the queue stops, else goes back uncounted. */
  abort(why: End): void;
  readonly status: ConnectionStatus;
}

/** What connections need to know of the ready queue that they serve. */
export interface ConnectionsOwner {
  readonly name: string;
  readonly limits: PathLimits;
  /** Share of the connections that the whole process may have, for so many messages. */
  readonly connectionLimit: number;
  /** Messages that wait. */
  readonly length: number;
  connect(lease: Lease): Connection;
}

/** What `connections` needs of the rooms around. */
export interface ConnectionsParts {
  leases: Leases;
  diagnostics: Diagnostics;
  clock: Clock;
}

/** After an error of the leases they are asked again, ms. */
const LEASE_ERROR_RETRY = 1000;
/** What is aborted is waited for so long, ms: it may be in the middle of a write to the spool. */
const ABORT_GRACE = 5000;

/**
 * The connections of one ready queue, each with a slot of every limit of the path.
 * opening → limited → opening … → stopped. While opening, `maintain` opens connections up to the ideal number. It
 * becomes limited when a limit is used up, until a slot of that limit is worth another try, and when it is told to rest.
 */
export class Connections {
  readonly #parts: ConnectionsParts;
  readonly #owner: ConnectionsOwner;
  readonly #open = new Map<Connection, Promise<void>>();
  #cancelWant: (() => void) | undefined;
  /** The limit that is used up, and since when. */
  #limited: ReadyState | undefined;
  /** Why none is to be opened for a while, and since when. */
  #resting: ReadyState | undefined;
  #restTimer: Timer | undefined;
  #acquiring = false;
  #stopping = false;
  #retryTimer: Timer | undefined;

  constructor(parts: ConnectionsParts, owner: ConnectionsOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  get size(): number {
    return this.#open.size;
  }

  inspect(): InspectedConnection[] {
    return Array.from(this.#open.keys(), ({ status }) => status.inspect());
  }

  /** Ends the connection with this session; false when there is none. */
  abort(sessionId: string): boolean {
    for (const connection of this.#open.keys()) {
      if (connection.status.inspect().sessionId !== sessionId) continue;
      connection.abort('aborted');
      return true;
    }
    return false;
  }

  /** What keeps more connections from being opened; undefined when nothing does. */
  get limited(): ReadyState | undefined {
    return this.#missing > 0 ? (this.#resting ?? this.#limited) : undefined;
  }

  /** Opens as many connections as the messages that wait deserve and the limits allow. */
  maintain(): void {
    if (this.#missing <= 0) this.#limited = undefined;
    if (this.#stopping || this.#acquiring || this.#resting !== undefined || this.#cancelWant !== undefined)
      return;
    for (let missing = this.#missing; missing > 0; missing--) {
      const slots = acquireSlots(this.#parts.leases, this.#owner.limits, this);
      if (slots instanceof Promise) {
        this.#openLater(slots);
        return;
      }
      if (!this.#openWith(slots)) return;
    }
  }

  /** Opens none for `delay` ms, because of `context`; those that are open go on. Another path ends it. */
  rest(delay: number, context: string): void {
    if (this.#stopping) return;
    // A slot that comes free meanwhile is for others.
    this.#cancelWant?.();
    this.#cancelWant = undefined;
    this.#resting = { context, since: this.#parts.clock.now() };
    this.#restTimer?.cancel();
    this.#restTimer = this.#parts.clock.after(delay, () => this.#goOn());
  }

  #goOn(): void {
    this.#restTimer?.cancel();
    this.#resting = undefined;
    this.maintain();
  }

  /** The limits are others now. */
  limitsChanged(): void {
    this.#cancelWant?.();
    this.#cancelWant = undefined;
    this.#goOn();
  }

  /**
   * Opens nothing more. Resolves when every connection has finished what it had in hand; after `patience` ms they
   * are aborted.
   */
  async stop(patience: number): Promise<void> {
    this.#stopping = true;
    this.#cancelWant?.();
    this.#restTimer?.cancel();
    this.#retryTimer?.cancel();
    if (this.#open.size === 0) return;
    let timer: Timer | undefined;
    const impatient = new Promise<void>((resolve) => {
      timer = this.#parts.clock.after(patience, () => {
        for (const connection of this.#open.keys()) connection.abort('stopping');
        timer = this.#parts.clock.after(ABORT_GRACE, resolve);
      });
    });
    await Promise.race([Promise.all(this.#open.values()), impatient]);
    timer?.cancel();
  }

  get #missing(): number {
    const { connectionLimit, length } = this.#owner;
    return idealConnections(connectionLimit, length) - this.#open.size;
  }

  #openLater(pending: Promise<Slots>): void {
    this.#acquiring = true;
    pending
      .then((slots) => {
        this.#acquiring = false;
        const isNeeded = !this.#stopping && this.#resting === undefined && this.#missing > 0;
        if (slots.kind === 'held' && !isNeeded) slots.lease.release();
        else if (this.#openWith(slots)) this.maintain();
      })
      .catch((error: Error) => {
        this.#acquiring = false;
        this.#parts.diagnostics.error('ready-queue', `${this.#owner.name}: limits: ${error.message}`);
        if (this.#stopping) return;
        this.#retryTimer = this.#parts.clock.after(LEASE_ERROR_RETRY, () => this.maintain());
      });
  }

  /** False when a limit is used up; it is asked again when a slot of it comes free. */
  #openWith(slots: Slots): boolean {
    if (slots.kind === 'full') {
      if (this.#stopping) return false;
      const context = `every slot of ${slots.key} is taken`;
      if (this.#limited?.context !== context) this.#limited = { context, since: this.#parts.clock.now() };
      const retry = (): void => {
        this.#cancelWant = undefined;
        this.maintain();
      };
      this.#cancelWant = this.#parts.leases.want(slots.key, retry, this);
      return false;
    }
    this.#limited = undefined;
    const { lease } = slots;
    const connection = this.#owner.connect(lease);
    const running = connection
      .run()
      .catch((error: Error) => {
        const text = `${this.#owner.name}: ${error.stack ?? error.message}`;
        this.#parts.diagnostics.error('ready-queue', text);
      })
      .finally(() => {
        lease.release();
        this.#open.delete(connection);
        // Next turn: a slot that another shard wants should reach it before we ask again.
        if (this.#owner.length > 0) this.#parts.clock.after(0, () => this.maintain());
      });
    this.#open.set(connection, running);
    return true;
  }
}
