import type { MaybePromise } from './json.ts';

/** What firing an event came to. Outcomes are data: policy cannot throw through the mail path. */
export type PolicyResult =
  /** No handler, or none of several returned a value. */
  | { kind: 'absent' }
  /** What the handler returned, converted from Lua; [] cannot happen for `absent`-able events. */
  | { kind: 'values'; values: unknown[] }
  /** kumo.reject / kumo.disconnect (policy-api.md 1.4). */
  | { kind: 'reject'; code: number; text: string; disconnect: DisconnectMode }
  /** Any other error, and a handler that was stopped for being over its budget. It has been logged with file and line. */
  | { kind: 'error'; message: string; overBudget?: boolean };

export type DisconnectMode = 'If421' | 'ForceDisconnect' | 'FollowWith421';

/** The policy as the rooms of `flow` see it. The engine in `lua` implements it; tests use a table of functions. */
export interface PolicyEvents {
  /** Whether a handler is registered; lets callers skip building arguments. */
  handles(event: string): boolean;
  /** Fires the event. A handler that never waits answers at once. */
  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult>;
  /** A connection object that the handler of `event` is to make. */
  connection?(event: string): PolicyConnection;
}

/**
 * An object that policy makes and whose methods are called one at a time, all in one Lua state that serves nobody
 * else. new → open → released. `open` once, then `call` any number of times; whoever made it releases it in the end.
 */
export interface PolicyConnection {
  /** Fires the event, which returns the object. `values` is empty when it did; `absent`: there is no handler. */
  open(args: readonly unknown[]): MaybePromise<PolicyResult>;
  /**
   * An error when the object has no such method, `absent` with 'if-there'. After an `error` the object may be of no use
   * any more.
   */
  call(method: string, args: readonly unknown[], need?: 'if-there'): MaybePromise<PolicyResult>;
  /** It should be closed when nothing is in hand: the policy has changed, or others wait for a state. */
  readonly isToClose: boolean;
  /** Calls back once when `isToClose` becomes true for an object that has nothing in hand. Gives a cancel. */
  onToClose(callback: () => void): () => void;
  /** Ends what is being called, which comes to an error that says `why`. The object is of no use any more. */
  abandon(why: string): void;
  /** Gives up the state. */
  release(): void;
}
