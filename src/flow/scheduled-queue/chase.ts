import type { MessageHome, QueuedMessage } from '../../model/index.ts';
import type { ScheduleParts } from './parts.ts';
import type { ScheduledQueue } from './queue.ts';

/** Messages of a ready queue looked at per turn of the event loop. */
const LOOKED_AT_PER_TURN = 200;
/** What is in hand of a connection is looked for this often, ms, and for so many times. */
const LOOK = 1000;
const LOOKS = 120;

/** What a chase needs of the room. */
interface ChaseRoom {
  readonly isStopping: boolean;
  /** Takes a message that waits for its due time. False when it is elsewhere, such as in delivery. */
  withdraw(message: QueuedMessage): boolean;
}

/** Whose messages are wanted, and by whom. */
interface Wanted {
  selects(queue: MessageHome): boolean;
  /** It was taken already. */
  isDone(message: QueuedMessage): boolean;
  /** It is in no line and no wheel now. */
  take(message: QueuedMessage): Promise<void>;
}

/** Gets those messages of scheduled queues that are further on: in a ready queue, or in the hands of a connection. */
export class Chase {
  readonly #parts: ScheduleParts;
  readonly #room: ChaseRoom;
  readonly #wanted: Wanted;
  #missing: QueuedMessage[] = [];

  constructor(parts: ScheduleParts, room: ChaseRoom, wanted: Wanted) {
    this.#parts = parts;
    this.#room = room;
    this.#wanted = wanted;
  }

  /** One that was not where it could be taken. */
  add(message: QueuedMessage): void {
    this.#missing.push(message);
  }

  /** Resolves when none is missing, or after two minutes: what is delivered until then has gone its own way. */
  async run(): Promise<void> {
    for (let look = 0; look < LOOKS && this.#missing.length > 0; look++) {
      if (look > 0) await this.#wait(LOOK);
      await this.#lookInQueues();
      await this.#lookInWheel();
      if (this.#room.isStopping) return;
    }
  }

  async #lookInQueues(): Promise<void> {
    const missing = new Set(this.#missing);
    for (const queue of [...this.#parts.ready.waiting()]) {
      for (let left = queue.length; left > 0; left -= LOOKED_AT_PER_TURN) {
        const handed: QueuedMessage[] = [];
        const to = (message: QueuedMessage): void => void handed.push(message);
        queue.settleSome(Math.min(left, LOOKED_AT_PER_TURN), (message) =>
          missing.has(message) && this.#wanted.selects(message.home) ? { kind: 'handed', to } : undefined,
        );
        for (const message of handed) await this.#wanted.take(message);
        if (this.#room.isStopping) return;
        await this.#wait(0);
      }
    }
  }

  async #lookInWheel(): Promise<void> {
    const missing: QueuedMessage[] = [];
    for (const message of this.#missing) {
      const home = message.home as ScheduledQueue;
      if (this.#wanted.isDone(message) || !home.members.has(message) || !this.#wanted.selects(home)) continue;
      if (this.#room.withdraw(message)) await this.#wanted.take(message);
      else missing.push(message);
      if (this.#room.isStopping) return;
    }
    this.#missing = missing;
  }

  #wait(delay: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.after(delay, resolve));
  }
}
