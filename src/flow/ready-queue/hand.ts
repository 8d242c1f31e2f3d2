import {
  type Message,
  type Outcome,
  type QueuedMessage,
  type RequeueReason,
  type Settlement,
  SpoolDamageError,
} from '../../model/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import { type AttemptFacts, attemptEvents, settlementOf } from './attempt-records.ts';
import type { ConnectionStatus } from './connection-status.ts';
import type { ReadyParts } from './parts.ts';
import type { ReadyQueue } from './ready-queue.ts';

/**
 * The message that a connection has in hand. It is settled exactly once: with what became of it, or by being dropped,
 * which leaves it in the spool as it is.
 */
export class Hand {
  readonly #parts: ReadyParts;
  readonly #queue: ReadyQueue;
  readonly #status: ConnectionStatus;
  readonly #deliveryProtocol: string;
  #message: QueuedMessage | undefined;

  /** `deliveryProtocol` is what records call the way of delivery. */
  constructor(parts: ReadyParts, queue: ReadyQueue, status: ConnectionStatus, deliveryProtocol = 'ESMTP') {
    this.#parts = parts;
    this.#queue = queue;
    this.#status = status;
    this.#deliveryProtocol = deliveryProtocol;
  }

  get message(): QueuedMessage | undefined {
    return this.#message;
  }

  /** Takes the next message of the queue, if one waits. */
  take(): QueuedMessage | undefined {
    this.#message = this.#queue.take();
    return this.#message;
  }

  hold(message: QueuedMessage | undefined): void {
    this.#message = message;
  }

  /** The queue stops: the message stays in the spool as it is. */
  drop(): void {
    this.#message = undefined;
  }

  /** Back in front of the queue, for another connection. */
  putBack(queued: QueuedMessage): void {
    this.#message = undefined;
    this.#queue.putBack(queued);
  }

  /**
   * The source is left out for now: the message looks for another one, uncounted (delivery.md 15). Gives false, for
   * that the connection is over.
   */
  reinsert(): false {
    if (this.#message !== undefined) this.settle(this.#message, { kind: 'reinsert' });
    return false;
  }

  /** This machine cannot make another connection, for which no message pays: later, uncounted. Gives false likewise. */
  postpone(shortage: string): false {
    this.#parts.onShortage?.(shortage);
    const why = reply(451, '4.3.1', `KumoMTA internal: no connection can be made now: ${shortage}`);
    if (this.#message !== undefined) this.requeueDropped(this.#message, why, why);
    return false;
  }

  settle(queued: QueuedMessage, settlement: Settlement): void {
    if (this.#message === queued) this.#message = undefined;
    queued.home.settle(queued, settlement);
  }

  /** To the scheduled queue, as an attempt that failed for reasons of our own. */
  requeue(queued: QueuedMessage, why: Reply): void {
    this.settle(queued, {
      kind: 'requeue',
      reply: why,
      reasons: ['FailedToInsertIntoReadyQueue'],
      counted: true,
      delay: undefined,
    });
  }

  /** To the scheduled queue, uncounted, because the session ended. `recorded`: what its Delayed record says. */
  requeueDropped(queued: QueuedMessage, why: Reply, recorded?: Reply): void {
    this.settle(queued, {
      kind: 'requeue',
      reply: why,
      reasons: ['DispatcherDrop'],
      counted: false,
      delay: undefined,
      ...(recorded !== undefined && { delayedReply: recorded }),
    });
  }

  /** Loads the message; one that cannot be read is held and tried again, never dropped. */
  async load(queued: QueuedMessage, part: 'envelope' | 'body' = 'body'): Promise<Message | undefined> {
    try {
      const message = await this.#parts.store.load(queued);
      if (part === 'body') await message.data();
      return message;
    } catch (error) {
      if (error instanceof SpoolDamageError) {
        this.settle(queued, { kind: 'damaged', why: error.message });
        return undefined;
      }
      const text = `KumoMTA internal: failed to load message: ${(error as Error).message}`;
      this.#parts.diagnostics.error('spool', `message ${queued.entry.id}: ${(error as Error).message}`);
      this.requeue(queued, reply(451, '4.3.0', text));
      return undefined;
    }
  }

  /** Writes the records of an attempt. */
  async record(
    queued: QueuedMessage,
    message: Message,
    outcomes: readonly Outcome[],
    facts: Partial<AttemptFacts>,
  ): Promise<void> {
    try {
      for (const event of attemptEvents(message, queued.attempts, outcomes, this.#facts(queued, facts))) {
        const waiting = this.#parts.log.write(event);
        if (waiting instanceof Promise) await waiting;
      }
    } catch (error) {
      // The peer has answered: whatever is wrong with the log, nobody may get the message twice for it.
      this.#parts.diagnostics.error('log', (error as Error).message);
    }
  }

  /** The attempt is over: one outcome for each recipient. */
  async conclude(
    queued: QueuedMessage,
    message: Message,
    outcomes: readonly Outcome[],
    facts: Partial<AttemptFacts>,
  ): Promise<void> {
    await this.record(queued, message, outcomes, facts);
    this.#status.count(outcomes);
    this.settle(queued, settlementOf(message, outcomes));
  }

  /** No host was asked to take the message; its body is not needed. */
  async concludeUnsent(
    queued: QueuedMessage,
    outcome: Outcome,
    reasons: RequeueReason[] = [],
  ): Promise<void> {
    const message = await this.load(queued, 'envelope');
    if (message === undefined) return;
    const outcomes = message.recipients.map(() => outcome);
    await this.record(queued, message, outcomes, {});
    this.settle(queued, settlementOf(message, outcomes, reasons));
  }

  /** Every message that waits now shares an outcome. */
  async concludeWaiting(outcome: Outcome, reasons: RequeueReason[]): Promise<void> {
    for (let left = this.#queue.length; left > 0; left--) {
      const queued = this.take();
      if (queued === undefined) return;
      await this.concludeUnsent(queued, outcome, reasons);
    }
  }

  #facts(queued: QueuedMessage, facts: Partial<AttemptFacts>): AttemptFacts {
    return {
      queue: queued.home.name,
      site: this.#queue.name,
      peer: null,
      pool: queued.home.egressPool,
      source: this.#queue.source.name,
      deliveryProtocol: this.#deliveryProtocol,
      providerName: this.#queue.path.provider_name ?? queued.home.providerName,
      ...facts,
    };
  }
}
