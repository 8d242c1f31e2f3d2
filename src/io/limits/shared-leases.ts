import type { Clock, Leases, LimitSpec } from '../../model/index.ts';
import type { CountedLease } from './local-leases.ts';
import type { Mailbox } from './mailbox.ts';
import { SharedTable, SLOT_HEADER, type TableKey, type TableLayout } from './shared-table.ts';

const NEXT_TICKET = SLOT_HEADER;
/** The limit that was asked for last. */
const LIMIT = SLOT_HEADER + 1;
/** Two words per shard: slots held, then the ticket of its want (0 = none). */
const CELLS = SLOT_HEADER + 2;
const HELD = 0;
const TICKET = 1;

export function leasePayload(shards: number): number {
  return 2 + 2 * shards;
}

/** ms between tries for a limit that found no room in the table. */
const FULL_RETRY = 1000;
const MAX_LIMIT = 2 ** 31 - 1;

interface Waiting {
  key: TableKey;
  retries: Set<() => void>;
}

/**
 * Leases of all shards. What a limit has handed out is the sum of a cell per shard, so a dead shard's slots come
 * back with its cells. A shard with a want holds a ticket; free slots belong to the oldest tickets first, hence a
 * shard that releases and asks again at once cannot starve the others. Whenever a slot is free and there are
 * tickets, the shard with the oldest one has been called.
 */
export class SharedLeases implements Leases {
  readonly #words: Int32Array;
  readonly #table: SharedTable;
  readonly #shards: number;
  readonly #shard: number;
  readonly #mailboxes: Mailbox[];
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #listening = false;

  constructor(words: Int32Array, layout: TableLayout, mailboxes: Mailbox[], shard: number, clock: Clock) {
    this.#words = words;
    this.#shards = mailboxes.length;
    this.#shard = shard;
    this.#mailboxes = mailboxes;
    this.#clock = clock;
    this.#table = new SharedTable(words, layout, shard + 1, (slot) => this.#unused(slot));
  }

  tryAcquire(name: string, limit: LimitSpec): CountedLease | undefined {
    const key = this.#table.key(name);
    this.#table.lock(key);
    try {
      const slot = this.#table.locate(key, true);
      if (slot < 0) return undefined;
      const changed = this.#words[slot + LIMIT] !== Math.min(limit.limit, MAX_LIMIT);
      this.#words[slot + LIMIT] = Math.min(limit.limit, MAX_LIMIT);
      const granted = this.#free(slot) > this.#ahead(slot);
      if (granted) this.#addHeld(slot, this.#shard, 1);
      if (granted || changed) this.#callNext(slot);
      return granted ? new SharedLease(this, key, slot, limit.limit) : undefined;
    } finally {
      this.#table.unlock(key);
    }
  }

  want(name: string, retry: () => void): () => void {
    const key = this.#table.key(name);
    // Wrapped, so that the same function may want twice.
    const entry = (): void => retry();
    this.#table.lock(key);
    try {
      const slot = this.#table.locate(key, true);
      if (slot < 0) {
        const timer = this.#clock.after(FULL_RETRY, entry);
        return () => timer.cancel();
      }
      this.#wait(slot, key).retries.add(entry);
      if (this.#words[this.#cell(slot, this.#shard) + TICKET] === 0) this.#drawTicket(slot);
      // A slot may have come free since the caller looked.
      this.#callNext(slot);
      return () => this.#withdraw(slot, entry);
    } finally {
      this.#table.unlock(key);
    }
  }

  /** Stops listening for calls. */
  close(): void {
    this.#mailboxes[this.#shard]!.close();
  }

  /** Gives back what a dead shard held and wanted. */
  releaseShard(shard: number): void {
    this.#table.breakLocks(shard + 1);
    for (const mailbox of this.#mailboxes) mailbox.reset(shard + 1);
    this.#table.visitAll((slot) => {
      const cell = this.#cell(slot, shard);
      if (this.#words[cell + HELD] === 0 && this.#words[cell + TICKET] === 0) return;
      this.#words[cell + HELD] = 0;
      this.#words[cell + TICKET] = 0;
      this.#callNext(slot);
    });
  }

  release(key: TableKey, slot: number): void {
    this.#table.lock(key);
    try {
      this.#addHeld(slot, this.#shard, -1);
      this.#callNext(slot);
    } finally {
      this.#table.unlock(key);
    }
  }

  /**
   * Whether giving up one of our slots helps: another shard waits for it and has none, or at least two fewer than
   * this one. Otherwise two busy shards would trade every connection after each message. Read without
   * the lock; a stale answer is corrected at the next message.
   */
  wantedByOthers(slot: number, limit: number): boolean {
    const words = this.#words;
    const mine = words[this.#cell(slot, this.#shard) + HELD]!;
    let free = limit - mine;
    let helps = false;
    for (let shard = 0; shard < this.#shards; shard++) {
      if (shard === this.#shard) continue;
      const cell = this.#cell(slot, shard);
      const held = words[cell + HELD]!;
      free -= held;
      if (words[cell + TICKET] === 0) continue;
      free--;
      if (held === 0 || mine - held >= 2) helps = true;
    }
    return helps && free < 0;
  }

  #wait(slot: number, key: TableKey): Waiting {
    let waiting = this.#waiting.get(slot);
    if (waiting === undefined) {
      waiting = { key, retries: new Set() };
      this.#waiting.set(slot, waiting);
      if (!this.#listening) {
        this.#listening = true;
        // Not inside the lock, because listening starts with a look into the box.
        queueMicrotask(() => this.#mailboxes[this.#shard]!.listen(() => this.#answerCalls()));
      }
    }
    return waiting;
  }

  #withdraw(slot: number, entry: () => void): void {
    const waiting = this.#waiting.get(slot);
    if (waiting === undefined || !waiting.retries.delete(entry)) return;
    if (waiting.retries.size === 0) this.#settleTicket(slot, waiting, true);
  }

  #answerCalls(): void {
    const { slots, all } = this.#mailboxes[this.#shard]!.drain();
    for (const slot of all ? [...this.#waiting.keys()] : slots) this.#takeTurn(slot);
  }

  /** Lets those who wait try in their order until one takes a slot; each tries once. */
  #takeTurn(slot: number): void {
    const waiting = this.#waiting.get(slot);
    if (waiting === undefined) return;
    const cell = this.#cell(slot, this.#shard);
    let taken = false;
    for (const retry of [...waiting.retries]) {
      if (!waiting.retries.delete(retry)) continue;
      const before = this.#words[cell + HELD]!;
      retry();
      taken = this.#words[cell + HELD]! > before;
      if (taken) break;
    }
    if (this.#waiting.get(slot) === waiting) this.#settleTicket(slot, waiting, taken);
  }

  /** After a turn: to the end of the line when somebody still waits, else out of it; then the next one's turn. */
  #settleTicket(slot: number, waiting: Waiting, callSelf: boolean): void {
    this.#table.lock(waiting.key);
    try {
      if (waiting.retries.size > 0) this.#drawTicket(slot);
      else {
        this.#waiting.delete(slot);
        this.#words[this.#cell(slot, this.#shard) + TICKET] = 0;
      }
      this.#callNext(slot, callSelf ? -1 : this.#shard);
    } finally {
      this.#table.unlock(waiting.key);
    }
  }

  /** Calls the shard with the oldest ticket if a slot is free. Under the lock. */
  #callNext(slot: number, except = -1): void {
    if (this.#free(slot) <= 0) return;
    let oldest = -1;
    let ticket = 0;
    for (let shard = 0; shard < this.#shards; shard++) {
      const drawn = this.#words[this.#cell(slot, shard) + TICKET]!;
      if (drawn === 0 || shard === except) continue;
      if (oldest < 0 || ((drawn - ticket) | 0) < 0) {
        oldest = shard;
        ticket = drawn;
      }
    }
    if (oldest === this.#shard && this.#waiting.has(slot)) queueMicrotask(() => this.#takeTurn(slot));
    else if (oldest >= 0) this.#mailboxes[oldest]!.post(slot);
  }

  #drawTicket(slot: number): void {
    const ticket = (this.#words[slot + NEXT_TICKET]! + 1) | 0 || 1;
    this.#words[slot + NEXT_TICKET] = ticket;
    this.#words[this.#cell(slot, this.#shard) + TICKET] = ticket;
  }

  #free(slot: number): number {
    // 0: nobody has asked yet, so nobody knows; a want is then worth a try.
    return (this.#words[slot + LIMIT]! || MAX_LIMIT) - this.held(slot);
  }

  /** Slots that all shards hold together; without the lock it may be out of date by one of theirs. */
  held(slot: number): number {
    let held = 0;
    for (let shard = 0; shard < this.#shards; shard++) held += this.#words[this.#cell(slot, shard) + HELD]!;
    return held;
  }

  /** Other shards whose ticket is older than ours; all with a ticket when we have none. */
  #ahead(slot: number): number {
    const mine = this.#words[this.#cell(slot, this.#shard) + TICKET]!;
    let ahead = 0;
    for (let shard = 0; shard < this.#shards; shard++) {
      const ticket = this.#words[this.#cell(slot, shard) + TICKET]!;
      if (shard === this.#shard || ticket === 0) continue;
      if (mine === 0 || ((ticket - mine) | 0) < 0) ahead++;
    }
    return ahead;
  }

  #addHeld(slot: number, shard: number, n: number): void {
    const index = this.#cell(slot, shard) + HELD;
    this.#words[index] = this.#words[index]! + n;
  }

  #cell(slot: number, shard: number): number {
    return slot + CELLS + 2 * shard;
  }

  #unused(slot: number): boolean {
    for (let shard = 0; shard < this.#shards; shard++) {
      const cell = this.#cell(slot, shard);
      if (this.#words[cell + HELD] !== 0 || this.#words[cell + TICKET] !== 0) return false;
    }
    return true;
  }
}

class SharedLease implements CountedLease {
  readonly #leases: SharedLeases;
  readonly #key: TableKey;
  readonly #slot: number;
  readonly #limit: number;
  #held = true;

  constructor(leases: SharedLeases, key: TableKey, slot: number, limit: number) {
    this.#leases = leases;
    this.#key = key;
    this.#slot = slot;
    this.#limit = limit;
  }

  get wanted(): boolean {
    return this.#held && this.#leases.wantedByOthers(this.#slot, this.#limit);
  }

  total(): number {
    return this.#leases.held(this.#slot);
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#leases.release(this.#key, this.#slot);
  }
}
