import {
  beginTransfer,
  endTransfer,
  type JsonObject,
  type Message,
  type MessageHome,
  NULL_QUEUE,
  type QueuedMessage,
  type QueueSelector,
  queueNameOf,
  selectsQueue,
  setOwn,
  transferQueue,
  uncountedDelay,
} from '../../model/index.ts';
import { Chase } from './chase.ts';
import { note } from './note.ts';
import type { ScheduleParts } from './parts.ts';
import type { ScheduledQueue } from './queue.ts';
import { adminRebindEvent, delayedEvent } from './requeue.ts';

const EVENT = 'rebind_message';
/** Messages changed at a time, so that the disk is asked once for many of them. */
const AT_A_TIME = 64;
/** Queues and messages looked at per turn of the event loop. */
const STEPS_PER_TURN = 200;

/** What an administrator asks for (operations.md 5.6). */
export interface RebindRequest {
  selector: QueueSelector;
  /** For the AdminRebind records. */
  reason: string;
  /** Written to the metadata of each message, or given to the event. */
  data: Readonly<Record<string, string>>;
  /** Asks rebind_message instead of writing `data`. */
  triggerEvent: boolean;
  /** Messages that stay in their queue are due at once too, instead of within a minute. */
  alwaysFlush: boolean;
  suppressLogging: boolean;
  /** In place of all that: the messages go to this node, as `parseTransferTarget` gave it, or come back from their way. */
  transfer?: { to: string } | 'cancel';
}

export interface RebindSummary {
  /** Messages that were looked at. */
  messages: number;
  /** Of them, those that went to another queue. */
  moved: number;
}

/** What rebinding needs of the room. */
export interface RebindRoom {
  readonly isStopping: boolean;
  live(): Iterable<ScheduledQueue>;
  /** Takes a message that waits for its due time. False when it is elsewhere, such as in delivery. */
  withdraw(message: QueuedMessage): boolean;
  schedule(message: QueuedMessage, due: number): void;
  /** The message is due as soon as its schedule allows. */
  makeDue(message: QueuedMessage): void;
  move(message: QueuedMessage, name: string, due: number): void;
  remove(message: QueuedMessage): void;
  saved(message: QueuedMessage, loaded: Message): void;
}

/**
 * One request to rebind: looks once at every message that is scheduled in the selected queues, or due there and not
 * yet in a ready queue. Transfers also take those that wait in ready queues, and those whose attempt under way fails.
 * Takes turns with everything else, and never has more than a few messages in hand.
 */
export class Rebinding {
  readonly #parts: ScheduleParts;
  readonly #room: RebindRoom;
  readonly #request: RebindRequest;
  /** Those that went to another queue; it may be one that is still to be looked at. */
  readonly #moved = new Set<QueuedMessage>();
  #messages = 0;
  #steps = 0;
  #batch: Promise<void>[] = [];
  readonly #chase: Chase;

  constructor(parts: ScheduleParts, room: RebindRoom, request: RebindRequest) {
    this.#parts = parts;
    this.#room = room;
    this.#request = request;
    this.#chase = new Chase(parts, room, {
      selects: (queue) => this.#selects(queue),
      isDone: (message) => this.#moved.has(message),
      take: (message) => this.#take(message.home as ScheduledQueue, message),
    });
  }

  /** Resolves when every message has been looked at. Does not reject: a message that fails stays as it was. */
  async run(): Promise<RebindSummary> {
    if (this.#request.triggerEvent && !this.#parts.policy.handles(EVENT)) {
      this.#parts.diagnostics.error('scheduled-queue', `Event ${EVENT} has not been registered`);
      return { messages: 0, moved: 0 };
    }
    for (const queue of [...this.#room.live()]) {
      if (this.#isTurnOver()) await this.#nextTurn();
      if (this.#selects(queue)) await this.#rebindQueue(queue);
    }
    if (this.#request.transfer !== undefined) await this.#chase.run();
    await Promise.all(this.#batch);
    return { messages: this.#messages, moved: this.#moved.size };
  }

  /** What goes to a node already does not go there again. */
  #selects(queue: MessageHome): boolean {
    const { selector, transfer } = this.#request;
    if (typeof transfer === 'object' && queue.name === transferQueue(transfer.to)) return false;
    return selectsQueue(selector, queue);
  }

  async #rebindQueue(queue: ScheduledQueue): Promise<void> {
    const line = queue.takeLine();
    for (let message = line?.shift(); message !== undefined; message = line?.shift()) {
      if (this.#moved.has(message)) this.#room.makeDue(message);
      else await this.#take(queue, message);
    }
    const walk = queue.members.walk();
    try {
      for (let message = walk.next(); message !== undefined; message = walk.next()) {
        if (this.#room.isStopping) return;
        if (this.#isTurnOver()) await this.#nextTurn();
        if (message.home !== queue || this.#moved.has(message)) continue;
        if (this.#room.withdraw(message)) await this.#take(queue, message);
        else if (this.#request.transfer !== undefined) this.#chase.add(message);
      }
    } finally {
      walk.close();
    }
  }

  /** The message is in no line and no wheel now. */
  async #take(queue: ScheduledQueue, message: QueuedMessage): Promise<void> {
    if (this.#room.isStopping) return;
    this.#messages++;
    this.#batch.push(this.#rebindOrPutBack(queue, message));
    if (this.#batch.length < AT_A_TIME) return;
    const batch = this.#batch;
    this.#batch = [];
    await Promise.all(batch);
    if (this.#isTurnOver()) await this.#nextTurn();
  }

  #isTurnOver(): boolean {
    return ++this.#steps % STEPS_PER_TURN === 0;
  }

  #nextTurn(): Promise<void> {
    return new Promise<void>((resolve) => void this.#parts.clock.after(0, resolve));
  }

  async #rebindOrPutBack(queue: ScheduledQueue, queued: QueuedMessage): Promise<void> {
    const { due } = queued;
    try {
      await this.#rebind(queue, queued);
    } catch (error) {
      const text = `${queue.name} ${queued.entry.id}: ${EVENT}: ${(error as Error).message}`;
      this.#parts.diagnostics.error('scheduled-queue', text);
      this.#room.schedule(queued, due);
    }
  }

  async #rebind(queue: ScheduledQueue, queued: QueuedMessage): Promise<void> {
    const message = await this.#parts.store.load(queued);
    const takeBack = message.remember();
    let name: string;
    try {
      await this.#change(message);
      name = queueNameOf(message);
      if (name !== NULL_QUEUE) await this.#parts.store.save(message);
    } catch (error) {
      takeBack();
      throw error;
    }
    this.#room.saved(queued, message);
    queued.schedule = message.schedule;
    if (name === queue.name) this.#stay(queued, message);
    else this.#go(queue, queued, message, name);
  }

  async #change(message: Message): Promise<void> {
    const { data, triggerEvent, transfer } = this.#request;
    if (transfer === 'cancel') endTransfer(message);
    else if (transfer !== undefined) beginTransfer(message, transfer.to);
    else if (!triggerEvent) {
      for (const [key, value] of Object.entries(data)) setOwn(message.meta, key, value);
      message.dirty = true;
    } else await this.#askPolicy(message, { ...data });
  }

  async #askPolicy(message: Message, data: JsonObject): Promise<void> {
    const result = await this.#parts.policy.fire(EVENT, [message, data]);
    if (result.kind === 'error') throw new Error(result.message);
    if (result.kind === 'reject') throw new Error(`rejected: ${result.code} ${result.text}`);
  }

  #go(queue: ScheduledQueue, queued: QueuedMessage, message: Message, name: string): void {
    if (!this.#request.suppressLogging) {
      note(
        this.#parts,
        adminRebindEvent(queued, message, name, `from ${queue.name} to ${name}: ${this.#request.reason}`),
      );
    }
    this.#moved.add(queued);
    if (name === NULL_QUEUE) this.#room.remove(queued);
    else {
      queued.attempts = message.attempts;
      this.#room.move(queued, name, this.#request.transfer === undefined ? 0 : message.due);
    }
  }

  #stay(queued: QueuedMessage, message: Message): void {
    const { spool } = this.#parts.store;
    const { attempts } = queued;
    if (this.#request.alwaysFlush) {
      spool.saveProgress(queued.entry, { attempts, due: 0 });
      queued.due = 0;
      this.#room.makeDue(queued);
      return;
    }
    const wanted = this.#parts.clock.now() + uncountedDelay(this.#parts.random());
    const due = queued.schedule?.adjust(wanted) ?? wanted;
    spool.saveProgress(queued.entry, { attempts, due });
    if (!this.#request.suppressLogging) {
      note(this.#parts, delayedEvent(this.#parts, queued, message, ['AdminRebind'], due));
    }
    this.#room.schedule(queued, due);
  }
}
