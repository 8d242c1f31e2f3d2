import type {
  Clock,
  Diagnostics,
  MaybePromise,
  Message,
  PolicyEvents,
  PolicyResult,
} from '../../model/index.ts';

const EVENT = 'throttle_insert_ready_queue';

/** What policy says about a message that is about to enter a ready queue. */
export type GateVerdict =
  | { kind: 'open' }
  /** It is to wait until then, in ms since the epoch. */
  | { kind: 'later'; due: number }
  /** Policy could not say; the engine has reported why. */
  | { kind: 'failed'; why: string; overBudget?: boolean };

const OPEN: GateVerdict = { kind: 'open' };

/** Asks throttle_insert_ready_queue, which delays a message by giving it a due time in the future. */
export class ReadyGate {
  readonly #policy: PolicyEvents;
  readonly #diagnostics: Diagnostics;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(parts: { policy: PolicyEvents; diagnostics: Diagnostics; clock: Pick<Clock, 'now'> }) {
    this.#policy = parts.policy;
    this.#diagnostics = parts.diagnostics;
    this.#clock = parts.clock;
  }

  /** Whether there is anybody to ask. */
  get isWatched(): boolean {
    return this.#policy.handles(EVENT);
  }

  ask(message: Message): MaybePromise<GateVerdict> {
    const result = this.#policy.fire(EVENT, [message]);
    return result instanceof Promise
      ? result.then(
          (settled) => this.#verdict(message, settled),
          // A defect of ours must not leave behind a message that is kept and in no queue.
          (error: Error) => ({ kind: 'failed', why: error.message }),
        )
      : this.#verdict(message, result);
  }

  #verdict(message: Message, result: PolicyResult): GateVerdict {
    if (result.kind === 'error') {
      return { kind: 'failed', why: result.message, ...(result.overBudget && { overBudget: true }) };
    }
    if (result.kind === 'reject') {
      // A rejection has no meaning here and counts as any other error (policy-api.md 1.4).
      const why = `${EVENT} rejected: ${result.code} ${result.text}`;
      this.#diagnostics.error('scheduled-queue', `message ${message.id}: ${why}`);
      return { kind: 'failed', why };
    }
    return message.due > this.#clock.now() ? { kind: 'later', due: message.due } : OPEN;
  }
}
