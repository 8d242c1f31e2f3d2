/** What the wheel keeps on the thing it schedules, so that inserting allocates nothing. */
export interface WheelNode {
  /** Milliseconds since the epoch. Change it only while the node is not in a wheel. */
  due: number;
  /** The wheel's own: list links, and the list the node is in (NOT_QUEUED when in none). */
  wheelNext: WheelNode | undefined;
  wheelPrev: WheelNode | undefined;
  wheelSlot: number;
}

/** `wheelSlot` of a node that is in no wheel. Initialise nodes with it. */
export const NOT_QUEUED = -1;

/** Milliseconds per tick: a node is visited at most this late, never early. */
const TICK = 10;
/** 256 slots per level; five levels reach from the epoch to the year 2318, which is when later nodes come due. */
const SLOTS = 256;
const LEVELS = 5;
const LAST = SLOTS ** LEVELS - 1;
const RECIPROCAL = 1 / SLOTS;
/** The list of those whose tick has come. */
const READY = SLOTS * LEVELS;
/** A wall clock that was set back by more than this moves the wheel back too. */
const BACKWARDS = 1000 / TICK;

/**
 * A hierarchical timer wheel. Level 0 has a slot per tick, each further level one per 256 slots of the level below.
 * A node lies at the lowest level whose slots tell it apart from the present; when the present reaches its slot,
 * the slot is dealt out to the levels below. Insert and remove are O(1); a node is dealt out at most four times.
 * Nodes of one tick are visited in no particular order.
 */
export class TimerWheel<T extends WheelNode> {
  readonly #heads: (WheelNode | undefined)[] = new Array(READY + 1).fill(undefined);
  readonly #tails: (WheelNode | undefined)[] = new Array(READY + 1).fill(undefined);
  /** A bit per slot that holds something, 32 to a word. */
  readonly #occupied = new Int32Array(READY / 32);
  /** All ticks up to this one are in READY. */
  #tick: number;
  #size = 0;

  /** `now`: milliseconds since the epoch. */
  constructor(now: number) {
    this.#tick = Math.min(Math.floor(now / TICK), LAST);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a node that is in no wheel. What is due already is visited by the next `advance`. */
  insert(node: T): void {
    if (node.wheelSlot !== NOT_QUEUED) throw new Error('the node is in a wheel already');
    this.#size++;
    this.#place(node);
  }

  /** Takes the node out; false when it was not in. */
  remove(node: T): boolean {
    if (node.wheelSlot === NOT_QUEUED) return false;
    this.#unlink(node);
    this.#size--;
    return true;
  }

  /**
   * Takes out and visits what is due at `now`, earlier ticks first. `visit` may insert and remove. Stops after
   * about `limit` steps (a visit, or a node dealt out to a lower level) and returns true when more is to do now.
   */
  advance(now: number, visit: (node: T) => void, limit = Number.POSITIVE_INFINITY): boolean {
    const target = Math.min(Math.floor(now / TICK), LAST);
    if (target < this.#tick - BACKWARDS) this.#turnBack(target);
    let steps = 0;
    do {
      for (let node = this.#heads[READY]; node !== undefined; node = this.#heads[READY]) {
        if (steps++ >= limit) return true;
        this.#unlink(node);
        this.#size--;
        visit(node as T);
      }
      for (let slot = this.#slotToDeal(); slot >= 0; slot = this.#slotToDeal()) {
        for (let node = this.#heads[slot]; node !== undefined; node = this.#heads[slot]) {
          if (steps++ >= limit) return true;
          this.#unlink(node);
          this.#place(node);
        }
      }
    } while (this.#heads[READY] !== undefined || this.#moveOn(target));
    return false;
  }

  /**
   * When `advance` has something to do next (ms since the epoch), undefined when the wheel is empty. It may be
   * only dealing out, so call `advance` and ask again.
   */
  nextDue(now: number): number | undefined {
    if (this.#size === 0) return undefined;
    if (this.#heads[READY] !== undefined || this.#slotToDeal() >= 0) return now;
    return this.#nextTick() * TICK;
  }

  /** Removes all, visiting each in no particular order. */
  clear(visit: (node: T) => void): void {
    for (let slot = 0; slot <= READY; slot++) {
      for (let node = this.#heads[slot]; node !== undefined; node = this.#heads[slot]) {
        this.remove(node as T);
        visit(node as T);
      }
    }
  }

  #place(node: WheelNode): void {
    const tick = Math.min(Math.ceil(node.due / TICK), LAST);
    if (tick <= this.#tick) {
      this.#append(node, READY);
      return;
    }
    let level = 0;
    let there = tick;
    let up = Math.floor(there * RECIPROCAL);
    let here = Math.floor(this.#tick * RECIPROCAL);
    while (up !== here) {
      level++;
      there = up;
      up = Math.floor(up * RECIPROCAL);
      here = Math.floor(here * RECIPROCAL);
    }
    this.#append(node, level * SLOTS + (there - up * SLOTS));
  }

  #append(node: WheelNode, slot: number): void {
    const tail = this.#tails[slot];
    node.wheelSlot = slot;
    node.wheelPrev = tail;
    node.wheelNext = undefined;
    this.#tails[slot] = node;
    if (tail !== undefined) {
      tail.wheelNext = node;
      return;
    }
    this.#heads[slot] = node;
    if (slot < READY) this.#occupied[slot >> 5]! |= 1 << (slot & 31);
  }

  #unlink(node: WheelNode): void {
    const slot = node.wheelSlot;
    const { wheelPrev: prev, wheelNext: next } = node;
    if (prev === undefined) this.#heads[slot] = next;
    else prev.wheelNext = next;
    if (next === undefined) this.#tails[slot] = prev;
    else next.wheelPrev = prev;
    node.wheelNext = undefined;
    node.wheelPrev = undefined;
    node.wheelSlot = NOT_QUEUED;
    if (slot < READY && this.#heads[slot] === undefined) this.#occupied[slot >> 5]! &= ~(1 << (slot & 31));
  }

  /** The slot of the present at the highest level that still has nodes to deal out, or -1. */
  #slotToDeal(): number {
    let unit = this.#tick;
    let found = -1;
    for (let level = 0; level < LEVELS; level++) {
      const up = Math.floor(unit * RECIPROCAL);
      const slot = level * SLOTS + (unit - up * SLOTS);
      if (this.#heads[slot] !== undefined) found = slot;
      unit = up;
    }
    return found;
  }

  /** Moves the present to the next tick with something to do, or to `target`; false when that is not yet. */
  #moveOn(target: number): boolean {
    const next = this.#nextTick();
    if (next > target) {
      this.#tick = Math.max(this.#tick, target);
      return false;
    }
    this.#tick = next;
    return true;
  }

  /** First tick after the present at which a slot is fired or dealt out. */
  #nextTick(): number {
    let unit = this.#tick;
    let width = 1;
    for (let level = 0; level < LEVELS; level++) {
      const up = Math.floor(unit * RECIPROCAL);
      const slot = this.#nextOccupied(level, unit - up * SLOTS + 1);
      if (slot >= 0) return (up * SLOTS + slot) * width;
      unit = up;
      width *= SLOTS;
    }
    return Number.POSITIVE_INFINITY;
  }

  #nextOccupied(level: number, from: number): number {
    if (from >= SLOTS) return -1;
    const first = (level * SLOTS) >> 5;
    let bits = this.#occupied[first + (from >> 5)]! & (-1 << (from & 31));
    for (let word = from >> 5; ; bits = this.#occupied[first + word]!) {
      if (bits !== 0) return (word << 5) + (31 - Math.clz32(bits & -bits));
      if (++word === SLOTS / 32) return -1;
    }
  }

  /** After the clock was set back: everything is placed anew. The one operation that looks at every node. */
  #turnBack(target: number): void {
    const nodes: WheelNode[] = [];
    for (let slot = 0; slot <= READY; slot++) {
      for (let node = this.#heads[slot]; node !== undefined; node = this.#heads[slot]) {
        this.#unlink(node);
        nodes.push(node);
      }
    }
    this.#tick = target;
    for (const node of nodes) this.#place(node);
  }
}
