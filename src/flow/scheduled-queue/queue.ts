import {
  type AdminVerdict,
  Fifo,
  type MaybePromise,
  type MessageHome,
  parseQueueName,
  type QueuedMessage,
  type QueueNameParts,
  type RequeueReason,
  type Settlement,
  type Shrinking,
  type ThrottleVerdict,
  type Timer,
} from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import type { OfferVerdict, ReadyFeed } from '../ready-queue/index.ts';
import { Members } from './members.ts';
import { QueueConfigError, type QueueConfigs } from './queue-configs.ts';
import type { GateVerdict } from './ready-gate.ts';

/** What a queue needs of the room it lives in. */
export interface QueueRoom {
  readonly configs: QueueConfigs;
  /** Counts changes of the policy. */
  readonly policyEpoch: number;
  /** Nothing moves any more; what is in the spool stays there as it is. */
  readonly isStopping: boolean;
  readonly clock: { now(): number; monotonic(): number; after(delay: number, callback: () => void): Timer };
  feedFor(home: MessageHome): ReadyFeed;
  admit(queue: ScheduledQueue, options: QueueOptions): MaybePromise<ThrottleVerdict>;
  /** What an administrator wants of a message that is about to go on. */
  adminVerdict(queue: ScheduledQueue): AdminVerdict | undefined;
  /** Whether policy is to be asked before a message enters a ready queue. */
  readonly isGated: boolean;
  askGate(message: QueuedMessage): MaybePromise<GateVerdict>;
  /** Policy has the message wait until `due`, in ms since the epoch; the attempt does not count. */
  throttled(queue: ScheduledQueue, message: QueuedMessage, due: number): void;
  /** There is no way to deliver the message now: a counted attempt. */
  refused(queue: ScheduledQueue, message: QueuedMessage, why: Reply, reasons: RequeueReason[]): void;
  settled(queue: ScheduledQueue, message: QueuedMessage, settlement: Settlement): void;
  /** So much is being settled that more had better wait. */
  readonly isCongested: boolean;
  isExpired(message: QueuedMessage, options: QueueOptions): boolean;
  expired(queue: ScheduledQueue, message: QueuedMessage, options: QueueOptions): void;
  /**
   * The message stays in line although it is due, until about `until` (ms since the epoch). `reason` is undefined
   * while it is only being looked up.
   */
  waits(message: QueuedMessage, reason: RequeueReason | undefined, until: number): void;
  moved(message: QueuedMessage): void;
  shrink(message: QueuedMessage, how: Shrinking): void;
}

type Step = 'moved' | 'held' | 'again';

/** Messages that one queue moves on per turn of the event loop. */
const STEPS_PER_TURN = 256;
/** Messages that were waited for, such as for policy, after which others get their turn. */
const AWAITED_PER_TURN = 64;
/** Wait for those being settled, when there are very many, ms. */
const CONGESTION_WAIT = 20;

/**
 * The messages of one scheduled queue that are due, in order, on their way into the ready queues.
 * flowing → held → flowing. While flowing, a due message moves on at once. It is held while configuration or
 * routes are being resolved, while every ready queue is full and while max_message_rate has no budget; what
 * falls due meanwhile waits in line, and nothing looks at the line until the hold ends.
 */
export class ScheduledQueue implements MessageHome {
  readonly name: string;
  #parts: QueueNameParts | undefined;
  /** Messages that belong here: scheduled, due, or being delivered. */
  readonly members = new Members();
  /** When a message came or went last, ms since the epoch. */
  lastChanged = 0;
  #options: QueueOptions | undefined;
  #refreshed = 0;
  /** Epoch of the policy that the configuration is from. */
  #policyEpoch = 0;
  #refreshing: Promise<QueueOptions> | undefined;
  /** The way into the ready queues, once there is one. */
  feed: ReadyFeed | undefined;
  #line: Fifo<QueuedMessage> | undefined;
  #busy = false;
  #hold: RequeueReason | undefined;
  /** About when the hold ends, ms since the epoch; for the Delayed record. */
  #holdUntil = 0;
  #holdTimer: Timer | undefined;
  /** max_message_rate has let the first in line through; it must not pay twice when the ready queue is full. */
  #isAdmitted = false;
  /** Those in line whom policy has let pass already; it is asked once for each time that a message is due. */
  #passed: Set<QueuedMessage> | undefined;
  #awaited = 0;
  #releaseLater: (() => void) | undefined;
  readonly #room: QueueRoom;

  constructor(name: string, room: QueueRoom) {
    this.name = name;
    this.#room = room;
  }

  /** Made when it is asked for, since most queues of very many wait only for their time. */
  get parts(): QueueNameParts {
    this.#parts ??= parseQueueName(this.name);
    return this.#parts;
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
    if (options === undefined || this.#policyEpoch !== this.#room.policyEpoch) return this.#ask();
    if (options.refresh_strategy === 'Ttl') {
      const age = this.#room.clock.monotonic() - this.#refreshed;
      if (age >= options.refresh_interval) this.#refreshBehind();
    }
    return options;
  }

  /** Policy has changed: whatever holds the line may hold it no longer. */
  policyChanged(): void {
    this.feed?.invalidate();
    if (this.#hold !== undefined) this.#release();
  }

  /** What is due and waits, why, and until about when. */
  get waiting(): { line: Fifo<QueuedMessage> | undefined; hold: RequeueReason | undefined; until: number } {
    return { line: this.#line, hold: this.#hold, until: this.#holdUntil };
  }

  /** How many messages belong here. */
  get size(): number {
    return this.members.size;
  }

  /** Takes out what is due and waits in line, but for a message that is on its way just now. */
  takeLine(): Fifo<QueuedMessage> | undefined {
    const line = this.#line;
    const first = line?.peek();
    if (line === undefined || first === undefined) return undefined;
    this.#line = undefined;
    if (this.#busy) {
      line.shift();
      this.#line = new Fifo();
      this.#line.push(first);
      const hasPassed = this.#passed?.has(first);
      this.#passed = undefined;
      if (hasPassed) this.#pass(first);
    } else {
      this.#isAdmitted = false;
      this.#passed = undefined;
    }
    return line;
  }

  /** What is due now has to wait. */
  get isHeld(): boolean {
    return this.#hold !== undefined;
  }

  /** A message is due: it moves on, or waits in line. `hasPassed`: policy has been asked about it just now. */
  promote(message: QueuedMessage, hasPassed = false): void {
    this.#line ??= new Fifo();
    this.#line.push(message);
    if (hasPassed) this.#pass(message);
    this.#pump();
    // It was last in line, so it has moved on exactly when the line is empty.
    if ((this.#line?.length ?? 0) > 0) this.#room.waits(message, this.#hold, this.#holdUntil);
  }

  #pass(message: QueuedMessage): void {
    this.#passed ??= new Set();
    this.#passed.add(message);
  }

  settle(message: QueuedMessage, settlement: Settlement): void {
    this.#room.settled(this, message, settlement);
  }

  shrink(message: QueuedMessage, how: Shrinking): void {
    this.#room.shrink(message, how);
  }

  #pump(): void {
    if (this.#room.isStopping || this.#busy || this.#hold !== undefined || this.#line === undefined) return;
    let steps = 0;
    for (let message = this.#line.peek(); message !== undefined; message = this.#line.peek()) {
      if (steps++ >= STEPS_PER_TURN || this.#room.isCongested) {
        this.#busy = true;
        this.#room.clock.after(this.#room.isCongested ? CONGESTION_WAIT : 0, () => this.#resume());
        return;
      }
      const step = this.#guardedStep(message);
      if (step instanceof Promise) {
        this.#busy = true;
        step.then(
          () => (++this.#awaited % AWAITED_PER_TURN === 0 ? this.#resumeNextTurn() : this.#resume()),
          (error: Error) => this.#failed(message, error),
        );
        return;
      }
      if (step === 'held') return;
    }
    if (this.#line.length === 0) this.#line = undefined;
  }

  #resume(): void {
    this.#busy = false;
    this.#pump();
  }

  #resumeNextTurn(): void {
    this.#room.clock.after(0, () => this.#resume());
  }

  /** A defect on the way must not stop the line: the message waits its turn again. */
  #failed(message: QueuedMessage, error: Error): void {
    this.#refuse(message, reply(451, '4.3.0', `KumoMTA internal: ${error.message}`), []);
    this.#resume();
  }

  #guardedStep(message: QueuedMessage): MaybePromise<Step> {
    try {
      const verdict = this.#room.adminVerdict(this);
      if (verdict !== undefined) {
        this.#shift(message);
        this.#room.settled(this, message, verdict);
        return 'moved';
      }
      const options = this.#currentOptions();
      return options === undefined ? this.#stepLater(message) : this.#step(message, options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #step(message: QueuedMessage, options: QueueOptions): MaybePromise<Step> {
    // Whatever is still in memory has just come; only what waited can have become too old.
    if (message.loaded === undefined && this.#room.isExpired(message, options)) {
      this.#shift(message);
      this.#room.expired(this, message, options);
      return 'moved';
    }
    if (options.max_message_rate !== undefined && !this.#isAdmitted)
      return this.#throttledStep(message, options);
    return this.#gatedStep(message, options);
  }

  #currentOptions(): QueueOptions | undefined {
    if (this.#options === undefined) return undefined;
    const options = this.configuration();
    return options instanceof Promise ? undefined : options;
  }

  async #stepLater(message: QueuedMessage): Promise<Step> {
    try {
      const options = await this.configuration();
      return await this.#step(message, options);
    } catch (error) {
      if (!(error instanceof QueueConfigError)) throw error;
      return this.#refuse(message, reply(451, '4.4.4', error.message), ['MessageGetQueueNameFailed']);
    }
  }

  #throttledStep(message: QueuedMessage, options: QueueOptions): MaybePromise<Step> {
    const apply = (verdict: ThrottleVerdict): MaybePromise<Step> => {
      this.#isAdmitted = !verdict.throttled;
      if (!verdict.throttled) return this.#gatedStep(message, options);
      this.#hold = 'MessageRateThrottle';
      const wait = verdict.retryAfter ?? 0;
      this.#holdUntil = this.#room.clock.now() + wait;
      // A configuration that is asked for again from time to time may have a faster rate by then.
      const look = options.refresh_strategy === 'Ttl' ? Math.min(wait, options.refresh_interval) : wait;
      this.#holdTimer = this.#room.clock.after(look, this.#releaser);
      return 'held';
    };
    const verdict = this.#room.admit(this, options);
    return verdict instanceof Promise ? verdict.then(apply) : apply(verdict);
  }

  #gatedStep(message: QueuedMessage, options: QueueOptions): MaybePromise<Step> {
    if (!this.#room.isGated || this.#passed?.has(message)) return this.#offer(message, options);
    const apply = (verdict: GateVerdict): MaybePromise<Step> => {
      switch (verdict.kind) {
        case 'open':
          this.#pass(message);
          return this.#offer(message, options);
        case 'later':
          this.#shift(message);
          this.#room.throttled(this, message, verdict.due);
          return 'moved';
        case 'failed':
          return this.#refuse(message, reply(451, '4.4.4', verdict.why), ['FailedToInsertIntoReadyQueue']);
      }
    };
    const verdict = this.#room.askGate(message);
    return verdict instanceof Promise ? verdict.then(apply) : apply(verdict);
  }

  #offer(message: QueuedMessage, options: QueueOptions): MaybePromise<Step> {
    this.feed ??= this.#room.feedFor(this);
    const verdict = this.feed.offer(message, options);
    return verdict instanceof Promise
      ? verdict.then((later) => this.#apply(message, later))
      : this.#apply(message, verdict);
  }

  #apply(message: QueuedMessage, verdict: OfferVerdict): Step {
    if (verdict.kind === 'full') {
      this.#hold = 'ReadyQueueWasFull';
      this.#holdUntil = this.#room.clock.now();
      this.feed!.whenRoom(this.#releaser);
      // A changed configuration may lead elsewhere; without this look nothing would ask for it.
      this.#holdTimer = this.#room.clock.after(this.#options!.refresh_interval, this.#releaser);
      return 'held';
    }
    if (verdict.kind === 'changed') return 'again';
    if (verdict.kind === 'refused') return this.#refuse(message, verdict.reply, verdict.reasons);
    this.#shift(message);
    this.#room.moved(message);
    return 'moved';
  }

  /** The first in line leaves it. */
  #shift(message: QueuedMessage): void {
    this.#line!.shift();
    this.#isAdmitted = false;
    this.#passed?.delete(message);
  }

  #refuse(message: QueuedMessage, why: Reply, reasons: RequeueReason[]): Step {
    this.#shift(message);
    this.#room.refused(this, message, why, reasons);
    return 'moved';
  }

  #release(): void {
    this.#holdTimer?.cancel();
    this.#holdTimer = undefined;
    this.#hold = undefined;
    this.#pump();
  }

  /** `release` for others to call, always the same. Made when it is needed, since most queues of very many wait only for their time. */
  get #releaser(): () => void {
    this.#releaseLater ??= () => this.#release();
    return this.#releaseLater;
  }

  #ask(): Promise<QueueOptions> {
    this.#refreshing ??= this.#fetch();
    return this.#refreshing;
  }

  async #fetch(): Promise<QueueOptions> {
    const epoch = this.#room.policyEpoch;
    try {
      const options = await this.#room.configs.fetch(this.name, this.parts);
      const before = this.#options;
      if (before !== options) this.feed?.invalidate();
      this.#options = options;
      this.#refreshed = this.#room.clock.monotonic();
      if (before !== undefined && !isSameWay(before, options)) this.feed?.takeBack();
      if (this.#hold !== undefined) this.#release();
      return options;
    } catch (error) {
      if (this.#options === undefined || !(error instanceof QueueConfigError)) throw error;
      // A policy that changed for the worse: the old configuration holds, as at any other refresh.
      return this.#options;
    } finally {
      this.#policyEpoch = epoch;
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

/** Whether mail is delivered as before. */
function isSameWay(before: QueueOptions, after: QueueOptions): boolean {
  return JSON.stringify(before.protocol) === JSON.stringify(after.protocol);
}
