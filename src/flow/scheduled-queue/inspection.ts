import type {
  InspectedMessage,
  InspectedQueue,
  Message,
  QueuedMessage,
  QueueSelector,
  TargetPart,
} from '../../model/index.ts';
import { QueueConfig } from '../../model/options/index.ts';
import type { ScheduleParts } from './parts.ts';
import { previewQueues } from './preview.ts';
import type { ScheduledQueue } from './queue.ts';

/** Messages read at a time. */
const AT_A_TIME = 32;
/** Messages looked at per turn of the event loop. */
const STEPS_PER_TURN = 1000;
/** Bodies shown in one answer, in bytes; the data of what is beyond is null. */
const MOST_BODIES = 16 * 1024 * 1024;
/** Inspections that wait for their turn. */
const MOST_WAITING = 100;

/** What an inspection needs of the room. */
export interface InspectionRoom {
  readonly isStopping: boolean;
  live(): Iterable<ScheduledQueue>;
  /** Undefined when no message has made it. */
  find(name: string): ScheduledQueue | undefined;
}

/** Shows what is in the queues. One look after the other, each in turn with everything else. */
export class Inspection {
  readonly #parts: Pick<ScheduleParts, 'store' | 'clock'>;
  readonly #room: InspectionRoom;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #steps = 0;

  constructor(parts: Pick<ScheduleParts, 'store' | 'clock'>, room: InspectionRoom) {
    this.#parts = parts;
    this.#room = room;
  }

  /** A queue with at most `limit` of its messages, those that came first; undefined when there is none of that name. */
  queue(name: string, limit: number, wantBody: boolean): Promise<InspectedQueue | undefined> {
    return this.#inTurn(() => this.#queue(name, limit, wantBody));
  }

  /**
   * The message with that id; undefined when it is not in this shard. Nothing is kept that would find it, so that this
   * looks at every message of the shard.
   */
  message(id: string, wantBody: boolean): Promise<InspectedMessage | undefined> {
    return this.#inTurn(async () => {
      const found = await this.#find(id);
      return found && this.#show(found, wantBody);
    });
  }

  /** What the selected queues have. */
  preview(selector: QueueSelector): Promise<TargetPart> {
    return this.#inTurn(() => previewQueues(this.#parts, this.#room, selector));
  }

  /** The message with that id, as it is kept; the same look as for `message`. */
  find(id: string): Promise<QueuedMessage | undefined> {
    return this.#inTurn(() => this.#find(id));
  }

  #inTurn<T>(look: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MOST_WAITING) return Promise.reject(new Error('too many inspections at a time'));
    this.#waiting++;
    const looking = this.#last.then(look).finally(() => this.#waiting--);
    this.#last = looking.catch(() => {});
    return looking;
  }

  async #queue(name: string, limit: number, wantBody: boolean): Promise<InspectedQueue | undefined> {
    const queue = this.#room.find(name);
    if (queue === undefined) return undefined;
    const messages: InspectedMessage[] = [];
    let room = MOST_BODIES;
    const walk = queue.members.walk();
    try {
      for (let batch = take(walk, limit); batch.length > 0; batch = take(walk, limit - messages.length)) {
        const shown = batch.map((queued) => {
          const isShown = wantBody && queued.size <= room;
          if (isShown) room -= queued.size;
          return this.#show(queued, isShown);
        });
        for (const message of await Promise.all(shown)) if (message !== undefined) messages.push(message);
        if (this.#room.isStopping) break;
      }
    } finally {
      walk.close();
    }
    const config = queue.options === undefined ? null : new QueueConfig(queue.options).asJson();
    return { messages, size: queue.size, config, lastChanged: queue.lastChanged };
  }

  async #find(id: string): Promise<QueuedMessage | undefined> {
    for (const queue of this.#room.live()) {
      const walk = queue.members.walk();
      try {
        for (let message = walk.next(); message !== undefined; message = walk.next()) {
          if (message.entry.id === id) return message;
          if (++this.#steps % STEPS_PER_TURN !== 0) continue;
          await new Promise<void>((resolve) => void this.#parts.clock.after(0, resolve));
          if (this.#room.isStopping) return undefined;
        }
      } finally {
        walk.close();
      }
    }
    return undefined;
  }

  /** Undefined for a message that has left meanwhile, and for one that cannot be read. */
  async #show(queued: QueuedMessage, wantBody: boolean): Promise<InspectedMessage | undefined> {
    const { home, due, attempts } = queued;
    const { store } = this.#parts;
    try {
      const message: Message = await store.load(queued);
      // Not through the message, which would keep it.
      const body = wantBody ? (message.body ?? (await store.spool.loadBody(queued.entry))) : undefined;
      if (queued.home !== home) return undefined;
      return {
        id: message.id,
        sender: message.sender.email,
        recipients: message.recipients.map(({ email }) => email),
        meta: message.meta,
        data: body?.toString('utf8') ?? null,
        ...(message.schedule !== undefined && { scheduling: message.schedule.written }),
        due,
        attempts,
      };
    } catch {
      return undefined;
    }
  }
}

function take(walk: { next(): QueuedMessage | undefined }, limit: number): QueuedMessage[] {
  const batch: QueuedMessage[] = [];
  while (batch.length < Math.min(AT_A_TIME, limit)) {
    const message = walk.next();
    if (message === undefined) break;
    batch.push(message);
  }
  return batch;
}
