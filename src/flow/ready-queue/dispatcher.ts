import {
  type ConnectionPlan,
  type Message,
  type Outcome,
  type PlannedHost,
  type QueuedMessage,
  type RequeueReason,
  type Settlement,
  SpoolDamageError,
} from '../../model/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import { type AttemptResult, ConnectFailure, connectSmtp, type SmtpSession } from '../delivery/index.ts';
import { type AttemptFacts, attemptEvents, settlementOf } from './attempt-records.ts';
import type { ReadyParts } from './parts.ts';
import type { ReadyQueue } from './ready-queue.ts';
import { statusRewriter } from './status-rewriter.ts';

/**
 * One connection to one site, fed from its ready queue.
 * planning → connecting → sending → idle → sending … → closing. Leaves `idle` for `closing` after idle_timeout,
 * max_deliveries_per_connection, or when another shard wants the slot. When the connection breaks it goes back
 * to `connecting` with the next host of the plan. Every message taken is settled exactly once.
 */
export class Dispatcher {
  readonly #parts: ReadyParts;
  readonly #queue: ReadyQueue;
  readonly #lease: { readonly wanted: boolean };
  readonly #planFor: (queue: ReadyQueue) => Promise<ConnectionPlan>;
  #candidates: PlannedHost[] = [];
  #session: SmtpSession | undefined;
  #inHand: QueuedMessage | undefined;
  #deliveries = 0;

  constructor(
    parts: ReadyParts,
    queue: ReadyQueue,
    lease: { readonly wanted: boolean },
    planFor: (queue: ReadyQueue) => Promise<ConnectionPlan>,
  ) {
    this.#parts = parts;
    this.#queue = queue;
    this.#lease = lease;
    this.#planFor = planFor;
  }

  /** Carries messages until there are no more; resolves when the connection is closed. */
  async run(): Promise<void> {
    this.#inHand = this.#queue.take();
    if (this.#inHand === undefined) return;
    try {
      if (!(await this.#makePlan(this.#inHand))) return;
      while (this.#inHand !== undefined && (await this.#deliver(this.#inHand))) {
        if (this.#isUsedUp()) break;
        this.#inHand = await this.#queue.next(this.#queue.path.idle_timeout, this.#lease);
      }
    } finally {
      // Only a defect of ours leaves a message in hand; it goes back rather than nowhere.
      if (this.#inHand !== undefined) {
        this.#requeue(this.#inHand, reply(451, '4.3.0', 'KumoMTA internal: delivery was interrupted'));
      }
      await this.#session?.quit();
    }
  }

  /** Hands the message in hand back to its scheduled queue. */
  #settled(queued: QueuedMessage, settlement: Settlement): void {
    if (this.#inHand === queued) this.#inHand = undefined;
    queued.home.settle(queued, settlement);
  }

  #isUsedUp(): boolean {
    const limit = this.#queue.path.max_deliveries_per_connection;
    return this.#lease.wanted || (limit > 0 && this.#deliveries >= limit);
  }

  /** Settles the message one way or another. False when this connection is over. */
  async #deliver(queued: QueuedMessage): Promise<boolean> {
    if (!(await this.#passThrottle(queued))) return false;
    // An unsolicited 421 or EOF on an idle connection is not charged to the message (delivery.md 8.6).
    if (this.#session !== undefined && !this.#session.usable) return this.#retryUncharged(queued);
    if (this.#session === undefined && !(await this.#connect(queued))) return false;
    return this.#attempt(queued, this.#session!);
  }

  async #attempt(queued: QueuedMessage, session: SmtpSession): Promise<boolean> {
    const message = await this.#load(queued);
    if (message === undefined) return true;
    const body = await message.data();
    const result = await session.attempt({
      sender: message.sender,
      recipients: message.recipients,
      body,
      rewriteStatus: statusRewriter(this.#parts, queued.home.parts),
    });
    if (result.stale) return this.#retryUncharged(queued);
    this.#deliveries++;
    const outcomes = inOrder(result, message.recipients.length);
    await this.#settle(queued, message, outcomes, {
      ...this.#facts(queued),
      peer: result.peer,
      tls: result.tls,
      sourceAddress: result.sourceAddress,
      sessionId: session.id,
    });
    // Before the next MAIL, so that a kill repeats at most what each connection has in hand.
    await this.#parts.store.spool.removalsWritten();
    if (result.connection === 'open') return true;
    this.#session = undefined;
    return this.#candidates.length > 0;
  }

  /** The connection had gone before the message: another host takes it, or a fresh connection does. */
  async #retryUncharged(queued: QueuedMessage): Promise<boolean> {
    this.#session = undefined;
    if (this.#candidates.length > 0) return this.#deliver(queued);
    this.#inHand = undefined;
    this.#queue.putBack(queued);
    return false;
  }

  /** Loads the message; one that cannot be read is held and tried again, never dropped. */
  async #load(queued: QueuedMessage, part: 'envelope' | 'body' = 'body'): Promise<Message | undefined> {
    try {
      const message = await this.#parts.store.load(queued);
      if (part === 'body') await message.data();
      return message;
    } catch (error) {
      if (error instanceof SpoolDamageError) {
        this.#settled(queued, { kind: 'damaged', why: error.message });
        return undefined;
      }
      const text = `KumoMTA internal: failed to load message: ${(error as Error).message}`;
      this.#parts.diagnostics.error('spool', `message ${queued.entry.id}: ${(error as Error).message}`);
      this.#requeue(queued, reply(451, '4.3.0', text));
      return undefined;
    }
  }

  #requeue(queued: QueuedMessage, why: Reply): void {
    this.#settled(queued, {
      kind: 'requeue',
      reply: why,
      reasons: ['FailedToInsertIntoReadyQueue'],
      counted: true,
      delay: undefined,
    });
  }

  /** Waits out short throttles; a long one sends the whole queue back. False when it did. */
  async #passThrottle(queued: QueuedMessage): Promise<boolean> {
    const spec = this.#queue.path.max_message_rate;
    if (spec === undefined) return true;
    const key = `kumomta.max_message_rate.${this.#queue.name}`;
    return this.#admit(key, spec, queued, 'MessageRateThrottle');
  }

  async #admit(
    key: string,
    spec: Parameters<ReadyParts['throttles']['admit']>[1],
    queued: QueuedMessage,
    reason: RequeueReason,
  ): Promise<boolean> {
    for (;;) {
      const verdict = await this.#parts.throttles.admit(key, spec);
      if (!verdict.throttled) return true;
      const wait = verdict.retryAfter ?? 0;
      if (wait >= this.#queue.path.idle_timeout) {
        this.#delayQueue(queued, wait, reason);
        return false;
      }
      if (!(await this.#sleep(wait))) return false;
    }
  }

  /** False when the queue stops meanwhile; the message in hand then stays in the spool as it is. */
  async #sleep(duration: number): Promise<boolean> {
    const slept = await new Promise<boolean>((resolve) => {
      const timer = this.#parts.clock.after(duration, () => {
        forget();
        resolve(true);
      });
      const forget = this.#queue.onStopping(() => {
        timer.cancel();
        resolve(false);
      });
    });
    if (!slept) this.#inHand = undefined;
    return slept;
  }

  #delayQueue(queued: QueuedMessage, delay: number, reason: RequeueReason): void {
    const why = reply(451, '4.4.1', 'KumoMTA internal: ready queue throttled');
    this.#settled(queued, { kind: 'requeue', reply: why, reasons: [reason], counted: false, delay });
    this.#queue.requeueAll(why, [reason], false, delay);
  }

  /** Resolves the hosts of the site. A verdict on the whole site settles every waiting message. */
  async #makePlan(first: QueuedMessage): Promise<boolean> {
    const plan = await this.#planFor(this.#queue);
    if (plan.kind === 'candidates') {
      this.#candidates = [...plan.candidates];
      return true;
    }
    const outcome = planOutcome(plan);
    await this.#settleUnsent(first, outcome);
    await this.#settleWaiting(outcome);
    return false;
  }

  async #connect(queued: QueuedMessage): Promise<boolean> {
    const { path, source } = this.#queue;
    const failures: string[] = [];
    for (let next = this.#candidates.shift(); next !== undefined; next = this.#candidates.shift()) {
      if (path.max_connection_rate !== undefined) {
        const key = `${this.#queue.name}-connection-rate`;
        const { max_connection_rate } = path;
        if (!(await this.#admit(key, max_connection_rate, queued, 'ConnectionRateThrottle'))) return false;
      }
      const port = source.remote_port ?? next.port ?? path.smtp_port;
      try {
        const session = await this.#greet({ ...next, port, explicitPort: next.port !== undefined });
        if (session === 'stopping') return false;
        this.#session = session;
        this.#queue.connected();
        return true;
      } catch (error) {
        if (!(error instanceof ConnectFailure)) throw error;
        failures.push(error.message);
      }
    }
    await this.#noHostAnswered(queued, failures);
    return false;
  }

  /** Connects, unless the queue stops first: then the message stays in the spool and the connection is ended. */
  async #greet(
    candidate: PlannedHost & { port: number; explicitPort: boolean },
  ): Promise<SmtpSession | 'stopping'> {
    const { path, source } = this.#queue;
    const connecting = connectSmtp({
      candidate,
      path,
      source,
      ehloName: path.ehlo_domain ?? source.ehlo_domain ?? this.#parts.hostname,
      dial: this.#parts.dial,
      clock: this.#parts.clock,
    });
    // Not Promise.race: each race would leave a reaction on a promise that lives as long as the queue.
    const first = await new Promise<SmtpSession | 'stopping'>((resolve, reject) => {
      const forget = this.#queue.onStopping(() => resolve('stopping'));
      connecting.then(resolve, reject).finally(forget);
    });
    if (first !== 'stopping') return first;
    this.#inHand = undefined;
    connecting.then((session) => session.quit()).catch(() => {});
    return first;
  }

  async #noHostAnswered(queued: QueuedMessage, failures: string[]): Promise<void> {
    if (this.#deliveries > 0) {
      // The hosts that are left were never the first choice; a fresh connection may try them all again.
      await this.#retryUncharged(queued);
      return;
    }
    const text = `KumoMTA internal: failed to connect to any candidate hosts: ${failures.join(', ')}`;
    await this.#settleUnsent(queued, { kind: 'transient', reply: reply(400, '', text) });
    const before = this.#queue.failedToConnect() - 1;
    if (before <= this.#queue.path.consecutive_connection_failures_before_delay) return;
    const bulk =
      'bulk delay of ready queue: too many successive connection failures where there was no answer from any hosts listed in MX';
    await this.#settleWaiting({ kind: 'transient', reply: reply(451, '4.4.1', bulk) });
  }

  /** Every message that waits now shares an outcome. */
  async #settleWaiting(outcome: Outcome): Promise<void> {
    for (let left = this.#queue.length; left > 0; left--) {
      this.#inHand = this.#queue.take();
      if (this.#inHand === undefined) return;
      await this.#settleUnsent(this.#inHand, outcome);
    }
  }

  /** A message that no host was asked to take; its body is not needed. */
  async #settleUnsent(queued: QueuedMessage, outcome: Outcome): Promise<void> {
    const message = await this.#load(queued, 'envelope');
    if (message === undefined) return;
    const outcomes = message.recipients.map(() => outcome);
    await this.#settle(queued, message, outcomes, this.#facts(queued));
  }

  async #settle(
    queued: QueuedMessage,
    message: Message,
    outcomes: readonly Outcome[],
    facts: AttemptFacts,
  ): Promise<void> {
    try {
      for (const event of attemptEvents(message, queued.attempts, outcomes, facts)) {
        const waiting = this.#parts.log.write(event);
        if (waiting instanceof Promise) await waiting;
      }
    } catch (error) {
      // The peer has answered: whatever is wrong with the log, nobody may get the message twice for it.
      this.#parts.diagnostics.error('log', (error as Error).message);
    }
    this.#settled(queued, settlementOf(message, outcomes));
  }

  #facts(queued: QueuedMessage): AttemptFacts {
    return {
      queue: queued.home.name,
      site: this.#queue.name,
      peer: null,
      pool: queued.home.egressPool,
      source: this.#queue.source.name,
      deliveryProtocol: 'ESMTP',
      providerName: this.#queue.path.provider_name ?? queued.home.providerName,
    };
  }
}

function inOrder(result: AttemptResult, count: number): Outcome[] {
  const outcomes: Outcome[] = new Array(count);
  for (const { recipient, outcome } of result.outcomes) outcomes[recipient] = outcome;
  return outcomes;
}

/** The fate of every message of a site that has no address to go to (delivery.md 8.2). */
function planOutcome(plan: Exclude<ConnectionPlan, { kind: 'candidates' }>): Outcome {
  switch (plan.kind) {
    case 'null-mx':
      return { kind: 'permanent', reply: reply(556, '5.1.10', 'Recipient address has a null MX') };
    case 'prohibited':
      return {
        kind: 'permanent',
        reply: reply(550, '5.4.4', `${plan.host} ${plan.address} is on the list of prohibited_hosts`),
      };
    case 'all-skipped':
      return {
        kind: 'transient',
        reply: reply(451, '4.4.4', 'KumoMTA internal: MX consisted solely of hosts on the skip_hosts list'),
      };
    case 'none':
      return { kind: 'transient', reply: reply(451, '4.4.4', "MX didn't resolve to any hosts") };
  }
}
