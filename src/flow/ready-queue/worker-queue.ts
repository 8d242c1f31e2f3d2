import {
  Fifo,
  type HistogramSeries,
  type MessageHome,
  measured,
  type QueuedMessage,
  type Settlement,
  SpoolDamageError,
} from '../../model/index.ts';
import { reply } from '../../protocol/smtp/index.ts';
import type { ReadyParts } from './parts.ts';
import type { DeliveryQueue } from './ready-feed.ts';

const CAPACITY = 1024;

/** Calls back when the queue stops, at once when it has. Gives a cancel. */
export type OnStopping = (callback: () => void) => () => void;

/**
 * Messages that are delivered without a connection, a few at a time. `work` settles the message that it is given, or
 * leaves it in the spool as it is when the queue stops.
 */
export class WorkerQueue implements DeliveryQueue {
  reaped = false;
  /** Monotonic milliseconds of the last insert. */
  lastUsed: number;
  readonly #parts: Pick<ReadyParts, 'admin' | 'clock' | 'diagnostics'>;
  /** What metrics call it. */
  readonly name: string;
  readonly #label: string;
  readonly #workers: number;
  readonly #work: (queued: QueuedMessage, onStopping: OnStopping) => Promise<void>;
  readonly #stopCallbacks = new Set<() => void>();
  readonly #messages = new Fifo<QueuedMessage>();
  readonly #waitingForRoom = new Set<() => void>();
  readonly #working = new Set<Promise<void>>();
  /** There is no source to choose, so nothing limits its choice. */
  readonly selectionRates = [];
  /** Administrators suspend the ready queues of SMTP alone. */
  readonly isSuspended = false;
  readonly #attempts: HistogramSeries;
  #reserved = 0;
  #stopping = false;

  constructor(
    parts: Pick<ReadyParts, 'admin' | 'clock' | 'diagnostics'>,
    label: string,
    name: string,
    workers: number,
    work: (queued: QueuedMessage, onStopping: OnStopping) => Promise<void>,
  ) {
    this.#parts = parts;
    this.#label = label;
    this.name = name;
    this.#attempts = measured.histogram('deliver_message_latency_rollup', name);
    this.#workers = workers;
    this.#work = work;
    this.lastUsed = parts.clock.monotonic();
  }

  /** How many messages are being worked on. */
  get connections(): number {
    return this.#working.size;
  }

  /** Nothing waits and nothing is being worked on. */
  get isIdle(): boolean {
    return this.#messages.length === 0 && this.#reserved === 0 && this.#working.size === 0;
  }

  get isFull(): boolean {
    return this.#messages.length + this.#reserved >= CAPACITY;
  }

  reserve(): boolean {
    if (this.#stopping || this.isFull) return false;
    this.#reserved++;
    return true;
  }

  unreserve(): void {
    this.#reserved--;
    this.#offerRoom();
  }

  insert(message: QueuedMessage): boolean {
    this.#reserved--;
    if (this.#stopping) return false;
    this.lastUsed = this.#parts.clock.monotonic();
    this.#messages.push(message);
    this.#startWorkers();
    return true;
  }

  whenRoom(callback: () => void): void {
    this.#waitingForRoom.add(callback);
  }

  takeBack(home: MessageHome): void {
    this.settleSome(this.#messages.length, (message) =>
      message.home === home ? { kind: 'reinsert' } : undefined,
    );
  }

  /** Messages that wait. */
  get length(): number {
    return this.#messages.length;
  }

  /** Settles those of the first `count` that wait for which there is a settlement; the others go to the end. */
  settleSome(count: number, settlementFor: (message: QueuedMessage) => Settlement | undefined): void {
    if (this.#stopping) return;
    for (let left = Math.min(count, this.#messages.length); left > 0; left--) {
      const message = this.#messages.shift()!;
      const settlement = settlementFor(message);
      if (settlement === undefined) this.#messages.push(message);
      else message.home.settle(message, settlement);
    }
    this.#offerRoom();
  }

  /** Hands out nothing more; resolves when what is being worked on is done. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const callback of [...this.#stopCallbacks]) callback();
    await Promise.all(this.#working);
  }

  #startWorkers(): void {
    while (!this.#stopping && this.#working.size < this.#workers) {
      const message = this.#messages.shift();
      if (message === undefined) return;
      const verdict = this.#parts.admin.verdict(message.home);
      if (verdict !== undefined) {
        message.home.settle(message, verdict);
        continue;
      }
      const began = this.#parts.clock.monotonic();
      const working: Promise<void> = this.#work(message, this.#onStopping)
        .catch((error: Error) => this.#failed(message, error))
        .finally(() => {
          this.#attempts.took(this.#parts.clock.monotonic() - began);
          this.#working.delete(working);
          this.#startWorkers();
          this.#offerRoom();
        });
      this.#working.add(working);
    }
  }

  readonly #onStopping: OnStopping = (callback) => {
    if (this.#stopping) callback();
    this.#stopCallbacks.add(callback);
    return () => this.#stopCallbacks.delete(callback);
  };

  #failed(message: QueuedMessage, error: Error): void {
    if (error instanceof SpoolDamageError) {
      message.home.settle(message, { kind: 'damaged', why: error.message });
      return;
    }
    this.#parts.diagnostics.error(this.#label, error.stack ?? error.message);
    message.home.settle(message, {
      kind: 'requeue',
      reply: reply(451, '4.3.0', 'KumoMTA internal: delivery was interrupted'),
      reasons: ['FailedToInsertIntoReadyQueue'],
      counted: true,
      delay: undefined,
    });
  }

  #offerRoom(): void {
    for (const callback of this.#waitingForRoom) {
      if (this.#stopping || this.isFull) return;
      this.#waitingForRoom.delete(callback);
      callback();
    }
  }
}
