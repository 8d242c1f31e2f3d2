import { randomUUID } from 'node:crypto';
import {
  type Lease,
  type MaybePromise,
  type Message,
  measured,
  type Outcome,
  type PolicyConnection,
  type QueuedMessage,
  type RequeueReason,
  type Timer,
} from '../../model/index.ts';
import type { QueueProtocol } from '../../model/options/index.ts';
import { reply } from '../../protocol/smtp/index.ts';
import { END_TEXTS, type End, endReply, slotUntilEnd } from './connection-end.ts';
import { ConnectionStatus } from './connection-status.ts';
import type { Connection } from './connections.ts';
import { Hand } from './hand.ts';
import { failureText, verdictOn } from './lua-verdict.ts';
import type { ReadyParts } from './parts.ts';
import { passRate } from './pass-rate.ts';
import type { NamedRate } from './path-limits.ts';
import { unreachableVerdict } from './plan-verdict.ts';
import type { ReadyQueue } from './ready-queue.ts';
import type { Site } from './routing.ts';
import { Watchdog } from './watchdog.ts';

/** How a queue has its mail delivered by policy. */
export type LuaProtocol = Extract<QueueProtocol, { kind: 'custom_lua' }>;

const attempts = measured.histogram('deliver_message_latency_rollup', 'lua');
/** A session may go so long without progress, ms, where the path does not say (delivery.md section 7). */
const PATIENCE = 600_000;

/** Errors in a row, over all shards, that are no reason to wait; each one more makes the wait so much longer, ms. */
const FREE_FAILURES = 2;
const REST_PER_FAILURE = 250;
const LONGEST_REST = 10_000;

/** The ready queues of policy's own delivery go by the domain; there is no DNS to ask. */
export function luaSite(domain: string): Site {
  return {
    name: domain,
    security: '',
    expires: Infinity,
    plan: () => Promise.resolve({ kind: 'none' }),
  };
}

/**
 * One connection object of the policy, fed from its ready queue with `send`, or `send_batch` where batch_size is more
 * than 1. opening → gathering → sending → idle → gathering … → closing. Leaves `idle` for `closing` after idle_timeout,
 * max_deliveries_per_connection, when the policy changed, or when somebody else wants the slot or the Lua state. Every
 * message taken is settled exactly once.
 */
export class LuaDispatcher implements Connection {
  readonly #parts: ReadyParts;
  readonly #queue: ReadyQueue;
  readonly #lease: Lease;
  readonly #protocol: () => LuaProtocol;
  readonly #watchdog: Watchdog;
  readonly status: ConnectionStatus;
  readonly #endCallbacks = new Set<() => void>();
  readonly #abortCallbacks = new Set<() => void>();
  #end: End | undefined;
  #isAborted = false;
  /** The messages in hand. */
  #batch: Hand[] = [];
  #connection: PolicyConnection | undefined;
  #isOpen = false;
  #deliveries = 0;

  /** `protocol` is asked before each batch, for its numbers may change while the connection is open. */
  constructor(parts: ReadyParts, queue: ReadyQueue, lease: Lease, protocol: () => LuaProtocol) {
    this.#parts = parts;
    this.#queue = queue;
    this.#lease = lease;
    this.#protocol = protocol;
    this.status = new ConnectionStatus(parts.clock, queue.name);
    const patience = queue.path.dispatcher_progress_watchdog_timeout ?? PATIENCE;
    this.#watchdog = new Watchdog(parts.clock, patience, () => this.#abort('stalled'));
  }

  /** Delivers until there is no more to deliver; resolves when the connection is closed. */
  async run(): Promise<void> {
    const forget = this.#queue.onStopping(() => this.#endBy('stopping'));
    try {
      await this.#carry();
    } catch (error) {
      // A defect must not repeat itself without end: some message pays for it.
      if (this.#batch.length === 0) this.#take();
      throw error;
    } finally {
      forget();
      this.#lease.leave?.();
      this.status.enter('Closing');
      const why = reply(451, '4.3.0', 'KumoMTA internal: delivery was interrupted');
      for (const hand of this.#batch) if (hand.message !== undefined) hand.requeue(hand.message, why);
      await this.#close();
      this.#watchdog.stop();
    }
  }

  abort(why: End): void {
    this.#abort(why);
  }

  async #carry(): Promise<void> {
    const first = this.#take();
    if (first === undefined || !(await this.#open(first))) return;
    while (this.#batch.length > 0) {
      if (!(await this.#gather()) || !(await this.#deliver()) || this.#isUsedUp) return;
      await this.#awaitNext();
    }
  }

  #take(): QueuedMessage | undefined {
    return this.#hold(this.#queue.take());
  }

  #hold(message: QueuedMessage | undefined): QueuedMessage | undefined {
    if (message === undefined) return undefined;
    const hand = new Hand(this.#parts, this.#queue, this.status, 'Lua');
    hand.hold(message);
    this.#batch.push(hand);
    return message;
  }

  async #awaitNext(): Promise<void> {
    this.#watchdog.rest();
    this.status.enter('Idle');
    const lease = this.#lease;
    const connection = this.#connection!;
    const slot = slotUntilEnd(
      lease,
      () => connection.isToClose || this.#isAborted,
      (callback) => {
        const cancelClose = connection.onToClose(callback);
        this.#abortCallbacks.add(callback);
        return () => {
          cancelClose();
          this.#abortCallbacks.delete(callback);
        };
      },
    );
    this.#hold(await this.#queue.next(this.#queue.path.idle_timeout, slot));
    this.#watchdog.progress();
  }

  get #isUsedUp(): boolean {
    const { path, connections, connectionLimit } = this.#queue;
    const limit = path.max_deliveries_per_connection;
    if (this.#lease.wanted || this.#connection!.isToClose || this.#isAborted) return true;
    if (limit > 0 && this.#deliveries >= limit) return true;
    // The limit may have been lowered while this connection was open.
    return connections > connectionLimit;
  }

  /** Has the constructor make the object. False when it does not, or the connection is to end. */
  async #open(first: QueuedMessage): Promise<boolean> {
    const rate = this.#queue.limits.connectionRate;
    if (rate !== undefined && !(await this.#admit(rate, 'ConnectionRateThrottle'))) return false;
    const { constructor: maker } = this.#protocol();
    const connection = this.#parts.policy.connection?.(maker);
    if (connection === undefined) throw new Error('policy makes no connection objects');
    this.#connection = connection;
    this.status.connected(randomUUID());
    this.status.enter('AttemptingConnection');
    const { domain, tenant, campaign } = first.home.parts;
    const opened = await this.#unless(this.#endCallbacks, connection.open([domain, tenant, campaign]));
    if (opened === 'ended' || this.#end !== undefined) {
      connection.abandon(this.#endText);
      return this.#settleEnded();
    }
    this.#watchdog.progress();
    if (opened.kind === 'values') {
      this.#isOpen = true;
      return true;
    }
    await this.#notOpened(failureText(maker, opened));
    return false;
  }

  /** As where no host answers (delivery.md section 8.5). */
  async #notOpened(why: string): Promise<void> {
    const text = `KumoMTA internal: failed to connect to any candidate hosts: ${why}`;
    const outcome: Outcome = { kind: 'transient', reply: reply(400, '', text) };
    const { path } = this.#queue;
    const hands = this.#batch.splice(0);
    for (const hand of hands) await hand.concludeUnsent(hand.message!, outcome);
    const before = this.#queue.failedToConnect() - 1;
    if (before <= path.consecutive_connection_failures_before_delay) return;
    const { outcome: delayed, reasons } = unreachableVerdict();
    await new Hand(this.#parts, this.#queue, this.status, 'Lua').concludeWaiting(delayed, reasons);
  }

  /** Adds to the batch what is ready, and waits for more where policy wants larger batches. */
  async #gather(): Promise<boolean> {
    const { batch_size, min_batch_size, max_batch_latency } = this.#protocol();
    const { clock } = this.#parts;
    const fewest = Math.min(min_batch_size, batch_size);
    const deadline = clock.monotonic() + max_batch_latency;
    for (;;) {
      while (this.#batch.length < batch_size && this.#take() !== undefined);
      const left = deadline - clock.monotonic();
      if (this.#batch.length >= fewest || left <= 0) return true;
      this.#watchdog.rest();
      const more = this.#hold(await this.#queue.next(left, NOT_WANTED));
      this.#watchdog.progress();
      if (this.#end !== undefined) return this.#settleEnded();
      // Time is up, or an administrator lets nothing more go this way.
      if (more === undefined) return true;
    }
  }

  /** Settles the batch one way or another. False when this connection is over. */
  async #deliver(): Promise<boolean> {
    for (const rate of this.#queue.limits.messageRates) {
      for (let left = this.#batch.length; left > 0; left--) {
        if (!(await this.#admit(rate, 'MessageRateThrottle'))) return false;
      }
    }
    const extended = this.#lease.extend?.() ?? true;
    if (!(extended instanceof Promise ? await extended : extended)) {
      for (const hand of this.#batch.splice(0).reverse()) hand.putBack(hand.message!);
      return false;
    }
    const loaded = await this.#load();
    return loaded.length === 0 || this.#send(loaded);
  }

  /** Those that cannot be read are settled, and leave the batch. */
  async #load(): Promise<Message[]> {
    const messages: Message[] = [];
    for (const hand of [...this.#batch]) {
      const message = await hand.load(hand.message!);
      if (message === undefined) this.#batch.splice(this.#batch.indexOf(hand), 1);
      else messages.push(message);
    }
    return messages;
  }

  async #send(messages: readonly Message[]): Promise<boolean> {
    const { constructor: maker, batch_size } = this.#protocol();
    this.status.enter('DeliveringMessage');
    const method = batch_size > 1 ? 'send_batch' : 'send';
    this.#watchdog.progress();
    const calling = this.#connection!.call(method, batch_size > 1 ? [messages] : [messages[0]]);
    const began = this.#parts.clock.monotonic();
    const result = await this.#unless(this.#abortCallbacks, calling);
    attempts.took(this.#parts.clock.monotonic() - began);
    if (result === 'ended' || (this.#isAborted && result.kind === 'error')) return this.#settleEnded();
    this.#watchdog.progress();
    this.#deliveries += messages.length;
    const { outcome, closes, isError } = verdictOn(result, maker, method);
    if (isError) this.#restAfterFailures(`${method} of ${maker}`);
    else this.#queue.connected();
    const facts = { peer: { name: `Lua via ${maker}`, addr: '0.0.0.0' } };
    for (const message of messages) {
      const hand = this.#batch.shift()!;
      await hand.conclude(
        hand.message!,
        message,
        message.recipients.map(() => outcome),
        facts,
      );
    }
    // Before the next batch, so that a kill repeats at most what each connection has in hand.
    await this.#parts.store.spool.removalsWritten();
    return !closes;
  }

  /**
   * Nobody seems to be there. Trying everything that waits, now and at every retry, would cost as much as delivering it;
   * so what waits goes on waiting, untried, until somebody answers one of those that are tried.
   */
  #restAfterFailures(what: string): void {
    const failures = this.#queue.failedToConnect();
    const rest = Math.min((failures - FREE_FAILURES) * REST_PER_FAILURE, LONGEST_REST);
    if (rest > 0) this.#queue.open.rest(rest, `${what} failed ${failures} times in a row`);
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#isOpen && !this.#isAborted) {
      this.#watchdog.progress();
      await this.#unless(this.#abortCallbacks, connection.call('close', [], 'if-there'));
    }
    connection.release();
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
    const result = await this.#unless(this.#endCallbacks, slept);
    timer?.cancel();
    this.#watchdog.progress();
    return result;
  }

  #delayQueue(delay: number, reason: RequeueReason): void {
    const why = reply(451, '4.4.1', 'KumoMTA internal: ready queue throttled');
    for (const hand of this.#batch.splice(0)) {
      hand.settle(hand.message!, { kind: 'requeue', reply: why, reasons: [reason], counted: false, delay });
    }
    this.#queue.requeueAll(why, [reason], false, delay);
  }

  /** Whoever waits is told; what is being called goes on. */
  #endBy(why: End): void {
    this.#end ??= this.status.ending(why);
    for (const callback of [...this.#endCallbacks]) callback();
  }

  /** Ends also what is being called. */
  #abort(why: End): void {
    this.#endBy(why);
    this.#isAborted = true;
    this.#connection?.abandon(this.#endText);
    for (const callback of [...this.#abortCallbacks]) callback();
  }

  get #endText(): string {
    return END_TEXTS[this.#end ?? 'stopping'];
  }

  /** What `work` gives, unless one of `callbacks` is called before. */
  #unless<T>(callbacks: Set<() => void>, work: MaybePromise<T>): MaybePromise<T | 'ended'> {
    if (!(work instanceof Promise)) return work;
    return new Promise((resolve, reject) => {
      if (callbacks === this.#abortCallbacks ? this.#isAborted : this.#end !== undefined) resolve('ended');
      const ended = (): void => resolve('ended');
      callbacks.add(ended);
      work.then(resolve, reject).finally(() => callbacks.delete(ended));
    });
  }

  /** The connection ends before its time. Gives false, for that it is over. */
  #settleEnded(): false {
    const patience = this.#queue.path.dispatcher_progress_watchdog_timeout ?? PATIENCE;
    const why = endReply(this.#end, patience);
    for (const hand of this.#batch.splice(0)) {
      // What stops leaves its messages in the spool as they are.
      if (this.#end === 'stopping') hand.drop();
      else hand.requeueDropped(hand.message!, why, why);
    }
    return false;
  }
}

const NOT_WANTED = { wanted: false };
