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
}
