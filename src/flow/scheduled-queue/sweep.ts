import type { LiveRule, QueuedMessage } from '../../model/index.ts';
import type { ReadyQueue } from '../ready-queue/index.ts';
import type { ScheduleParts } from './parts.ts';
import type { ScheduledQueue } from './queue.ts';

/** Messages that are being bounced at a time. */
const AT_A_TIME = 64;
/** Queues and messages looked at per turn of the event loop. */
const STEPS_PER_TURN = 200;
/** Wait for those being settled, when there are very many, ms. */
const CONGESTION_WAIT = 20;

/** What a sweep needs of the room. */
export interface SweepRoom {
  readonly isStopping: boolean;
  readonly isCongested: boolean;
  live(): Iterable<ScheduledQueue>;
  /** Takes a message that waits for its due time. False when it is elsewhere, such as in delivery. */
  withdraw(message: QueuedMessage): boolean;
  /** Resolves when the message is gone, or could not be bounced and is back in its queue. */
  bounce(message: QueuedMessage, by: LiveRule): Promise<void>;
}

/**
 * Looks once at every message that waits in the queues of a rule, and in the ready queues, and bounces it. Takes turns
 * with everything else. What is on its way meanwhile meets the rule at its next step.
 */
export class Sweep {
  readonly #parts: ScheduleParts;
  readonly #room: SweepRoom;
  readonly #by: LiveRule;
  #steps = 0;
  #batch: Promise<void>[] = [];

  constructor(parts: ScheduleParts, room: SweepRoom, by: LiveRule) {
    this.#parts = parts;
    this.#room = room;
    this.#by = by;
  }

  /** Does not reject. */
  async run(): Promise<void> {
    try {
      for (const queue of this.#room.live()) {
        if (await this.#isOver()) return;
        if (this.#by.selects(queue)) await this.#sweepQueue(queue);
      }
      for (const queue of this.#parts.ready.live()) {
        if (await this.#isOver()) return;
        await this.#sweepReadyQueue(queue);
      }
    } catch (error) {
      this.#parts.diagnostics.error('scheduled-queue', `bounce: ${(error as Error).message}`);
    } finally {
      await Promise.all(this.#batch);
    }
  }

  async #sweepQueue(queue: ScheduledQueue): Promise<void> {
    const line = queue.takeLine();
    for (let message = line?.shift(); message !== undefined; message = line?.shift()) {
      // They are in no line any more, so they go even when the rule is over meanwhile.
      await this.#bounce(message);
    }
    const walk = queue.members.walk();
    try {
      for (let message = walk.next(); message !== undefined; message = walk.next()) {
        if (await this.#isOver()) return;
        if (message.home === queue && this.#room.withdraw(message)) await this.#bounce(message);
      }
    } finally {
      walk.close();
    }
  }

  async #sweepReadyQueue(queue: ReadyQueue): Promise<void> {
    const by = this.#by;
    for (let left = queue.length; left > 0; left -= STEPS_PER_TURN) {
      queue.settleSome(Math.min(left, STEPS_PER_TURN), ({ home }) =>
        by.selects(home) ? { kind: 'bounced', by } : undefined,
      );
      await this.#nextTurn();
      if (await this.#isOver()) return;
    }
  }

  async #bounce(message: QueuedMessage): Promise<void> {
    this.#batch.push(this.#room.bounce(message, this.#by));
    if (this.#batch.length < AT_A_TIME) return;
    const batch = this.#batch;
    this.#batch = [];
    await Promise.all(batch);
  }

  /** Whether there is nothing more to do. Gives others their turn now and then. */
  async #isOver(): Promise<boolean> {
    if (++this.#steps % STEPS_PER_TURN === 0) await this.#nextTurn();
    return this.#room.isStopping || this.#by.isOver(this.#parts.clock.now());
  }

  async #nextTurn(): Promise<void> {
    do {
      const wait = this.#room.isCongested ? CONGESTION_WAIT : 0;
      await new Promise<void>((resolve) => void this.#parts.clock.after(wait, resolve));
    } while (this.#room.isCongested && !this.#room.isStopping);
  }
}
