import type {
  ConnectionPlan,
  Lease,
  Message,
  Outcome,
  PlannedHost,
  QueuedMessage,
  RequeueReason,
  Timer,
} from '../../model/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import { type AttemptResult, ConnectFailure, type SmtpSession } from '../delivery/index.ts';
import { inOrder, isTransient, settlementOf } from './attempt-records.ts';
import { connectHost } from './connect-host.ts';
import { END_TEXTS, type End, endReply, slotUntilEnd } from './connection-end.ts';
import { ConnectionStatus } from './connection-status.ts';
import type { Connection } from './connections.ts';
import { Hand } from './hand.ts';
import type { ReadyParts } from './parts.ts';
import { passRate } from './pass-rate.ts';
import type { NamedRate } from './path-limits.ts';
import { planVerdict, sourceFailureOf, unansweredOutcome, unreachableVerdict } from './plan-verdict.ts';
import type { ReadyQueue, WantedSlot } from './ready-queue.ts';
import { statusRewriter } from './status-rewriter.ts';
import { Watchdog, watchdogTimeout } from './watchdog.ts';

/**
 * One connection to one site, fed from its ready queue.
 * planning → connecting → sending → idle → sending … → closing. Leaves `idle` for `closing` after idle_timeout,
 * max_deliveries_per_connection, or when somebody else wants the slot. When the connection breaks it goes back
 * to `connecting` with what reconnect_strategy leaves of the plan. Every message taken is settled exactly once.
 */
export class Dispatcher implements Connection {
  readonly #parts: ReadyParts;
  readonly #queue: ReadyQueue;
  readonly #lease: Lease;
  readonly #slot: WantedSlot;
  readonly #planFor: (queue: ReadyQueue) => Promise<ConnectionPlan>;
  readonly #hand: Hand;
  readonly status: ConnectionStatus;
  readonly #watchdog: Watchdog;
  readonly #endCallbacks = new Set<() => void>();
  #end: End | undefined;
  #candidates: PlannedHost[] = [];
  /** Where the session is, or was. */
  #host: PlannedHost | undefined;
  #session: SmtpSession | undefined;
  /** Messages that any host was asked to take. */
  #attempted = 0;
  /** Of these, over the connection that is open. */
  #deliveries = 0;
  /** What the peer said when the connection was lost; undefined when it went without a word. */
  #farewell: Reply | undefined;

  constructor(
    parts: ReadyParts,
    queue: ReadyQueue,
    lease: Lease,
    planFor: (queue: ReadyQueue) => Promise<ConnectionPlan>,
  ) {
    this.#parts = parts;
    this.#queue = queue;
    this.#lease = lease;
    this.#slot = slotUntilEnd(lease, () => this.#end === 'aborted', this.#onEnd);
    this.#planFor = planFor;
    this.status = new ConnectionStatus(parts.clock, queue.name);
    this.#hand = new Hand(parts, queue, this.status);
    this.#watchdog = new Watchdog(parts.clock, watchdogTimeout(queue.path), () => this.#abort('stalled'));
  }

  /** Carries messages until there are no more; resolves when the connection is closed. */
  async run(): Promise<void> {
    const forget = this.#queue.onStopping(() => this.#endBy('stopping'));
    try {
      await this.#carry();
    } catch (error) {
      // A defect must not repeat itself without end: some message pays for it.
      if (this.#hand.message === undefined) this.#hand.take();
      throw error;
    } finally {
      forget();
      this.#lease.leave?.();
      this.status.enter('Closing');
      this.#watchdog.stop();
      const { message } = this.#hand;
      // Only a defect of ours leaves a message in hand; it goes back rather than nowhere.
      if (message !== undefined) {
        this.#hand.requeue(message, reply(451, '4.3.0', 'KumoMTA internal: delivery was interrupted'));
      }
      await Promise.all([this.#session?.quit(), this.#end ?? this.#watchdog.closed()]);
    }
  }

  abort(why: End): void {
    this.#abort(why);
  }

  async #carry(): Promise<void> {
    const isEager = this.#queue.path.aggressive_connection_opening;
    if (!isEager && this.#hand.take() === undefined) return;
    if (!(await this.#makePlan())) return;
    if (isEager) {
      if (!(await this.#connect())) return;
      await this.#awaitNext();
    }
    for (let queued = this.#hand.message; queued !== undefined; queued = this.#hand.message) {
      if (!(await this.#deliver(queued)) || this.#isUsedUp()) return;
      await this.#awaitNext();
    }
  }

  async #awaitNext(): Promise<void> {
    this.#watchdog.rest();
    this.status.enter('Idle');
    this.#hand.hold(await this.#queue.next(this.#queue.path.idle_timeout, this.#slot));
    this.#watchdog.progress();
  }

  readonly #onEnd = (callback: () => void): (() => void) => {
    this.#endCallbacks.add(callback);
    return () => this.#endCallbacks.delete(callback);
  };

  /** Whoever waits is told; what is being sent goes on. */
  #endBy(why: End): void {
    this.#end ??= this.status.ending(why);
    for (const callback of [...this.#endCallbacks]) callback();
  }

  /** Ends also what is being sent. */
  #abort(why: End): void {
    this.#endBy(why);
    this.#session?.abort(END_TEXTS[why]);
  }

  /** What `work` gives, unless the connection is to end before. Not Promise.race: the work may outlive many of them. */
  async #unlessEnded<T>(work: Promise<T>): Promise<T | 'ended'> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) resolve('ended');
      const forget = this.#onEnd(() => resolve('ended'));
      work.then(resolve, reject).finally(forget);
    });
  }

  /** The connection ends before its time. Gives false, for that it is over. */
  #settleEnded(): false {
    const { message } = this.#hand;
    if (message === undefined) return false;
    if (this.#end === 'stopping') {
      this.#hand.drop();
      return false;
    }
    const why = endReply(this.#end, watchdogTimeout(this.#queue.path));
    this.#hand.requeueDropped(message, why, why);
    return false;
  }

  #isUsedUp(): boolean {
    const { path, connections, connectionLimit } = this.#queue;
    const limit = path.max_deliveries_per_connection;
    if (this.#slot.wanted || (limit > 0 && this.#deliveries >= limit)) return true;
    // The limit may have been lowered while this connection was open.
    return connections > connectionLimit;
  }

  /** Settles the message one way or another. False when this connection is over. */
  async #deliver(queued: QueuedMessage): Promise<boolean> {
    for (const rate of this.#queue.limits.messageRates) {
      if (!(await this.#admit(rate, 'MessageRateThrottle'))) return false;
    }
    const extended = this.#lease.extend?.() ?? true;
    if (!(extended instanceof Promise ? await extended : extended)) {
      this.#hand.putBack(queued);
      return false;
    }
    return this.#send(queued);
  }

  /** Over the connection that there is, or a new one. */
  async #send(queued: QueuedMessage): Promise<boolean> {
    // An unsolicited 421 or EOF on an idle connection is not charged to the message (delivery.md 8.6).
    if (this.#session !== undefined && !this.#session.usable) return this.#goOnElsewhere(queued);
    if (this.#session === undefined && !(await this.#connect())) return false;
    return this.#attempt(queued, this.#session!);
  }

  async #attempt(queued: QueuedMessage, session: SmtpSession): Promise<boolean> {
    const message = await this.#hand.load(queued);
    if (message === undefined) return true;
    const body = await message.data();
    this.#watchdog.progress();
    this.status.enter('DeliveringMessage');
    const result = await session.attempt({
      id: message.id,
      home: queued.home,
      sender: message.sender,
      recipients: message.recipients,
      body,
      rewriteStatus: statusRewriter(this.#parts, queued.home.parts),
    });
    if (result.stale && this.#end === undefined) return this.#goOnElsewhere(queued);
    this.#attempted++;
    this.#deliveries++;
    const outcomes = inOrder(result, message.recipients.length);
    // Nobody was told anything for good, so that the message is as before.
    if (result.failure !== undefined && this.#isAborted && outcomes.every(isTransient))
      return this.#settleEnded();
    const facts = {
      peer: result.peer,
      tls: result.tls,
      sourceAddress: result.sourceAddress,
      delivery: result.delivery,
      sessionId: session.id,
    };
    if (result.connection === 'gone') this.#lost();
    if (this.#mayTryNextHost(result) && outcomes.some(isTransient)) {
      await this.#hand.record(queued, message, outcomes, facts);
      return this.#tryNextHost(queued, message, outcomes);
    }
    await this.#hand.conclude(queued, message, outcomes, facts);
    // Before the next MAIL, so that a kill repeats at most what each connection has in hand.
    await this.#parts.store.spool.removalsWritten();
    return this.#session !== undefined || this.#candidates.length > 0;
  }

  get #isAborted(): boolean {
    return this.#end !== undefined && this.#session?.usable === false;
  }

  #mayTryNextHost({ failure, connection }: AttemptResult): boolean {
    const wanted = this.#queue.path.try_next_host_on_transport_error;
    return wanted && failure !== undefined && connection === 'gone' && this.#candidates.length > 0;
  }

  /** The recipients who are not served go to the next host of the plan at once (delivery.md section 9). */
  async #tryNextHost(
    queued: QueuedMessage,
    message: Message,
    outcomes: readonly Outcome[],
  ): Promise<boolean> {
    const settlement = settlementOf(message, outcomes);
    if (settlement.kind === 'requeue' && settlement.remaining !== undefined) {
      message.recipients = settlement.remaining;
      message.dirty = true;
      try {
        await this.#parts.store.save(message);
      } catch {
        // What cannot be written must not be sent on: the others would get it again after a restart.
        this.#hand.settle(queued, settlement);
        return this.#candidates.length > 0;
      }
    }
    return this.#send(queued);
  }

  /** The connection is gone: what is left of the plan is as reconnect_strategy says. */
  #lost(): void {
    this.#farewell = this.#session?.farewell;
    this.#session = undefined;
    switch (this.#queue.path.reconnect_strategy) {
      case 'ConnectNextHost':
        return;
      case 'TerminateSession':
        this.#candidates = [];
        return;
      case 'ReconnectSameHost':
        if (this.#host !== undefined) this.#candidates.unshift(this.#host);
    }
  }

  /** The connection had gone before the message: another host takes it, or a fresh connection does. */
  async #goOnElsewhere(queued: QueuedMessage): Promise<boolean> {
    this.#attempted++;
    this.#lost();
    return this.#candidates.length > 0 ? this.#send(queued) : this.#planUsedUp(queued);
  }

  /** Not charged to the message: a host took others over this session (delivery.md 8.6). */
  #planUsedUp(queued: QueuedMessage): false {
    if (this.#farewell !== undefined) this.#hand.putBack(queued);
    else {
      const why = reply(451, '4.4.2', 'KumoMTA internal: the peer closed the connection without a reply');
      this.#hand.requeueDropped(queued, why);
    }
    return false;
  }

  /** Waits out short throttles; a long one sends the whole queue back. False when it did. */
  async #admit(rate: NamedRate, reason: RequeueReason): Promise<boolean> {
    const patience = (): number => this.#queue.path.idle_timeout;
    const sleep = (duration: number): Promise<unknown> =>
      this.#queue.whileThrottled(reason, rate.key, this.#sleep(duration), this.status);
    const passed = await passRate(this.#parts.throttles, rate, patience, sleep);
    if (passed === 'passed') return true;
    if (passed === 'ended') return this.#settleEnded();
    this.#delayQueue(passed.delayed, reason);
    return false;
  }

  async #sleep(duration: number): Promise<unknown> {
    this.#watchdog.rest();
    let timer: Timer | undefined;
    const slept = new Promise<void>((resolve) => {
      timer = this.#parts.clock.after(duration, resolve);
    });
    const result = await this.#unlessEnded(slept);
    timer?.cancel();
    this.#watchdog.progress();
    return result;
  }

  #delayQueue(delay: number, reason: RequeueReason): void {
    const why = reply(451, '4.4.1', 'KumoMTA internal: ready queue throttled');
    const { message } = this.#hand;
    if (message !== undefined) {
      this.#hand.settle(message, { kind: 'requeue', reply: why, reasons: [reason], counted: false, delay });
    }
    this.#queue.requeueAll(why, [reason], false, delay);
  }

  /** Resolves the hosts of the site. A verdict on the whole site settles every waiting message. */
  async #makePlan(): Promise<boolean> {
    const plan = await this.#unlessEnded(this.#planFor(this.#queue));
    if (plan === 'ended') return this.#settleEnded();
    this.#watchdog.progress();
    if (plan.kind === 'candidates') {
      this.#candidates = [...plan.candidates];
      return true;
    }
    const { outcome, reasons } = planVerdict(plan);
    const { message } = this.#hand;
    if (message !== undefined) await this.#hand.concludeUnsent(message, outcome, reasons);
    await this.#hand.concludeWaiting(outcome, reasons);
    return false;
  }

  /** Makes a session with the first candidate that gives one. False when none does, or the connection is to end. */
  async #connect(): Promise<boolean> {
    const { limits, source } = this.#queue;
    const { health } = this.#parts;
    const failures: ConnectFailure[] = [];
    for (let next = this.#candidates.shift(); next !== undefined; next = this.#candidates.shift()) {
      if (health.check(source)) {
        if (failures.length === 0) return this.#hand.reinsert();
        break;
      }
      const rate = limits.connectionRate;
      if (rate !== undefined && !(await this.#admit(rate, 'ConnectionRateThrottle'))) return false;
      try {
        this.status.enter('AttemptingConnection');
        const session = await this.#greet(next);
        if (session === 'ended') return this.#settleEnded();
        this.#session = session;
        this.status.connected(session.id);
        this.#host = next;
        this.#deliveries = 0;
        this.#queue.connected();
        return true;
      } catch (error) {
        if (!(error instanceof ConnectFailure)) throw error;
        if (error.kind === 'shortage') return this.#hand.postpone(error.message);
        failures.push(error);
        this.#watchdog.progress();
        const failure = sourceFailureOf(error);
        if (failure !== undefined) health.failed(source, failure);
      }
    }
    await this.#noHostAnswered(failures);
    return false;
  }

  /** Connects, unless the connection is to end before; what comes then is ended. */
  async #greet(host: PlannedHost): Promise<SmtpSession | 'ended'> {
    const connecting = connectHost(this.#parts, {
      queue: this.#queue,
      host,
      others: this.#candidates,
      first: this.#hand.message,
      dial: this.#watchdog.watching(this.#parts.dial),
    });
    const session = await this.#unlessEnded(connecting);
    if (session === 'ended') connecting.then((late) => late.quit()).catch(() => {});
    return session;
  }

  async #noHostAnswered(failures: readonly ConnectFailure[]): Promise<void> {
    const { path } = this.#queue;
    const message = this.#hand.message ?? this.#hand.take();
    if (message !== undefined && this.#attempted > 0) {
      // The hosts that are left were never the first choice; a fresh connection may try them all again.
      this.#planUsedUp(message);
      return;
    }
    if (message !== undefined) await this.#hand.concludeUnsent(message, unansweredOutcome(failures, path));
    const before = this.#queue.failedToConnect() - 1;
    if (before <= path.consecutive_connection_failures_before_delay) return;
    const { outcome, reasons } = unreachableVerdict();
    await this.#hand.concludeWaiting(outcome, reasons);
  }
}
