import {
  Fifo,
  type MaybePromise,
  type MessageHome,
  type QueuedMessage,
  type QueueNameParts,
  type RequeueReason,
  type Settlement,
  type ThrottleVerdict,
  type Timer,
} from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import type { OfferVerdict, ReadyFeed } from '../ready-queue/index.ts';
import { QueueConfigError, type QueueConfigs } from './queue-configs.ts';

/** What a queue needs of the room it lives in. */
export interface QueueRoom {
  readonly configs: QueueConfigs;
  /** Nothing moves any more; what is in the spool stays there as it is. */
  readonly isStopping: boolean;
  readonly clock: { monotonic(): number; after(delay: number, callback: () => void): Timer };
  feedFor(home: MessageHome): ReadyFeed;
  admit(queue: ScheduledQueue, options: QueueOptions): MaybePromise<ThrottleVerdict>;
  /** There is no way to deliver the message now: a counted attempt. */
  refused(queue: ScheduledQueue, message: QueuedMessage, why: Reply, reasons: RequeueReason[]): void;
  settled(queue: ScheduledQueue, message: QueuedMessage, settlement: Settlement): void;
  /** The message stays in line although it is due; `reason` is undefined while it is only being looked up. */
  waits(queue: ScheduledQueue, message: QueuedMessage, reason: RequeueReason | undefined): void;
  moved(message: QueuedMessage): void;
}

type Step = 'moved' | 'held';

/**
 * The messages of one scheduled queue that are due, in order, on their way into the ready queues.
 * flowing → held → flowing. While flowing, a due message moves on at once. It is held while configuration or
 * routes are being resolved, while every ready queue is full and while max_message_rate has no budget; what
 * falls due meanwhile waits in line, and nothing looks at the line until the hold ends.
 */
export class ScheduledQueue implements MessageHome {
  readonly name: string;
  readonly parts: QueueNameParts;
  /** Messages that belong here: scheduled, due, or being delivered. */
  size = 0;
  #options: QueueOptions | undefined;
  #refreshed = 0;
  #refreshing: Promise<QueueOptions> | undefined;
  #feed: ReadyFeed | undefined;
  #line: Fifo<QueuedMessage> | undefined;
  #busy = false;
  #hold: RequeueReason | undefined;
  #holdTimer: Timer | undefined;
  readonly #room: QueueRoom;

  constructor(name: string, parts: QueueNameParts, room: QueueRoom) {
    this.name = name;
    this.parts = parts;
    this.#room = room;
  }

  get egressPool(): string | undefined {
    return this.#options?.egress_pool;
  }

  get providerName(): string | undefined {
    return this.#options?.provider_name;
  }

  get options(): QueueOptions | undefined {
    return this.#options;
  }

  /** The configuration, fresh enough; asks policy when there is none. Throws QueueConfigError. */
  configuration(): MaybePromise<QueueOptions> {
    const options = this.#options;
    if (options === undefined) return this.#ask();
    if (this.#room.clock.monotonic() - this.#refreshed >= options.refresh_interval) this.#refreshBehind();
    return options;
  }

  /** A message is due: it moves on, or waits in line. */
  promote(message: QueuedMessage): void {
    this.#line ??= new Fifo();
    this.#line.push(message);
    this.#pump();
    // It was last in line, so it has moved on exactly when the line is empty.
    if ((this.#line?.length ?? 0) > 0) this.#room.waits(this, message, this.#hold);
  }

  settle(message: QueuedMessage, settlement: Settlement): void {
    this.#room.settled(this, message, settlement);
  }

  #pump(): void {
    if (this.#room.isStopping || this.#busy || this.#hold !== undefined || this.#line === undefined) return;
    for (let message = this.#line.peek(); message !== undefined; message = this.#line.peek()) {
      const step = this.#step(message);
      if (step instanceof Promise) {
        this.#busy = true;
        step.then(this.#resume, (error: Error) => this.#failed(message, error));
        return;
      }
      if (step === 'held') return;
    }
    if (this.#line.length === 0) this.#line = undefined;
  }

  readonly #resume = (): void => {
    this.#busy = false;
    this.#pump();
  };

  /** A defect on the way must not stop the line: the message waits its turn again. */
  #failed(message: QueuedMessage, error: Error): void {
    this.#refuse(message, reply(451, '4.3.0', `KumoMTA internal: ${error.message}`), []);
    this.#resume();
  }

  #step(message: QueuedMessage): MaybePromise<Step> {
    const options = this.#currentOptions();
    if (options === undefined) return this.#stepLater(message);
    if (options.max_message_rate !== undefined) return this.#throttledStep(message, options);
    return this.#offer(message, options);
  }

  #currentOptions(): QueueOptions | undefined {
    if (this.#options === undefined) return undefined;
    const options = this.configuration();
    return options instanceof Promise ? undefined : options;
  }

  async #stepLater(message: QueuedMessage): Promise<Step> {
    try {
      const options = await this.configuration();
      if (options.max_message_rate !== undefined) return await this.#throttledStep(message, options);
      return await this.#offer(message, options);
    } catch (error) {
      if (!(error instanceof QueueConfigError)) throw error;
      return this.#refuse(message, reply(451, '4.4.4', error.message), ['MessageGetQueueNameFailed']);
    }
  }

  #throttledStep(message: QueuedMessage, options: QueueOptions): MaybePromise<Step> {
    const apply = (verdict: ThrottleVerdict): MaybePromise<Step> => {
      if (!verdict.throttled) return this.#offer(message, options);
      this.#hold = 'MessageRateThrottle';
      this.#holdTimer = this.#room.clock.after(verdict.retryAfter ?? 0, this.#release);
      return 'held';
    };
    const verdict = this.#room.admit(this, options);
    return verdict instanceof Promise ? verdict.then(apply) : apply(verdict);
  }

  #offer(message: QueuedMessage, options: QueueOptions): MaybePromise<Step> {
    this.#feed ??= this.#room.feedFor(this);
    const verdict = this.#feed.offer(message, options);
    return verdict instanceof Promise
      ? verdict.then((later) => this.#apply(message, later))
      : this.#apply(message, verdict);
  }

  #apply(message: QueuedMessage, verdict: OfferVerdict): Step {
    if (verdict.kind === 'full') {
      this.#hold = 'ReadyQueueWasFull';
      this.#feed!.whenRoom(this.#release);
      // A changed configuration may lead elsewhere; without this look nothing would ask for it.
      this.#holdTimer = this.#room.clock.after(this.#options!.refresh_interval, this.#release);
      return 'held';
    }
    if (verdict.kind === 'refused') return this.#refuse(message, verdict.reply, verdict.reasons);
    this.#line!.shift();
    this.#room.moved(message);
    return 'moved';
  }

  #refuse(message: QueuedMessage, why: Reply, reasons: RequeueReason[]): Step {
    this.#line!.shift();
    this.#room.refused(this, message, why, reasons);
    return 'moved';
  }

  readonly #release = (): void => {
    this.#holdTimer?.cancel();
    this.#holdTimer = undefined;
    this.#hold = undefined;
    this.#pump();
  };

  #ask(): Promise<QueueOptions> {
    this.#refreshing ??= this.#fetch();
    return this.#refreshing;
  }

  async #fetch(): Promise<QueueOptions> {
    try {
      const options = await this.#room.configs.fetch(this.name, this.parts);
      if (this.#options !== options) this.#feed?.invalidate();
      this.#options = options;
      this.#refreshed = this.#room.clock.monotonic();
      return options;
    } finally {
      this.#refreshing = undefined;
    }
  }

  /** A refresh that fails keeps the old configuration; the engine has reported the error. */
  #refreshBehind(): void {
    if (this.#refreshing !== undefined) return;
    this.#refreshed = this.#room.clock.monotonic();
    this.#ask().catch(() => {});
  }
}
