import {
  type EnumeratedMessage,
  type EnumerationSummary,
  type MaybePromise,
  type Message,
  type MessageHome,
  messageFrom,
  parseQueueName,
  QueuedMessage,
  queueNameOf,
  type RequeueReason,
  type Settlement,
  type ThrottleVerdict,
  type Timer,
  TimerWheel,
} from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import type { ReadyFeed } from '../ready-queue/index.ts';
import type { ScheduleParts } from './parts.ts';
import { type QueueRoom, ScheduledQueue } from './queue.ts';
import { QueueConfigs } from './queue-configs.ts';
import { delayedEvent, nextDue, type Requeue, refusedEvent, requeueArguments } from './requeue.ts';

/** Bodies of messages near delivery stay in memory up to this many bytes per shard; beyond, they are read again. */
const RESIDENT_BYTES = 64 * 1024 * 1024;
/** Due messages moved on per turn of the event loop. */
const PROMOTED_PER_TURN = 256;
/** A queue that never got a configuration is forgotten after this long, ms. */
const REAP_UNUSED = 60_000;
/** Retry of a message whose requeue itself failed, ms. */
const AFTER_FAILED_REQUEUE = 60_000;

/** All scheduled queues of a shard, and the one wheel that knows when their messages are due. */
export class ScheduledQueues implements QueueRoom {
  readonly configs: QueueConfigs;
  readonly #parts: ScheduleParts;
  readonly #queues = new Map<string, ScheduledQueue>();
  /** Empty queues with the monotonic ms since when, oldest first. */
  readonly #empty = new Map<ScheduledQueue, number>();
  readonly #wheel: TimerWheel<QueuedMessage>;
  readonly #requeues = new Set<Promise<void>>();
  #resident = 0;
  #size = 0;
  #timer: Timer | undefined;
  #timerDue = Infinity;
  #stopping = false;

  constructor(parts: ScheduleParts) {
    this.#parts = parts;
    this.configs = new QueueConfigs(parts.policy, parts.clock);
    this.#wheel = new TimerWheel(parts.clock.now());
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  get clock(): ScheduleParts['clock'] {
    return this.#parts.clock;
  }

  /** Number of messages that belong to this shard. */
  get size(): number {
    return this.#size;
  }

  /** Every queue, for metrics and status. */
  live(): Iterable<ScheduledQueue> {
    return this.#queues.values();
  }

  /** The queue of that name with its configuration. Throws QueueConfigError when policy has none for it. */
  resolve(name: string): MaybePromise<ScheduledQueue> {
    const queue = this.#queue(name);
    const options = queue.configuration();
    return options instanceof Promise ? options.then(() => queue) : queue;
  }

  /** Takes a message that is on disk. It is delivered at once unless it has a later due time. */
  insert(queue: ScheduledQueue, message: Message): void {
    const queued = new QueuedMessage(message.entry!, queue, message.size, message);
    this.#join(queue);
    this.#resident += message.size;
    if (message.due <= this.#parts.clock.now()) queue.promote(queued);
    else {
      this.#parts.store.spool.saveProgress(queued.entry, { attempts: 0, due: message.due });
      this.#log(delayedEvent(this.#parts, queued, message, ['Received', 'ScheduledForLater'], message.due));
      this.#schedule(queued, message.due);
    }
  }

  /** Takes back what the spool kept, with attempts and due times as they were. */
  restore(): Promise<EnumerationSummary> {
    return this.#parts.store.spool.enumerate((stored) => this.#restoreOne(stored));
  }

  /** Moves nothing more; what is being requeued is written. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#timer?.cancel();
    await Promise.all(this.#requeues);
  }

  // --- what the queues ask of the room ---

  feedFor(home: MessageHome): ReadyFeed {
    return this.#parts.ready.feedFor(home);
  }

  admit(queue: ScheduledQueue, options: QueueOptions): MaybePromise<ThrottleVerdict> {
    return this.#parts.throttles.admit(`schedq-${queue.name}-message-rate`, options.max_message_rate!);
  }

  moved(message: QueuedMessage): void {
    if (message.loaded !== undefined && this.#resident > RESIDENT_BYTES) this.#unload(message);
  }

  waits(queue: ScheduledQueue, message: QueuedMessage, reason: RequeueReason | undefined): void {
    if (reason !== undefined) {
      const write = (loaded: Message): void =>
        this.#log(delayedEvent(this.#parts, message, loaded, [reason], this.#parts.clock.now()));
      const loaded = this.#parts.store.load(message);
      if (!(loaded instanceof Promise)) write(loaded);
      else loaded.then(write).catch((error: Error) => this.#report(queue, message, error));
    }
    // Waiting can be long and the line endless: only the spool keeps what is in it.
    this.#unload(message);
  }

  settled(queue: ScheduledQueue, message: QueuedMessage, settlement: Settlement): void {
    if (settlement.kind === 'done') this.#remove(queue, message);
    else this.#track(queue, message, this.#requeue(queue, message, settlement));
  }

  refused(queue: ScheduledQueue, message: QueuedMessage, why: Reply, reasons: RequeueReason[]): void {
    if (!this.#stopping) this.#track(queue, message, this.#refuse(queue, message, why, reasons));
  }

  /** Follows work on a message that nobody waits for; when it fails, the message is tried again a little later. */
  #track(queue: ScheduledQueue, message: QueuedMessage, work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch((error: Error) => {
        this.#report(queue, message, error);
        this.#schedule(message, this.#parts.clock.now() + AFTER_FAILED_REQUEUE);
      })
      .finally(() => this.#requeues.delete(tracked));
    this.#requeues.add(tracked);
  }

  // --- the ways of a message ---

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
      kind: 'requeue',
      reply: reply(451, '4.4.4', text),
      reasons: [...reasons, 'LoggedTransientFailure'],
      counted: true,
      delay: undefined,
    });
  }

  async #requeue(queue: ScheduledQueue, queued: QueuedMessage, requeue: Requeue): Promise<void> {
    const wantsEvent = this.#parts.policy.handles('requeue_message') && !this.#stopping;
    if (requeue.remaining !== undefined || wantsEvent) {
      const message = await this.#parts.store.load(queued);
      if (requeue.remaining !== undefined) {
        message.recipients = requeue.remaining;
        message.dirty = true;
      }
      if (wantsEvent && (await this.#askPolicy(queue, queued, message, requeue))) return;
      queued.schedule = message.schedule;
      await this.#parts.store.save(message);
    }
    const options = queue.options ?? (await configurationOrNone(queue));
    if (options === undefined) {
      return this.#wait(queued, this.#parts.clock.now() + AFTER_FAILED_REQUEUE, requeue);
    }
    const next = nextDue(this.#parts, queued, options, requeue);
    if (next.kind === 'due') return this.#wait(queued, next.due, requeue);
    const message = await this.#parts.store.load(queued);
    await this.#parts.log.write(next.event(message));
    this.#remove(queue, queued);
  }

  /** Fires requeue_message; true when policy took the message elsewhere. */
  async #askPolicy(
    queue: ScheduledQueue,
    queued: QueuedMessage,
    message: Message,
    requeue: Requeue,
  ): Promise<boolean> {
    const result = await this.#parts.policy.fire('requeue_message', requeueArguments(message, requeue));
    if (result.kind === 'reject') {
      const response = { code: result.code, enhanced: null, content: result.text, command: null };
      await this.#parts.log.write({
        ...delayedEvent(this.#parts, queued, message, [], 0),
        type: 'Bounce',
        response,
      });
      this.#remove(queue, queued);
      return true;
    }
    const name = queueNameOf(message);
    if (name === queue.name) return false;
    await this.#parts.store.save(message);
    this.#leave(queue);
    const target = this.#queue(name);
    queued.home = target;
    queued.attempts++;
    queued.schedule = message.schedule;
    this.#join(target);
    const now = this.#parts.clock.now();
    const due = queued.schedule?.adjust(now) ?? now;
    if (due <= now) target.promote(queued);
    else this.#schedule(queued, due);
    return true;
  }

  async #wait(queued: QueuedMessage, due: number, requeue: Requeue): Promise<void> {
    if (requeue.counted) queued.attempts++;
    this.#parts.store.spool.saveProgress(queued.entry, { attempts: queued.attempts, due });
    if (!requeue.reasons.includes('LoggedTransientFailure')) {
      const message = await this.#parts.store.load(queued);
      await this.#parts.log.write(delayedEvent(this.#parts, queued, message, requeue.reasons, due));
    }
    this.#schedule(queued, due);
  }

  async #restoreOne(stored: EnumeratedMessage): Promise<void> {
    const message = messageFrom(stored.entry.id, stored.envelope, stored.size, () =>
      this.#parts.store.spool.loadBody(stored.entry),
    );
    message.keptBy(this.#parts.store, stored.entry);
    message.due = stored.progress.due;
    message.attempts = stored.progress.attempts;
    if (this.#parts.policy.handles('spool_message_enumerated')) {
      await this.#parts.policy.fire('spool_message_enumerated', [message]);
      await this.#parts.store.save(message);
    }
    const queue = this.#queue(queueNameOf(message));
    const queued = new QueuedMessage(stored.entry, queue, stored.size, undefined);
    queued.attempts = stored.progress.attempts;
    queued.schedule = message.schedule;
    this.#join(queue);
    this.#schedule(queued, Math.max(message.due, this.#parts.clock.now()));
  }

  /** Puts the message into the wheel; its own schedule has the last word, whoever chose the time. */
  #schedule(queued: QueuedMessage, due: number): void {
    this.#unload(queued);
    queued.due = queued.schedule?.adjust(due) ?? due;
    if (this.#stopping) return;
    this.#wheel.insert(queued);
    this.#arm(queued.due);
  }

  #arm(due: number): void {
    if (this.#stopping || due >= this.#timerDue) return;
    this.#timer?.cancel();
    this.#timerDue = due;
    this.#timer = this.#parts.clock.after(Math.max(0, due - this.#parts.clock.now()), this.#turn);
  }

  readonly #turn = (): void => {
    this.#timerDue = Infinity;
    const now = this.#parts.clock.now();
    const more = this.#wheel.advance(now, this.#promote, PROMOTED_PER_TURN);
    this.#reap();
    if (more) this.#arm(now);
    else {
      const next = this.#wheel.nextDue(now);
      if (next !== undefined) this.#arm(next);
    }
  };

  readonly #promote = (queued: QueuedMessage): void => {
    (queued.home as ScheduledQueue).promote(queued);
  };

  #remove(queue: ScheduledQueue, message: QueuedMessage): void {
    this.#unload(message);
    this.#parts.store.spool.remove(message.entry);
    this.#leave(queue);
  }

  #unload(message: QueuedMessage): void {
    if (message.loaded === undefined) return;
    this.#resident -= message.size;
    message.loaded = undefined;
  }

  #queue(name: string): ScheduledQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new ScheduledQueue(name, parseQueueName(name), this);
      this.#queues.set(name, queue);
      this.#empty.set(queue, this.#parts.clock.monotonic());
      this.#reap();
    }
    return queue;
  }

  #join(queue: ScheduledQueue): void {
    this.#size++;
    if (queue.size++ === 0) {
      this.#empty.delete(queue);
      this.#queues.set(queue.name, queue);
    }
  }

  #leave(queue: ScheduledQueue): void {
    this.#size--;
    if (--queue.size === 0) this.#empty.set(queue, this.#parts.clock.monotonic());
    if (this.#timerDue === Infinity) this.#reap();
  }

  /** Forgets queues that have been empty for their reap_interval; looks only at the oldest. */
  #reap(): void {
    const now = this.#parts.clock.monotonic();
    for (const [queue, since] of this.#empty) {
      if (now - since < (queue.options?.reap_interval ?? REAP_UNUSED)) return;
      this.#empty.delete(queue);
      this.#queues.delete(queue.name);
    }
  }

  #log(event: Parameters<ScheduleParts['log']['write']>[0]): void {
    const waiting = this.#parts.log.write(event);
    if (waiting instanceof Promise) {
      waiting.catch((error: Error) => this.#parts.diagnostics.error('log', error.message));
    }
  }

  #report(queue: ScheduledQueue, message: QueuedMessage, error: Error): void {
    this.#parts.diagnostics.error('scheduled-queue', `${queue.name} ${message.entry.id}: ${error.message}`);
  }
}

async function configurationOrNone(queue: ScheduledQueue): Promise<QueueOptions | undefined> {
  try {
    return await queue.configuration();
  } catch {
    // Policy has reported the error; the message waits without a configuration.
    return undefined;
  }
}
