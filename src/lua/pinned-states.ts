import type { Clock, MaybePromise } from '../model/index.ts';
import type { PolicyState } from './policy-state.ts';

/** What the pinned states need of their pool. */
export interface PinnedParts {
  /** A state that serves nobody else. */
  obtain(): MaybePromise<PolicyState>;
  /** Takes one back; called also, without one, when it could not be had. */
  giveBack(state: PolicyState | undefined): void;
  clock: Clock;
  /** Most at once. */
  most: number;
  /** Most that wait for one. */
  mostWaiting: number;
}

interface Waiting {
  resolve: (state: MaybePromise<PolicyState>) => void;
  reject: (error: Error) => void;
}

/**
 * The states that connection objects of the policy live in, one each. They do not count among those that serve
 * events: whatever connections there are, events go on.
 */
export class PinnedStates {
  readonly #parts: PinnedParts;
  readonly #states = new Set<PolicyState>();
  readonly #waiting: Waiting[] = [];
  /** Of connections with nothing in hand, idle for longest first. */
  readonly #idle = new Set<() => void>();
  #size = 0;

  constructor(parts: PinnedParts) {
    this.#parts = parts;
  }

  /** Those that exist or are being made. */
  get size(): number {
    return this.#size;
  }

  /** Connections that wait for a state. */
  get waiting(): number {
    return this.#waiting.length;
  }

  get states(): readonly PolicyState[] {
    return [...this.#states];
  }

  /** A state, kept until `release`. Throws when too many wait or making one failed. */
  take(): MaybePromise<PolicyState> {
    if (this.#size < this.#parts.most) return this.#pin();
    if (this.#waiting.length >= this.#parts.mostWaiting) {
      throw new Error(`more than ${this.#parts.mostWaiting} connections wait for a Lua state of their own`);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const [idle] = this.#idle;
      this.#idle.delete(idle!);
      idle?.();
    });
  }

  /** Calls back once when a connection with nothing in hand should give up its state. Gives a cancel. */
  onWanted(callback: () => void): () => void {
    // Wrapped, so that the same function may be told twice.
    const entry = (): void => callback();
    this.#idle.add(entry);
    return () => this.#idle.delete(entry);
  }

  /** Every connection with nothing in hand should end. */
  endIdle(): void {
    for (const idle of this.#idle) {
      this.#idle.delete(idle);
      idle();
    }
  }

  release(state: PolicyState): void {
    if (!this.#states.delete(state)) return;
    this.#leave(state);
    this.#serveNext();
  }

  /** Those that wait fail. */
  close(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the policy engine is closed'));
    this.endIdle();
  }

  #pin(): MaybePromise<PolicyState> {
    this.#size++;
    try {
      const state = this.#parts.obtain();
      if (!(state instanceof Promise)) return this.#pinned(state);
      return state.then(
        (made) => this.#pinned(made),
        (error: unknown) => {
          this.#failed();
          throw error;
        },
      );
    } catch (error) {
      this.#failed();
      throw error;
    }
  }

  #pinned(state: PolicyState): PolicyState {
    this.#states.add(state);
    return state;
  }

  /** The next in line is served in a turn of its own, for all may fail. */
  #failed(): void {
    this.#leave(undefined);
    if (this.#waiting.length > 0) this.#parts.clock.after(0, () => this.#serveNext());
  }

  #leave(state: PolicyState | undefined): void {
    this.#size--;
    this.#parts.giveBack(state);
  }

  #serveNext(): void {
    if (this.#size >= this.#parts.most) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    try {
      next.resolve(this.#pin());
    } catch (error) {
      next.reject(error as Error);
    }
  }
}
