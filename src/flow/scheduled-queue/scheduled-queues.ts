import {
  type AdminVerdict,
  type EnumerationSummary,
  expiresBefore,
  type LiveRule,
  type MaybePromise,
  type Message,
  type MessageHome,
  measured,
  ownText,
  QueuedMessage,
  type RequeueReason,
  type Settlement,
  type Shrinking,
  type ThrottleVerdict,
} from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import type { Reply } from '../../protocol/smtp/index.ts';
import type { ReadyFeed } from '../ready-queue/index.ts';
import { countDelay, forgetDelays } from './delays.ts';
import { DueTimes, type DueTimesRoom } from './due-times.ts';
import { EmptyQueues } from './empty-queues.ts';
import { Explaining } from './explaining.ts';
import { Inspection, type InspectionRoom } from './inspection.ts';
import { note } from './note.ts';
import type { ScheduleParts } from './parts.ts';
import { type QueueRoom, ScheduledQueue } from './queue.ts';
import { QueueConfigs } from './queue-configs.ts';
import { type GateVerdict, ReadyGate } from './ready-gate.ts';
import { Rebinding, type RebindRequest, type RebindRoom, type RebindSummary } from './rebinding.ts';
import { delayedEvent } from './requeue.ts';
import { Resident } from './resident.ts';
import { Restoring, type RestoringRoom } from './restoring.ts';
import { Settler, type SettlerRoom } from './settler.ts';
import { Sweep, type SweepRoom } from './sweep.ts';

const resolved = measured.histogram('queue_resolve_latency');
const inserted = measured.histogram('queue_insert_latency');
/** Queues told of a changed policy per turn of the event loop. */
const LOOKED_AT_PER_TURN = 500;

/** All scheduled queues of a shard, and the one wheel that knows when their messages are due. */
export class ScheduledQueues
  implements QueueRoom, SettlerRoom, RestoringRoom, RebindRoom, SweepRoom, InspectionRoom, DueTimesRoom
{
  readonly configs: QueueConfigs;
  readonly #parts: ScheduleParts;
  readonly #settler: Settler;
  readonly restoring: Restoring;
  readonly #gate: ReadyGate;
  readonly #queues = new Map<string, ScheduledQueue>();
  readonly #empty = new EmptyQueues();
  readonly #due: DueTimes;
  readonly resident = new Resident();
  readonly inspection: Inspection;
  readonly explaining: Explaining;
  readonly #rebinds = new Set<Promise<RebindSummary>>();
  /** Sweeps take turns, so that many of them are no more work at a time than one. */
  #sweeps = Promise.resolve();
  #size = 0;
  #stopping = false;
  #policyEpoch = 0;

  constructor(parts: ScheduleParts) {
    this.#parts = parts;
    this.configs = new QueueConfigs(parts.policy, parts.clock);
    this.#settler = new Settler(parts, this);
    this.restoring = new Restoring(parts, this);
    this.#gate = new ReadyGate(parts);
    this.inspection = new Inspection(parts, this);
    this.explaining = new Explaining(parts, this);
    this.#due = new DueTimes(parts.clock, this);
  }

  /** Number of messages that belong to this shard. */
  get size(): number {
    return this.#size;
  }

  /** Number of queues. */
  get count(): number {
    return this.#queues.size;
  }

  /** Every queue, for metrics and status. */
  live(): Iterable<ScheduledQueue> {
    return this.#queues.values();
  }

  find(name: string): ScheduledQueue | undefined {
    return this.#queues.get(name);
  }

  /** The queue of that name with its configuration. Throws QueueConfigError when policy has none for it. */
  resolve(name: string): MaybePromise<ScheduledQueue> {
    const queue = this.named(name);
    const options = queue.configuration();
    if (!(options instanceof Promise)) {
      // Of what takes no time the time is not looked at.
      resolved.observe(0);
      return queue;
    }
    const began = this.#parts.clock.monotonic();
    return options.then(() => queue).finally(() => resolved.took(this.#parts.clock.monotonic() - began));
  }

  /**
   * Asks policy about a new message that would enter a ready queue at once (throttle_insert_ready_queue). Undefined
   * when there is nothing to ask now: nobody listens, or the message has to wait in any case.
   */
  ask(queue: ScheduledQueue, message: Message): MaybePromise<GateVerdict> | undefined {
    if (!this.#gate.isWatched || queue.isHeld || message.due > this.#parts.clock.now()) return undefined;
    return this.#gate.ask(message);
  }

  /**
   * Takes a message that is on disk. It is delivered at once unless it has a later due time. `verdict`: what `ask`
   * gave.
   */
  insert(queue: ScheduledQueue, message: Message, verdict?: GateVerdict): void {
    const began = this.#parts.clock.monotonic();
    this.#insert(queue, message, verdict);
    inserted.took(this.#parts.clock.monotonic() - began);
  }

  #insert(queue: ScheduledQueue, message: Message, verdict: GateVerdict | undefined): void {
    const due = message.due;
    const queued = new QueuedMessage(message.entry!, queue, message.size, message);
    this.join(queued);
    this.resident.came(queued);
    if (this.bounces(queued)) return;
    const { attempts } = queued;
    if (attempts > 0) this.#parts.store.spool.saveProgress(queued.entry, { attempts, due });
    if (verdict?.kind === 'later') this.#settler.throttle(queue, queued, due, ['Received']);
    else if (due <= this.#parts.clock.now()) queue.promote(queued, verdict !== undefined);
    else {
      this.#parts.store.spool.saveProgress(queued.entry, { attempts, due: message.due });
      note(
        this.#parts,
        delayedEvent(this.#parts, queued, message, ['Received', 'ScheduledForLater'], message.due),
      );
      this.schedule(queued, message.due);
    }
  }

  /** Takes back what the spool kept, with attempts and due times as they were. */
  restore(): Promise<EnumerationSummary> {
    return this.restoring.run();
  }

  /** Looks once at every message that waits in the selected queues, which may move it (operations.md 5.6). */
  rebind(request: RebindRequest): Promise<RebindSummary> {
    const work = new Rebinding(this.#parts, this, request).run().finally(() => this.#rebinds.delete(work));
    this.#rebinds.add(work);
    return work;
  }

  /** Bounces every message that waits in a queue of the rule, in the ready queues too, as far as the rule lasts. */
  sweep(by: LiveRule): void {
    this.#sweeps = this.#sweeps.then(() => new Sweep(this.#parts, this, by).run());
  }

  /**
   * Policy has changed: every queue asks for its configuration before its next message, and what is held looks
   * again. The look at all queues is spread over turns of the event loop.
   */
  refresh(): void {
    this.#policyEpoch++;
    this.configs.forgetFailures();
    this.#look(this.#queues.values(), this.#policyEpoch);
  }

  get policyEpoch(): number {
    return this.#policyEpoch;
  }

  #look(round: MapIterator<ScheduledQueue>, epoch: number): void {
    for (let looked = 0; looked < LOOKED_AT_PER_TURN; looked++) {
      const next = round.next();
      if (next.done === true || this.#stopping || epoch !== this.#policyEpoch) return;
      next.value.policyChanged();
    }
    this.#parts.clock.after(0, () => this.#look(round, epoch));
  }

  /** Moves nothing more; resolves when what is being settled is written. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#due.stop();
    await Promise.all([this.#sweeps, this.#settler.idle(), ...this.#rebinds]);
  }

  // --- what the queues ask of the room ---

  get isStopping(): boolean {
    return this.#stopping;
  }

  get isCongested(): boolean {
    return this.#settler.isCongested || this.#parts.log.isStalled === true;
  }

  get clock(): ScheduleParts['clock'] {
    return this.#parts.clock;
  }

  feedFor(home: MessageHome): ReadyFeed {
    return this.#parts.ready.feedFor(home);
  }

  admit(queue: ScheduledQueue, options: QueueOptions): MaybePromise<ThrottleVerdict> {
    return this.#parts.throttles.admit(`schedq-${queue.name}-message-rate`, options.max_message_rate!);
  }

  adminVerdict(queue: ScheduledQueue): AdminVerdict | undefined {
    return this.#parts.admin.verdict(queue);
  }

  get isGated(): boolean {
    return this.#gate.isWatched;
  }

  askGate(queued: QueuedMessage): MaybePromise<GateVerdict> {
    const ask = (message: Message): MaybePromise<GateVerdict> => {
      const verdict = this.#gate.ask(message);
      // What the handler changed must not be forgotten, and the message is needed again at once.
      const keep = (settled: GateVerdict): GateVerdict => {
        this.pin(queued, message);
        return settled;
      };
      return verdict instanceof Promise ? verdict.then(keep) : keep(verdict);
    };
    const message = this.#parts.store.load(queued);
    return message instanceof Promise ? message.then(ask) : ask(message);
  }

  throttled(queue: ScheduledQueue, message: QueuedMessage, due: number): void {
    this.#settler.throttle(queue, message, due, []);
  }

  isExpired(message: QueuedMessage, options: QueueOptions): boolean {
    const now = this.#parts.clock.now();
    const expires = message.schedule?.expires;
    if (expires !== undefined) return now >= expires;
    return expiresBefore(options, this.#parts.createdAt(message.entry.id), now);
  }

  moved(message: QueuedMessage): void {
    if (message.loaded !== undefined && this.resident.isFull) this.resident.drop(message);
  }

  shrink(message: QueuedMessage, how: Shrinking): void {
    this.resident.shrink(message, how);
  }

  waits(message: QueuedMessage, reason: RequeueReason | undefined, until: number): void {
    if (reason !== undefined) {
      countDelay(message.home.name, reason);
      const write = (loaded: Message): void =>
        note(this.#parts, delayedEvent(this.#parts, message, loaded, [reason], until));
      const loaded = this.#parts.store.load(message);
      if (!(loaded instanceof Promise)) write(loaded);
      else loaded.then(write).catch((error: Error) => this.#report(message.entry.id, error));
    }
    // Waiting can be long and the line endless: only the spool keeps what is in it.
    this.resident.drop(message);
  }

  settled(queue: ScheduledQueue, message: QueuedMessage, settlement: Settlement): void {
    this.#settler.settle(queue, message, settlement);
  }

  refused(queue: ScheduledQueue, message: QueuedMessage, why: Reply, reasons: RequeueReason[]): void {
    this.#settler.refuse(queue, message, why, reasons);
  }

  expired(queue: ScheduledQueue, message: QueuedMessage, options: QueueOptions): void {
    this.#settler.expire(queue, message, options);
  }

  // --- what settling asks of the room ---

  /** Puts the message into the wheel; its own schedule has the last word, whoever chose the time. */
  schedule(queued: QueuedMessage, due: number): void {
    this.resident.drop(queued);
    queued.due = queued.schedule?.adjust(due) ?? due;
    if (this.#stopping) return;
    this.#due.insert(queued);
  }

  remove(message: QueuedMessage): void {
    if (message.loaded !== undefined) message.loaded.dirty = false;
    this.resident.drop(message);
    this.#parts.store.spool.remove(message.entry);
    this.#leave(message);
  }

  move(message: QueuedMessage, name: string, due: number): void {
    this.#leave(message);
    const target = this.named(name);
    message.home = target;
    this.#parts.store.spool.saveProgress(message.entry, { attempts: message.attempts, due });
    this.join(message);
    message.due = due;
    if (!this.bounces(message)) this.makeDue(message);
  }

  makeDue(message: QueuedMessage): void {
    const now = this.#parts.clock.now();
    this.#due.noteLate(message.due);
    const due = Math.max(message.due, now);
    if ((message.schedule?.adjust(due) ?? due) <= now) (message.home as ScheduledQueue).promote(message);
    else this.schedule(message, due);
  }

  /** Bounces a message that enters a queue for which an administrator wants that. */
  bounces(message: QueuedMessage): boolean {
    const by = this.#parts.admin.bounceOf(message.home);
    if (by !== undefined) void this.bounce(message, by);
    return by !== undefined;
  }

  bounce(message: QueuedMessage, by: LiveRule): Promise<void> {
    return this.#settler.bounce(message.home as ScheduledQueue, message, by);
  }

  /** Takes a message that waits for its due time; false when it does not. */
  withdraw(message: QueuedMessage): boolean {
    return this.#due.remove(message);
  }

  saved(message: QueuedMessage, loaded: Message): void {
    this.resident.resize(message, loaded.size);
  }

  pin(message: QueuedMessage, loaded: Message): void {
    this.resident.keep(message, loaded);
  }

  promote(queued: QueuedMessage): void {
    (queued.home as ScheduledQueue).promote(queued);
  }

  // --- queues ---

  /** The queue of that name; it asks for its configuration when it has a message to deliver. */
  named(name: string): ScheduledQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new ScheduledQueue(ownText(name), this);
      this.#queues.set(queue.name, queue);
      this.#empty.add(queue, this.#parts.clock.monotonic());
      this.lookAround();
    }
    return queue;
  }

  /** The message belongs to its home from now on. */
  join(message: QueuedMessage): void {
    const queue = message.home as ScheduledQueue;
    this.#size++;
    queue.members.add(message);
    queue.lastChanged = this.#parts.clock.now();
    if (queue.size > 1) return;
    this.#empty.delete(queue);
    this.#queues.set(queue.name, queue);
  }

  #leave(message: QueuedMessage): void {
    const queue = message.home as ScheduledQueue;
    this.#size--;
    queue.members.delete(message);
    queue.lastChanged = this.#parts.clock.now();
    if (queue.size === 0) this.#empty.add(queue, this.#parts.clock.monotonic());
    if (this.#due.isIdle) this.lookAround();
  }

  /** Forgets queues that have been empty for long. */
  lookAround(): void {
    this.#empty.reap(this.#parts.clock.monotonic(), ({ name }) => {
      this.#queues.delete(name);
      forgetDelays(name);
    });
  }

  #report(id: string, error: Error): void {
    this.#parts.diagnostics.error('scheduled-queue', `message ${id}: ${error.message}`);
  }
}
