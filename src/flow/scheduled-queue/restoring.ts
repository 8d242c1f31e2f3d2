import {
  type EnumeratedMessage,
  type EnumerationSummary,
  type Message,
  messageFrom,
  NULL_QUEUE,
  QueuedMessage,
  QueueNameError,
  queueNameOf,
} from '../../model/index.ts';
import { reply } from '../../protocol/smtp/index.ts';
import type { ScheduleParts } from './parts.ts';
import type { ScheduledQueue } from './queue.ts';
import { unnamedEvent } from './requeue.ts';

const EVENT = 'spool_message_enumerated';

/** What restoring needs of the room. */
export interface RestoringRoom {
  named(name: string): ScheduledQueue;
  join(message: QueuedMessage): void;
  /** The message stays in memory: what is changed of it could not be written. */
  pin(message: QueuedMessage, loaded: Message): void;
  /** Whether an administrator had it bounce. */
  bounces(message: QueuedMessage): boolean;
  schedule(message: QueuedMessage, due: number): void;
}

/** Puts the messages that the spool kept back into their queues. One that cannot be placed does not keep the others. */
export class Restoring {
  readonly #parts: ScheduleParts;
  readonly #room: RestoringRoom;
  #isOver = false;
  /** Goes on without the message that is being placed. */
  #leave: () => void = () => {};

  constructor(parts: ScheduleParts, room: RestoringRoom) {
    this.#parts = parts;
    this.#room = room;
  }

  run(): Promise<EnumerationSummary> {
    return this.#parts.store.spool.enumerate((stored) => (this.#isOver ? undefined : this.#restore(stored)));
  }

  /** The rest stays in the spool as it is; a handler that waits is not waited for. */
  end(): void {
    this.#isOver = true;
    this.#leave();
  }

  #restore(stored: EnumeratedMessage): Promise<void> {
    const placed = place(this.#parts, this.#room, stored).catch((error: Error) =>
      report(this.#parts, stored.entry.id, error.message),
    );
    return new Promise((resolve) => {
      this.#leave = resolve;
      void placed.then(resolve);
    });
  }
}

async function place(parts: ScheduleParts, room: RestoringRoom, stored: EnumeratedMessage): Promise<void> {
  const { spool } = parts.store;
  const { entry, envelope, size, progress } = stored;
  const message = messageFrom(entry.id, envelope, size, () => spool.loadBody(entry));
  message.keptBy(parts.store, entry);
  message.due = progress.due;
  message.attempts = progress.attempts;
  if (parts.policy.handles(EVENT)) await askPolicy(parts, message);
  const name = await nameOrExpire(parts, message);
  if (name === undefined || name === NULL_QUEUE) {
    spool.remove(entry);
    return;
  }
  const isSaved = await isWritten(parts, message);
  const queued = new QueuedMessage(entry, room.named(name), message.size, undefined);
  queued.attempts = message.attempts;
  queued.schedule = message.schedule;
  room.join(queued);
  // What the disk does not take now is written when the message is next requeued.
  if (!isSaved) room.pin(queued, message);
  if (!room.bounces(queued)) room.schedule(queued, Math.max(message.due, parts.clock.now()));
}

/** Whether what policy changed is on disk; a message must not be left lying for it. */
async function isWritten(parts: ScheduleParts, message: Message): Promise<boolean> {
  try {
    await parts.store.save(message);
    return true;
  } catch (error) {
    report(parts, message.id, (error as Error).message);
    return false;
  }
}

/** An error leaves the message as it was; the engine has reported it, but not a rejection, which means nothing here. */
async function askPolicy(parts: ScheduleParts, message: Message): Promise<void> {
  const takeBack = message.remember();
  const result = await parts.policy.fire(EVENT, [message]);
  if (result.kind === 'error' || result.kind === 'reject') takeBack();
  if (result.kind === 'reject') report(parts, message.id, `${EVENT} rejected: ${result.code} ${result.text}`);
}

/** The queue of the message; one that names none expires (delivery.md section 16). */
async function nameOrExpire(parts: ScheduleParts, message: Message): Promise<string | undefined> {
  try {
    return queueNameOf(message);
  } catch (error) {
    if (!(error instanceof QueueNameError)) throw error;
    report(parts, message.id, error.message);
    await parts.log.write(unnamedEvent(message, reply(551, '5.1.3', error.message)));
    return undefined;
  }
}

function report(parts: ScheduleParts, id: string, text: string): void {
  parts.diagnostics.error('scheduled-queue', `message ${id}: ${text}`);
}
