import type { Clock, MaybePromise } from '../model/index.ts';
import { PinnedStates } from './pinned-states.ts';
import type { PolicyState } from './policy-state.ts';

export interface PoolLimits {
  /** Most states at once; default 64. An event beyond waits its turn. */
  readonly maxStates: number;
  /** Most events that wait for a state; default 10,000. One beyond fails. */
  readonly maxWaiting: number;
  /** Seconds after which a state is replaced; default 300. */
  readonly maxAge: number;
  /** Events after which a state is replaced; default 1024. */
  readonly maxUses: number;
  /** Most states kept ready; default 8192, as in KumoMTA, which `maxStates` is below. */
  readonly maxSpare: number;
  /** Most connection objects, each in a state of its own, besides; default 64. One beyond waits its turn. */
  readonly maxPinned: number;
}

export const defaultLimits: PoolLimits = {
  maxStates: 64,
  maxWaiting: 10_000,
  maxAge: 300,
  maxUses: 1024,
  maxSpare: 8192,
  maxPinned: 64,
};

/**
 * The Lua states of one policy generation. A state is lent to one event at a time; when all are lent and no more
 * may be made, events wait in order of arrival.
 */
export class StatePool {
  readonly #makeState: () => MaybePromise<PolicyState>;
  readonly #retire: (state: PolicyState) => void;
  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  /** For connection objects. */
  readonly pinned: PinnedStates;
  readonly #idle: PolicyState[] = [];
  readonly #waiting: {
    resolve: (state: MaybePromise<PolicyState>) => void;
    reject: (error: Error) => void;
  }[] = [];
  #lent = 0;
  #closed = false;
  /** Set once the pool only finishes what it has. */
  #drained: (() => void) | undefined;

  constructor(
    makeState: () => MaybePromise<PolicyState>,
    retire: (state: PolicyState) => void,
    limits: PoolLimits,
    clock: Clock,
  ) {
    this.#makeState = makeState;
    this.#retire = retire;
    this.#limits = limits;
    this.#clock = clock;
    this.pinned = new PinnedStates({
      obtain: () => this.#obtain(),
      giveBack: (state) => this.#unpinned(state),
      clock,
      most: limits.maxPinned,
      mostWaiting: limits.maxWaiting,
    });
  }

  /** States that exist: lent, pinned and idle. */
  get size(): number {
    return this.#lent + this.pinned.size + this.#idle.length;
  }

  /** States that are ready for an event. */
  get spare(): number {
    return this.#idle.length;
  }

  /** The pool only finishes what it has: connection objects should end when they can. */
  get isEnding(): boolean {
    return this.#closed || this.#drained !== undefined;
  }

  /** States that serve an event now. */
  get lent(): number {
    return this.#lent;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * A state for one event; give it back with `giveBack`. Throws when too many wait or making one failed. An event that
   * a handler waits for gets one beyond the limit: if it waited for handlers to end, all could wait for good.
   */
  take(isNested = false): MaybePromise<PolicyState> {
    if (this.#closed) throw new Error('the policy engine is closed');
    const idle = this.#takeIdle();
    if (idle !== undefined) return this.#lend(idle);
    if (isNested || this.#lent < this.#limits.maxStates) return this.#lendNew();
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      throw new Error(`more than ${this.#limits.maxWaiting} events wait for a free Lua state`);
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  giveBack(state: PolicyState): void {
    this.#lent--;
    const next = this.#waiting.shift();
    const keep = this.#isWorthKeeping(state, next !== undefined);
    if (!keep) this.#retire(state);
    if (next === undefined) {
      if (keep) this.#idle.push(state);
      else this.#checkDrained();
      return;
    }
    if (keep) next.resolve(this.#lend(state));
    else this.#serveNew(next);
  }

  #takeIdle(): PolicyState | undefined {
    for (let state = this.#idle.pop(); state !== undefined; state = this.#idle.pop()) {
      if (!this.#isWornOut(state)) return state;
      this.#retire(state);
    }
    return undefined;
  }

  #obtain(): MaybePromise<PolicyState> {
    if (this.#closed) throw new Error('the policy engine is closed');
    return this.#takeIdle() ?? this.#makeState();
  }

  #unpinned(state: PolicyState | undefined): void {
    if (state !== undefined) {
      if (this.#isWorthKeeping(state, false)) this.#idle.push(state);
      else this.#retire(state);
    }
    this.#checkDrained();
  }

  #isWorthKeeping(state: PolicyState, isWanted: boolean): boolean {
    if (this.#closed || !state.usable || this.#isWornOut(state)) return false;
    return isWanted || (this.#drained === undefined && this.#idle.length < this.#limits.maxSpare);
  }

  /** Puts in a state that was made elsewhere. */
  add(state: PolicyState): void {
    this.#idle.push(state);
  }

  /** Lent states finish; waiting events fail. */
  close(): void {
    this.#closed = true;
    for (const state of this.#idle.splice(0)) this.#retire(state);
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the policy engine is closed'));
    this.pinned.close();
  }

  /** Keeps nothing ready any more; `done` is called when the last event has given its state back. */
  drain(done: () => void): void {
    this.#drained = done;
    for (const state of this.#idle.splice(0)) this.#retire(state);
    this.pinned.endIdle();
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#drained === undefined || this.#lent > 0 || this.#waiting.length > 0) return;
    if (this.pinned.size === 0 && this.pinned.waiting === 0) this.#drained();
  }

  #serveNew(next: {
    resolve: (state: MaybePromise<PolicyState>) => void;
    reject: (error: Error) => void;
  }): void {
    try {
      next.resolve(this.#lendNew());
    } catch (error) {
      next.reject(error as Error);
    }
  }

  #lend(state: PolicyState): PolicyState {
    this.#lent++;
    state.uses++;
    return state;
  }

  #lendNew(): MaybePromise<PolicyState> {
    this.#lent++;
    try {
      const state = this.#makeState();
      if (!(state instanceof Promise)) {
        state.uses++;
        return state;
      }
      return state.then(
        (ready) => {
          ready.uses++;
          return ready;
        },
        (error: unknown) => {
          this.#givenUp();
          throw error;
        },
      );
    } catch (error) {
      this.#givenUp();
      throw error;
    }
  }

  /** A state that could not be made frees its place for the next in line: in a turn of its own, for all may fail. */
  #givenUp(): void {
    this.#lent--;
    if (this.#waiting.length > 0) this.#clock.after(0, () => this.#serveNext());
    else this.#checkDrained();
  }

  #serveNext(): void {
    if (this.#lent >= this.#limits.maxStates) return;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#serveNew(next);
  }

  #isWornOut(state: PolicyState): boolean {
    if (state.uses >= this.#limits.maxUses) return true;
    return this.#clock.monotonic() - state.bornAt > this.#limits.maxAge * 1000;
  }
}
