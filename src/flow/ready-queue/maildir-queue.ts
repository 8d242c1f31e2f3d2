import { Fifo, type Outcome, type QueuedMessage, SpoolDamageError } from '../../model/index.ts';
import { reply } from '../../protocol/smtp/index.ts';
import { deliverToMaildirs, type MaildirTarget } from '../delivery/index.ts';
import { attemptEvents, settlementOf } from './attempt-records.ts';
import type { ReadyParts } from './parts.ts';
import type { DeliveryQueue } from './ready-feed.ts';

/** Messages written at a time; more only makes the disk's queue longer. */
const WRITERS = 8;
const CAPACITY = 1024;

/** Messages on their way into maildirs of one path template, a few at a time. */
export class MaildirQueue implements DeliveryQueue {
  reaped = false;
  /** Monotonic milliseconds of the last insert. */
  lastUsed: number;
  readonly #parts: ReadyParts;
  readonly #target: MaildirTarget;
  readonly #messages = new Fifo<QueuedMessage>();
  readonly #waitingForRoom = new Set<() => void>();
  readonly #writing = new Set<Promise<void>>();
  #stopping = false;

  constructor(parts: ReadyParts, target: MaildirTarget) {
    this.#parts = parts;
    this.#target = target;
    this.lastUsed = parts.clock.monotonic();
  }

  /** Nothing waits and nothing is being written. */
  get isIdle(): boolean {
    return this.#messages.length === 0 && this.#writing.size === 0;
  }

  get isFull(): boolean {
    return this.#messages.length >= CAPACITY;
  }

  insert(message: QueuedMessage): boolean {
    if (this.#stopping || this.isFull) return false;
    this.lastUsed = this.#parts.clock.monotonic();
    this.#messages.push(message);
    this.#startWriters();
    return true;
  }

  whenRoom(callback: () => void): void {
    this.#waitingForRoom.add(callback);
  }

  /** Hands out nothing more; resolves when what is being written is written. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#writing);
  }

  #startWriters(): void {
    while (!this.#stopping && this.#writing.size < WRITERS) {
      const message = this.#messages.shift();
      if (message === undefined) return;
      const writing: Promise<void> = this.#write(message)
        .catch((error: Error) => {
          if (error instanceof SpoolDamageError) {
            message.home.settle(message, { kind: 'damaged', why: error.message });
            return;
          }
          this.#parts.diagnostics.error('maildir', error.stack ?? error.message);
          const why = reply(451, '4.3.0', 'KumoMTA internal: delivery was interrupted');
          const reasons = ['FailedToInsertIntoReadyQueue' as const];
          message.home.settle(message, {
            kind: 'requeue',
            reply: why,
            reasons,
            counted: true,
            delay: undefined,
          });
        })
        .finally(() => {
          this.#writing.delete(writing);
          this.#startWriters();
          this.#offerRoom();
        });
      this.#writing.add(writing);
    }
  }

  #offerRoom(): void {
    for (const callback of this.#waitingForRoom) {
      if (this.#stopping || this.isFull) return;
      this.#waitingForRoom.delete(callback);
      callback();
    }
  }

  async #write(queued: QueuedMessage): Promise<void> {
    const message = await this.#parts.store.load(queued);
    await message.data();
    const outcomes: Outcome[] = await deliverToMaildirs(message, queued.home, this.#target);
    const facts = {
      queue: queued.home.name,
      site: '',
      peer: null,
      pool: queued.home.egressPool,
      deliveryProtocol: 'Maildir',
      providerName: queued.home.providerName,
    };
    try {
      for (const event of attemptEvents(message, queued.attempts, outcomes, facts)) {
        const waiting = this.#parts.log.write(event);
        if (waiting instanceof Promise) await waiting;
      }
    } catch (error) {
      // The file is written: whatever is wrong with the log, it must not be written twice for it.
      this.#parts.diagnostics.error('log', (error as Error).message);
    }
    queued.home.settle(queued, settlementOf(message, outcomes));
  }
}
