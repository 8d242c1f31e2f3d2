import type { Clock, Leases, LimitSpec } from '../../model/index.ts';
import type { CountedLease } from './local-leases.ts';
import type { Mailbox } from './mailbox.ts';
import { SharedTable, SLOT_HEADER, type TableKey, type TableLayout } from './shared-table.ts';
import { type Holding, SlotLine } from './slot-line.ts';

const NEXT_TICKET = SLOT_HEADER;
/** The limit that was asked for last. */
const LIMIT = SLOT_HEADER + 1;
/** Three words per shard: slots held, the ticket of its want (0 = none), and 1 when some of the slots may be idle. */
const CELLS = SLOT_HEADER + 2;
const CELL = 3;
const HELD = 0;
const TICKET = 1;
const IDLE = 2;

export function leasePayload(shards: number): number {
  return 2 + CELL * shards;
}

/** ms between tries for a limit that found no room in the table. */
const FULL_RETRY = 1000;
const MAX_LIMIT = 2 ** 31 - 1;

/** What this shard holds and wants of a limit. */
interface Share {
  readonly key: TableKey;
  readonly line: SlotLine;
}

/**
 * Leases of all shards. What a limit has handed out is the sum of a cell per shard, so a dead shard's slots come
 * back with its cells. A shard with a want holds a ticket; free slots belong to the oldest tickets first, hence a
 * shard that releases and asks again at once cannot starve the others. Whenever a slot is free and there are
 * tickets, the shard with the oldest one has been called; whenever fewer are free than there are tickets, so has every
 * shard that should give up an idle one. Within a shard, each limit has its line.
 */
export class SharedLeases implements Leases {
  readonly #words: Int32Array;
  readonly #table: SharedTable;
  readonly #shards: number;
  readonly #shard: number;
  readonly #mailboxes: Mailbox[];
  readonly #clock: Clock;
  readonly #shares = new Map<number, Share>();
  #listening = false;

  constructor(words: Int32Array, layout: TableLayout, mailboxes: Mailbox[], shard: number, clock: Clock) {
    this.#words = words;
    this.#shards = mailboxes.length;
    this.#shard = shard;
    this.#mailboxes = mailboxes;
    this.#clock = clock;
    this.#table = new SharedTable(words, layout, shard + 1, (slot) => this.#unused(slot));
  }

  tryAcquire(name: string, limit: LimitSpec, _duration?: number, owner?: object): CountedLease | undefined {
    const key = this.#table.key(name);
    this.#table.lock(key);
    try {
      const slot = this.#table.locate(key, true);
      if (slot < 0) return undefined;
      const changed = this.#words[slot + LIMIT] !== Math.min(limit.limit, MAX_LIMIT);
      this.#words[slot + LIMIT] = Math.min(limit.limit, MAX_LIMIT);
      const granted = this.#free(slot) > this.#ahead(slot);
      if (granted) this.#addHeld(slot, this.#shard, 1);
      if (granted || changed) this.#call(slot);
      return granted ? new SharedLease(this, slot, this.#share(slot, key).line.take(owner)) : undefined;
    } finally {
      this.#table.unlock(key);
    }
  }

  want(name: string, retry: () => void, owner?: object): () => void {
    const key = this.#table.key(name);
    this.#table.lock(key);
    let slot: number;
    let withdraw: () => boolean;
    try {
      slot = this.#table.locate(key, true);
      if (slot < 0) {
        const timer = this.#clock.after(FULL_RETRY, () => retry());
        return () => timer.cancel();
      }
      withdraw = this.#share(slot, key).line.want(retry, owner);
      this.#listen();
      if (this.#words[this.#cell(slot, this.#shard) + TICKET] === 0) this.#drawTicket(slot);
      // A slot may have come free since the caller looked.
      this.#call(slot);
    } finally {
      this.#table.unlock(key);
    }
    this.#tellIdle(slot);
    return () => {
      if (!withdraw()) return;
      const share = this.#shares.get(slot)!;
      if (share.line.waiting === 0) this.#settleTicket(slot, share, true);
    };
  }

  look(name: string): number {
    return this.held(this.#table.find(name));
  }

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
      this.#words.fill(0, cell, cell + CELL);
      this.#call(slot);
    });
  }

  /** One that was held has left its line. */
  release(slot: number): void {
    const share = this.#shares.get(slot)!;
    this.#table.lock(share.key);
    try {
      this.#addHeld(slot, this.#shard, -1);
      const cell = this.#cell(slot, this.#shard);
      if (this.#words[cell + HELD] === 0) this.#words[cell + IDLE] = 0;
      this.#call(slot);
      this.#forgetUnused(slot, share);
    } finally {
      this.#table.unlock(share.key);
    }
    this.#tellIdle(slot);
  }

  /**
   * Whether giving up that slot helps: another shard waits for one and has none, or at least two fewer than this one;
   * or the same of another party in this shard. Otherwise two busy shards would trade every connection after each
   * message. Read without the lock; a stale answer is corrected at the next message.
   */
  isWanted(slot: number, holding: Holding): boolean {
    const { line } = this.#shares.get(slot)!;
    const others = this.#waitingOthers(slot, line);
    const spare = this.#free(slot) + line.leaving - line.waitingBut(holding) - others.count;
    return spare < 0 && (others.areHelped || line.isWanted(holding));
  }

  /** The holder of a slot has nothing in hand. */
  idles(slot: number): void {
    const { key } = this.#shares.get(slot)!;
    const index = this.#cell(slot, this.#shard) + IDLE;
    if (this.#words[index] === 0) {
      this.#table.lock(key);
      this.#words[index] = 1;
      this.#table.unlock(key);
    }
    this.#listen();
    this.#tellIdle(slot);
  }

  /** Slots of this shard whose holders are about to give them back. */
  leaving(slot: number): number {
    return this.#shares.get(slot)?.line.leaving ?? 0;
  }

  /** Has as many idle holders give up their slots as are wanted beyond those that come free anyway. */
  #tellIdle(slot: number): void {
    const line = this.#shares.get(slot)?.line;
    while (line?.hasIdle) {
      const others = this.#waitingOthers(slot, line);
      if (this.#free(slot) + line.leaving >= line.waiting + others.count) return;
      if (!line.tellOne(others.areHelped)) return;
    }
  }

  /** Other shards with a ticket, and whether one of them has so few that a slot of this shard is due to it. */
  #waitingOthers(slot: number, line: SlotLine): { count: number; areHelped: boolean } {
    const words = this.#words;
    const mine = words[this.#cell(slot, this.#shard) + HELD]! - line.leaving;
    let count = 0;
    let areHelped = false;
    for (let shard = 0; shard < this.#shards; shard++) {
      const cell = this.#cell(slot, shard);
      if (shard === this.#shard || words[cell + TICKET] === 0) continue;
      count++;
      const held = words[cell + HELD]!;
      if (held === 0 || mine - held >= 2) areHelped = true;
    }
    return { count, areHelped };
  }

  #share(slot: number, key: TableKey): Share {
    let share = this.#shares.get(slot);
    if (share === undefined) {
      share = { key, line: new SlotLine() };
      this.#shares.set(slot, share);
    }
    return share;
  }

  #forgetUnused(slot: number, share: Share): void {
    // In the middle of a turn the ticket is still to be given up.
    if (this.#words[this.#cell(slot, this.#shard) + TICKET] !== 0) return;
    if (share.line.isUnused && this.#shares.get(slot) === share) this.#shares.delete(slot);
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    // Not inside a lock, because listening starts with a look into the box.
    queueMicrotask(() => this.#mailboxes[this.#shard]!.listen(() => this.#answerCalls()));
  }

  #answerCalls(): void {
    const { slots, all } = this.#mailboxes[this.#shard]!.drain();
    for (const slot of all ? [...this.#shares.keys()] : slots) {
      this.#takeTurn(slot);
      this.#tellIdle(slot);
      this.#noteIdle(slot);
    }
  }

  /** Nothing is idle any more: there is no need to be called for it. */
  #noteIdle(slot: number): void {
    const share = this.#shares.get(slot);
    const index = this.#cell(slot, this.#shard) + IDLE;
    if (share === undefined || share.line.hasIdle || this.#words[index] === 0) return;
    this.#table.lock(share.key);
    this.#words[index] = 0;
    this.#table.unlock(share.key);
  }

  /** Lets those who wait try in their order until one takes a slot; each tries once. */
  #takeTurn(slot: number): void {
    const share = this.#shares.get(slot);
    if (share === undefined || share.line.waiting === 0) return;
    const cell = this.#cell(slot, this.#shard);
    const { stamp } = share.line;
    let taken = false;
    while (!taken) {
      const retry = share.line.next(stamp);
      if (retry === undefined) break;
      const before = this.#words[cell + HELD]!;
      retry();
      taken = this.#words[cell + HELD]! > before;
    }
    if (this.#shares.get(slot) === share) this.#settleTicket(slot, share, taken);
  }

  /** After a turn: to the end of the line when somebody still waits, else out of it; then the next one's turn. */
  #settleTicket(slot: number, share: Share, callSelf: boolean): void {
    this.#table.lock(share.key);
    try {
      if (share.line.waiting > 0) this.#drawTicket(slot);
      else {
        this.#words[this.#cell(slot, this.#shard) + TICKET] = 0;
        this.#forgetUnused(slot, share);
      }
      this.#call(slot, callSelf ? -1 : this.#shard);
    } finally {
      this.#table.unlock(share.key);
    }
  }

  /** Who can do something now is called. Under the lock. */
  #call(slot: number, except = -1): void {
    if (this.#free(slot) > 0) this.#callNext(slot, except);
    this.#callIdle(slot);
  }

  /** Calls the shard with the oldest ticket. */
  #callNext(slot: number, except: number): void {
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
    if (oldest === this.#shard && this.#shares.has(slot)) queueMicrotask(() => this.#takeTurn(slot));
    else if (oldest >= 0) this.#mailboxes[oldest]!.post(slot);
  }

  /** Calls the other shards with idle slots of which one is due to a shard that waits. */
  #callIdle(slot: number): void {
    const words = this.#words;
    let spare = this.#free(slot);
    for (let shard = 0; shard < this.#shards; shard++) {
      if (words[this.#cell(slot, shard) + TICKET] !== 0) spare--;
    }
    if (spare >= 0) return;
    for (let shard = 0; shard < this.#shards; shard++) {
      if (shard === this.#shard || words[this.#cell(slot, shard) + IDLE] === 0) continue;
      if (this.#isDue(slot, shard)) this.#mailboxes[shard]!.post(slot);
    }
  }

  /** Whether a slot of `holder` is due to another shard. */
  #isDue(slot: number, holder: number): boolean {
    const words = this.#words;
    const mine = words[this.#cell(slot, holder) + HELD]!;
    for (let shard = 0; shard < this.#shards; shard++) {
      const cell = this.#cell(slot, shard);
      if (shard === holder || words[cell + TICKET] === 0) continue;
      if (words[cell + HELD] === 0 || mine - words[cell + HELD]! >= 2) return true;
    }
    return false;
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
    if (slot < 0) return 0;
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
    return slot + CELLS + CELL * shard;
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
  readonly #slot: number;
  readonly #holding: Holding;

  constructor(leases: SharedLeases, slot: number, holding: Holding) {
    this.#leases = leases;
    this.#slot = slot;
    this.#holding = holding;
  }

  get wanted(): boolean {
    const holding = this.#holding;
    return holding.isHeld && (holding.isLeaving || this.#leases.isWanted(this.#slot, holding));
  }

  total(): number {
    return this.#leases.held(this.#slot);
  }

  leaving(): number {
    return this.#leases.leaving(this.#slot);
  }

  onWanted(callback: () => void): () => void {
    const cancel = this.#holding.onWanted(callback);
    if (this.#holding.isHeld) this.#leases.idles(this.#slot);
    return cancel;
  }

  leave(): void {
    this.#holding.leave();
  }

  release(): void {
    if (this.#holding.giveBack()) this.#leases.release(this.#slot);
  }
}
