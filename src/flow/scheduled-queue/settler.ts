import {
  type DeliveryEvent,
  type LiveRule,
  type MaybePromise,
  type Message,
  NULL_QUEUE,
  type QueuedMessage,
  QueueNameError,
  queueNameOf,
  type RequeueReason,
  type Settlement,
  SpoolDamageError,
  SpoolWriteError,
} from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import { type Reply, reply, replyFromText } from '../../protocol/smtp/index.ts';
import { countDelay } from './delays.ts';
import type { ScheduleParts } from './parts.ts';
import type { ScheduledQueue } from './queue.ts';
import { QueueConfigError } from './queue-configs.ts';
import {
  adminBounceEvent,
  adminRebindEvent,
  bounceEvent,
  damagedEvent,
  delayedEvent,
  nextDue,
  type Requeue,
  reboundEvent,
  refusedEvent,
  requeueArguments,
  suspendedEvent,
} from './requeue.ts';

/** What settling needs of the room. */
export interface SettlerRoom {
  readonly isStopping: boolean;
  /** The message is due then. */
  schedule(message: QueuedMessage, due: number): void;
  /** The message is due as soon as its schedule allows. */
  makeDue(message: QueuedMessage): void;
  /** The message leaves the spool. */
  remove(message: QueuedMessage): void;
  /** The message goes to another queue and is due then, in ms since the epoch; 0 for at once. */
  move(message: QueuedMessage, name: string, due: number): void;
  /** What was changed of the message is written. */
  saved(message: QueuedMessage, loaded: Message): void;
  /** Rejects with QueueConfigError when policy has no configuration for the queue. */
  resolve(name: string): MaybePromise<ScheduledQueue>;
  /** The message stays in memory: what is changed of it could not be written. */
  pin(message: QueuedMessage, loaded: Message): void;
}

/** Wait of a message whose queue has no configuration, ms. */
const WITHOUT_CONFIGURATION = 60_000;
/** Messages being settled at a time from which on no further ones are promoted. */
const CONGESTED = 1000;

/** What becomes of messages that come back from delivery, or never got there. Nobody waits for it. */
export class Settler {
  readonly #parts: ScheduleParts;
  readonly #room: SettlerRoom;
  readonly #running = new Set<Promise<void>>();

  constructor(parts: ScheduleParts, room: SettlerRoom) {
    this.#parts = parts;
    this.#room = room;
  }

  /** So many messages are being settled that more had better wait. */
  get isCongested(): boolean {
    return this.#running.size >= CONGESTED;
  }

  settle(queue: ScheduledQueue, message: QueuedMessage, settlement: Settlement): void {
    if (settlement.kind === 'requeue' && !settlement.counted) {
      for (const reason of settlement.reasons) countDelay(queue.name, reason);
    }
    const track = (work: Promise<void>): void => void this.#track(queue, message, work);
    if (settlement.kind === 'done') this.#room.remove(message);
    else if (settlement.kind === 'reinsert') this.#room.makeDue(message);
    else if (settlement.kind === 'handed') settlement.to(message);
    else if (settlement.kind === 'damaged') track(this.#giveUp(message, settlement.why));
    else if (settlement.kind === 'rebound') track(this.#rebound(queue, message, settlement));
    else if (settlement.kind === 'bounced') void this.bounce(queue, message, settlement.by);
    else if (settlement.kind === 'suspended') track(this.#suspend(queue, message, settlement.by));
    else track(this.#requeue(queue, message, settlement));
  }

  /** An administrator wants the message gone. Resolves when it is, or is back in its queue; does not reject. */
  bounce(queue: ScheduledQueue, message: QueuedMessage, by: LiveRule): Promise<void> {
    // What the spool has when the shard stops is there at the next start.
    if (this.#room.isStopping) return Promise.resolve();
    return this.#track(queue, message, this.#bounce(message, by));
  }

  /** There is no way to deliver the message now: a counted attempt, with its record. */
  refuse(queue: ScheduledQueue, message: QueuedMessage, why: Reply, reasons: RequeueReason[]): void {
    if (!this.#room.isStopping) void this.#track(queue, message, this.#refuse(queue, message, why, reasons));
  }

  /** Policy has the message wait until `due`, in ms since the epoch, before it enters a ready queue. */
  throttle(queue: ScheduledQueue, message: QueuedMessage, due: number, before: RequeueReason[]): void {
    const text = `KumoMTA internal: ${queue.name} throttled by throttle_insert_ready_queue`;
    this.settle(queue, message, {
      kind: 'requeue',
      reply: reply(451, '4.4.4', text),
      reasons: [...before, 'ThrottledByThrottleInsertReadyQueue'],
      counted: false,
      delay: Math.max(0, due - this.#parts.clock.now()),
    });
  }

  /** The message became too old while it waited. */
  expire(queue: ScheduledQueue, message: QueuedMessage, options: QueueOptions): void {
    const requeue: Requeue = { ...COUNTED, reply: TOO_OLD, counted: false, delay: 0 };
    void this.#track(queue, message, this.#backOff(message, options, requeue));
  }

  /** Resolves when nothing is being settled any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Does not reject: a message that cannot be settled is back in its queue. */
  #track(queue: ScheduledQueue, message: QueuedMessage, work: Promise<void>): Promise<void> {
    const tracked: Promise<void> = work
      .catch((error: Error) => {
        if (error instanceof SpoolDamageError) return this.#giveUp(message, error.message);
        this.#report(message, error);
        return this.#afterFailure(queue, message);
      })
      .catch((error: Error) => {
        this.#report(message, error);
        this.#room.schedule(message, this.#parts.clock.now() + WITHOUT_CONFIGURATION);
      })
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    return tracked;
  }

  async #bounce(queued: QueuedMessage, by: LiveRule): Promise<void> {
    if (!by.rule.suppressLogging) {
      const message = await this.#parts.store.load(queued);
      await this.#parts.log.write(adminBounceEvent(queued, message, by.rule.reason));
    }
    this.#parts.admin.bounced(by, queued.home.name);
    this.#room.remove(queued);
  }

  /** A counted attempt (delivery.md section 10). */
  async #suspend(queue: ScheduledQueue, queued: QueuedMessage, by: LiveRule): Promise<void> {
    const message = await this.#parts.store.load(queued);
    const text = `KumoMTA internal: scheduled queue is suspended: ${by.rule.reason}`;
    const response = reply(451, '4.4.4', text);
    await this.#parts.log.write(suspendedEvent(queued, message, response));
    await this.#requeue(queue, queued, { ...COUNTED, reply: response });
  }

  /** Settling itself failed, such as a write to a full disk: backs off and expires as any other failure would. */
  async #afterFailure(queue: ScheduledQueue, message: QueuedMessage): Promise<void> {
    const requeue: Requeue = { ...COUNTED, reply: reply(451, '4.3.0', 'KumoMTA internal: requeue failed') };
    await this.#backOff(message, queue.options, requeue);
  }

  async #refuse(
    queue: ScheduledQueue,
    queued: QueuedMessage,
    why: Reply,
    reasons: RequeueReason[],
  ): Promise<void> {
    const message = await this.#parts.store.load(queued);
    await this.#parts.log.write(refusedEvent(queued, message, why));
    const text = `KumoMTA internal: ${queue.name} error while inserting into ready queue: ${why.content}`;
    await this.#requeue(queue, queued, {
      ...COUNTED,
      reply: reply(451, '4.4.4', text),
      reasons: [...reasons, 'LoggedTransientFailure'],
    });
  }

  async #requeue(queue: ScheduledQueue, queued: QueuedMessage, requeue: Requeue): Promise<void> {
    const wantsEvent = this.#parts.policy.handles('requeue_message') && !this.#room.isStopping;
    // What a full disk refused earlier is still to be written.
    const isUnsaved = queued.loaded?.dirty === true;
    if (requeue.remaining !== undefined || wantsEvent || isUnsaved) {
      const message = await this.#parts.store.load(queued);
      if (requeue.remaining !== undefined) {
        message.recipients = requeue.remaining;
        message.dirty = true;
      }
      if (wantsEvent && (await this.#askPolicy(queue, queued, message, requeue))) return;
      queued.schedule = message.schedule;
      queued.attempts = message.attempts;
      await this.#save(queued, message);
    }
    // What comes back while its queue is being bounced must not wait for its next attempt.
    const by = this.#parts.admin.bounceOf(queue);
    if (by !== undefined && !this.#room.isStopping) return this.#bounce(queued, by);
    await this.#backOff(queued, queue.options ?? (await configurationOrNone(queue)), requeue);
  }

  /**
   * Writes what changed. When that fails the message stays in memory as it is: recipients who have the message must
   * not get it again.
   */
  async #save(queued: QueuedMessage, message: Message): Promise<void> {
    try {
      await this.#parts.store.save(message);
      this.#room.saved(queued, message);
    } catch (error) {
      this.#room.pin(queued, message);
      this.#report(queued, error as Error);
    }
  }

  /** Fires requeue_message; true when policy took the message elsewhere. */
  async #askPolicy(
    queue: ScheduledQueue,
    queued: QueuedMessage,
    message: Message,
    requeue: Requeue,
  ): Promise<boolean> {
    const takeBack = message.remember();
    const result = await this.#parts.policy.fire('requeue_message', requeueArguments(message, requeue));
    if (result.kind === 'error') {
      takeBack();
      return false;
    }
    if (result.kind === 'reject') {
      const response = replyFromText(result.code, result.text);
      await this.#parts.log.write(bounceEvent(queued, message, response));
      this.#room.remove(queued);
      return true;
    }
    const name = this.#nameOf(queued, message);
    if (name === undefined || name === queue.name) return false;
    if (name === NULL_QUEUE) {
      this.#room.remove(queued);
      return true;
    }
    await this.#save(queued, message);
    if (message.moved !== undefined) {
      const { from, reason } = message.moved;
      message.moved = undefined;
      await this.#note(queued, adminRebindEvent(queued, message, name, `from ${from} to ${name}: ${reason}`));
    }
    queued.attempts = message.attempts + 1;
    queued.schedule = message.schedule;
    this.#room.move(queued, name, 0);
    return true;
  }

  /** Policy let a deferred message pass. When it cannot go on, it is as before, and tried again. */
  async #rebound(queue: ScheduledQueue, queued: QueuedMessage, settlement: Rebound): Promise<void> {
    const { message, takeBack, protocol } = settlement;
    const why = await this.#goOn(queue, queued, message, protocol);
    if (why === undefined) return;
    takeBack();
    const response = reply(450, '', why);
    const event = { ...refusedEvent(queued, message, response), deliveryProtocol: protocol };
    await this.#parts.log.write(event);
    await this.#requeue(queue, queued, { ...COUNTED, reply: response });
  }

  /** Moves the message to the queue that its metadata names, with its count of attempts at 0. Gives why it could not. */
  async #goOn(
    queue: ScheduledQueue,
    queued: QueuedMessage,
    message: Message,
    protocol: string,
  ): Promise<string | undefined> {
    let name: string;
    try {
      name = queueNameOf(message);
      if (name === queue.name) return `the message names the queue ${name} again`;
      if (name !== NULL_QUEUE) {
        await this.#room.resolve(name);
        await this.#parts.store.save(message);
      }
    } catch (error) {
      const isExpected = [QueueNameError, QueueConfigError, SpoolWriteError].some(
        (kind) => error instanceof kind,
      );
      if (!isExpected) throw error;
      this.#report(queued, error as Error);
      return (error as Error).message;
    }
    await this.#note(queued, { ...reboundEvent(queued, message, name), deliveryProtocol: protocol });
    if (name === NULL_QUEUE) {
      this.#room.remove(queued);
      return undefined;
    }
    this.#room.pin(queued, message);
    this.#room.saved(queued, message);
    queued.attempts = 0;
    queued.schedule = message.schedule;
    this.#room.move(queued, name, message.due);
    return undefined;
  }

  /** Writes a record of what has happened already: a broken log must not have it happen again. */
  async #note(queued: QueuedMessage, event: DeliveryEvent): Promise<void> {
    try {
      await this.#parts.log.write(event);
    } catch (error) {
      this.#report(queued, error as Error);
    }
  }

  /** The queue that policy wants now; undefined, and reported, when its metadata names none. */
  #nameOf(queued: QueuedMessage, message: Message): string | undefined {
    try {
      return queueNameOf(message);
    } catch (error) {
      if (!(error instanceof QueueNameError)) throw error;
      this.#report(queued, error);
      return undefined;
    }
  }

  /** Schedules the next attempt, or expires the message. */
  async #backOff(queued: QueuedMessage, options: QueueOptions | undefined, requeue: Requeue): Promise<void> {
    const next =
      options === undefined
        ? { kind: 'due' as const, due: this.#parts.clock.now() + WITHOUT_CONFIGURATION }
        : nextDue(this.#parts, queued, options, requeue);
    if (next.kind === 'expired') {
      const message = await this.#parts.store.load(queued);
      await this.#parts.log.write(next.event(message));
      this.#room.remove(queued);
      return;
    }
    if (requeue.counted) queued.attempts++;
    this.#parts.store.spool.saveProgress(queued.entry, { attempts: queued.attempts, due: next.due });
    if (!requeue.reasons.includes('LoggedTransientFailure')) {
      const message = await this.#parts.store.load(queued);
      const event = delayedEvent(this.#parts, queued, message, requeue.reasons, next.due);
      const { delayedReply } = requeue;
      await this.#parts.log.write(delayedReply === undefined ? event : { ...event, response: delayedReply });
    }
    this.#room.schedule(queued, next.due);
  }

  /** A message that cannot be read any more bounces as far as its envelope is known, and says so. */
  async #giveUp(queued: QueuedMessage, why: string): Promise<void> {
    this.#report(queued, new Error(why));
    try {
      const message = await this.#parts.store.load(queued);
      await this.#parts.log.write(damagedEvent(queued, message, why));
    } catch {
      // Not even the envelope is left to make a record of; the line above has to do.
    }
    this.#room.remove(queued);
  }

  #report(message: QueuedMessage, error: Error): void {
    const text = `${message.home.name} ${message.entry.id}: ${error.message}`;
    this.#parts.diagnostics.error('scheduled-queue', text);
  }
}

type Rebound = Extract<Settlement, { kind: 'rebound' }>;

const TOO_OLD = reply(551, '5.4.7', 'too old');
const COUNTED: Requeue = {
  kind: 'requeue',
  reply: TOO_OLD,
  reasons: ['LoggedTransientFailure'],
  counted: true,
  delay: undefined,
};

async function configurationOrNone(queue: ScheduledQueue): Promise<QueueOptions | undefined> {
  try {
    return await queue.configuration();
  } catch {
    // Policy has reported the error; the message waits without a configuration.
    return undefined;
  }
}
