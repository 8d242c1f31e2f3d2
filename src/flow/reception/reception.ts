import {
  type Clock,
  cloneJson,
  DEFERRED_INJECTION_QUEUE,
  type DeliveryEvent,
  type DeliveryLog,
  type Diagnostics,
  Message,
  type MessageStore,
  NULL_QUEUE,
  type PolicyEvents,
  queueNameOf,
  type RelayFailure,
  redirectTo,
  SpoolWriteError,
  supplementalHeader,
} from '../../model/index.ts';
import { type EnvelopeAddress, reply, replyFromText } from '../../protocol/smtp/index.ts';
import {
  type GateVerdict,
  QueueConfigError,
  type ScheduledQueue,
  type ScheduledQueues,
} from '../scheduled-queue/index.ts';
import {
  type ReceptionAnswer,
  relayedNowhere,
  storageFailure,
  technicalDifficulties,
  tookTooLong,
  tooSlow,
} from './answers.ts';
import { splitRecipients } from './batches.ts';
import { dispositionOf } from './disposition.ts';
import { type InjectedAs, injectionEvent, movedEvent, receptionEvents, unwoundEvent } from './records.ts';
import { type Judgement, judge } from './reports.ts';
import { receivedHeader } from './trace-headers.ts';
import type { Transaction } from './transaction.ts';

/** What the rooms around give to reception. */
export interface ReceptionParts {
  policy: PolicyEvents;
  queues: ScheduledQueues;
  store: MessageStore;
  log: DeliveryLog;
  diagnostics: Diagnostics;
  clock: Clock;
  newMessageId: () => string;
  /** Who gets all mail instead of its recipients; see kumo.policy.set_development_recipient. */
  developmentRecipient?: EnvelopeAddress | undefined;
}

/**
 * Where mail of every entrance becomes messages: policy, queue name, disk, log, queue. Nothing is answered
 * with success before the disk has it.
 */
export class Reception {
  readonly #parts: ReceptionParts;
  readonly #inHand = new Set<Promise<ReceptionAnswer>>();

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
  }

  /** Takes a transaction as a whole: either every message of it is kept, or none is. */
  receive(transaction: Transaction): Promise<ReceptionAnswer> {
    const work = this.#receive(transaction).finally(() => this.#inHand.delete(work));
    this.#inHand.add(work);
    return work;
  }

  /** Resolves when nothing is being received any more, also for clients that did not wait for the answer. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#inHand);
  }

  async #receive(transaction: Transaction): Promise<ReceptionAnswer> {
    const judged: Judged[] = [];
    for (const message of this.#messagesOf(transaction)) {
      const refusal = await this.#askPolicy(message, transaction);
      if (refusal !== undefined) return refusal;
      // Policy may have taken every recipient away.
      if (message.recipients.length === 0) continue;
      const judgement = await this.#judge(message, transaction);
      if (judgement === 'stopped') return tookTooLong();
      if (judgement === 'failed') return technicalDifficulties(transaction.hostname);
      if (judgement.verdict !== 'refuse') judged.push({ message, judgement });
      else transaction.trace?.disposed(dispositionOf(message, undefined, judgement));
    }
    // What is relayed to nobody is refused (policy-api.md 1.5).
    if (judged.length === 0) return relayedNowhere();
    const placed: Placed[] = [];
    for (const { message, judgement } of judged) {
      await this.#redirect(message);
      const name = this.#nameOf(message);
      const queue = name === undefined ? 'failed' : await this.#place(message, name, judgement);
      if (queue === 'stopped') return tookTooLong();
      if (queue === 'failed') return technicalDifficulties(transaction.hostname);
      placed.push({ message, name: name!, queue, judgement });
      transaction.trace?.disposed(dispositionOf(message, name, judgement));
    }
    if (this.#isLate(transaction)) return tooSlow('resolve');
    const isDeferred = transaction.listener.deferred_spool;
    if (!(await this.#keepAll(placed, isDeferred))) return storageFailure();
    // The client has given up or is about to: what it will send again must not also be here.
    if (this.#isLate(transaction)) return this.#takeBack(placed);
    for (const one of placed) {
      const events = receptionEvents(one.message, one.name, one.judgement, transaction);
      for (const event of events) this.#log(event);
      this.#logMove(one.message, one.name);
    }
    return this.#insertAll(placed, transaction);
  }

  /** Puts all into their queues. Policy may fail to say whether one of them may be delivered; that one is taken back. */
  async #insertAll(placed: readonly Placed[], transaction: Transaction): Promise<ReceptionAnswer> {
    const { queues } = this.#parts;
    const asked = placed.map(({ message, queue }) =>
      queue === 'nowhere' ? undefined : queues.ask(queue, message),
    );
    const verdicts = asked.some((verdict) => verdict instanceof Promise) ? await Promise.all(asked) : asked;
    const isLate = verdicts !== asked && this.#isLate(transaction);
    const ids: string[] = [];
    for (const [index, { message, queue }] of placed.entries()) {
      const verdict = verdicts[index] as GateVerdict | undefined;
      if (queue === 'nowhere') ids.push(message.id);
      else if (isLate) this.#unwind(message, queue, 'data_processing_timeout exceeded');
      else if (verdict?.kind === 'failed') this.#unwind(message, queue, verdict.why);
      else {
        queues.insert(queue, message, verdict);
        ids.push(message.id);
      }
    }
    if (ids.length === 0) {
      if (isLate) return tooSlow('insert');
      return (verdicts as (GateVerdict | undefined)[]).some(wasStopped)
        ? tookTooLong()
        : technicalDifficulties(transaction.hostname);
    }
    const word = ids.length === placed.length ? 'OK' : 'PARTIAL';
    return { reply: reply(250, '', `${word} ids=${ids.join(' ')}`, '.\r\n'), disconnect: 'If421' };
  }

  /** Takes back a message that was kept and could not be inserted; the record says why (delivery.md 2). */
  #unwind(message: Message, queue: ScheduledQueue, why: string): void {
    this.#parts.store.spool.remove(message.entry!);
    this.#log(unwoundEvent(message, queue.name, why));
  }

  /**
   * Takes one message that policy made (kumo.inject_message), or a request over HTTP. Rejects when it could not be
   * kept. Resolves when the disk has it, unless it is deferred.
   */
  async inject(message: Message, as: InjectedAs = {}): Promise<void> {
    await this.#redirect(message);
    const name = queueNameOf(message);
    if (name === NULL_QUEUE) return;
    const { queues, store } = this.#parts;
    const queue = await queues.resolve(name);
    await this.#keep(message, as.isDeferred ?? false);
    if (as.peer !== undefined) this.#log(injectionEvent(message, name, as));
    this.#logMove(message, name);
    // The other node must not hear of a failure once the message is safe: its queue asks again.
    const verdict = as.isTransfer === true ? undefined : await queues.ask(queue, message);
    if (verdict?.kind === 'failed') {
      if (as.peer !== undefined) this.#unwind(message, queue, verdict.why);
      else store.spool.remove(message.entry!);
      throw new Error(verdict.why);
    }
    queues.insert(queue, message, verdict);
  }

  /**
   * Takes a message that carries a log record; no record is made of it. It is handed to the spool before this
   * returns. Rejects with SpoolWriteError when it could not be kept, and when its queue cannot be named.
   */
  async enqueue(message: Message, isDeferred: boolean): Promise<void> {
    const name = queueNameOf(message);
    if (name === NULL_QUEUE) return;
    await this.#keep(message, isDeferred);
    const { queues } = this.#parts;
    // Once it is kept, a queue without configuration is no reason to give up: the message is tried again.
    queues.insert(queues.named(name), message);
  }

  #isLate(transaction: Transaction): boolean {
    return this.#parts.clock.monotonic() > transaction.deadline;
  }

  #takeBack(placed: readonly Placed[]): ReceptionAnswer {
    for (const { message } of placed)
      if (message.entry !== undefined) this.#parts.store.spool.remove(message.entry);
    return tooSlow('spool');
  }

  #logMove(message: Message, queue: string): void {
    const event = movedEvent(message, queue);
    if (event !== undefined) this.#log(event);
  }

  /** The message is safe: neither a broken log nor a slow one may keep the client from hearing so. */
  #log(event: DeliveryEvent): void {
    const report = (error: Error): void => this.#parts.diagnostics.error('log', error.message);
    try {
      const waiting = this.#parts.log.write(event);
      if (waiting instanceof Promise) waiting.catch(report);
    } catch (error) {
      report(error as Error);
    }
  }

  *#messagesOf(transaction: Transaction): Iterable<Message> {
    const { message } = transaction;
    const recipients = message?.recipients ?? transaction.recipients;
    const body = message?.body ?? transaction.body;
    const batches = transaction.batches ?? splitRecipients(recipients, transaction.listener.batch_handling);
    for (const batch of batches) {
      yield this.#build(transaction, batch, body, cloneJson(message?.meta ?? transaction.meta.values));
    }
  }

  #build(
    transaction: Transaction,
    recipients: EnvelopeAddress[],
    body: Buffer,
    meta: Message['meta'],
  ): Message {
    const id = this.#parts.newMessageId();
    const { trace_headers } = transaction.listener;
    const sender = transaction.message?.sender ?? transaction.sender;
    const message = new Message({ id, sender, recipients, meta, body });
    // What policy said in smtp_server_data holds for every message of the transaction.
    message.schedule = transaction.message?.schedule;
    message.due = transaction.message?.due ?? 0;
    if (!trace_headers.received_header) return message;
    const header = receivedHeader({
      ehloDomain: transaction.ehloDomain,
      peerAddress: transaction.peer.address,
      localAddress: transaction.local.address,
      hostname: transaction.hostname,
      tls: transaction.tls,
      isAuthenticated: transaction.isAuthenticated ?? false,
      id,
      recipient: recipients[0]!.email,
      now: this.#parts.clock.now(),
    });
    message.setData(Buffer.concat([Buffer.from(header), body]));
    return message;
  }

  async #askPolicy(message: Message, transaction: Transaction): Promise<ReceptionAnswer | undefined> {
    const { policy } = this.#parts;
    // Policy sees it later, in smtp_server_message_deferred_inject.
    if (transaction.listener.deferred_queue) message.meta.queue = DEFERRED_INJECTION_QUEUE;
    else if (policy.handles('smtp_server_message_received')) {
      const result = await policy.fire('smtp_server_message_received', [message, transaction.meta]);
      transaction.trace?.callback('smtp_server_message_received', result);
      if (result.kind === 'error') {
        return result.overBudget === true ? tookTooLong() : technicalDifficulties(transaction.hostname);
      }
      if (result.kind === 'reject') {
        const refusal = replyFromText(result.code, result.text);
        return { reply: { ...refusal, command: '.\r\n' }, disconnect: result.disconnect };
      }
    }
    const { trace_headers } = transaction.listener;
    if (trace_headers.supplemental_header) {
      const recipients = message.recipients.map(String);
      const names = trace_headers.include_meta_names;
      const header = supplementalHeader(trace_headers.header_name, recipients, message.meta, names);
      message.setData(Buffer.concat([Buffer.from(header), await message.data()]));
    }
    return undefined;
  }

  /** Whether the message goes on. What goes to the queue `null` does so whoever sends it. */
  async #judge(message: Message, transaction: Transaction): Promise<Judgement | RelayFailure> {
    const facts = await transaction.relayOf?.(message.sender, message.recipients[0]!);
    if (facts === 'failed' || facts === 'stopped') return facts;
    const judgement = facts === undefined ? RELAYED : await judge(message, facts);
    const settled = judgement.verdict === 'refuse' && message.meta.queue === NULL_QUEUE ? RELAYED : judgement;
    return transaction.trace === undefined ? settled : { ...settled, facts };
  }

  /** What policy sees later, in smtp_server_message_deferred_inject, is redirected after that. */
  async #redirect(message: Message): Promise<void> {
    const { developmentRecipient } = this.#parts;
    if (developmentRecipient === undefined || message.meta.queue === DEFERRED_INJECTION_QUEUE) return;
    await redirectTo(developmentRecipient, message);
  }

  /** The name of its queue; undefined, and reported, when its metadata names none. */
  #nameOf(message: Message): string | undefined {
    try {
      return queueNameOf(message);
    } catch (error) {
      this.#parts.diagnostics.error('reception', `message ${message.id}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** The scheduled queue of a message. The engine has reported why policy could not say which it is. */
  async #place(
    message: Message,
    name: string,
    { verdict }: Judgement,
  ): Promise<ScheduledQueue | 'nowhere' | RelayFailure> {
    if (verdict === 'drop' || name === NULL_QUEUE) return 'nowhere';
    try {
      return await this.#parts.queues.resolve(name);
    } catch (error) {
      if (error instanceof QueueConfigError) return error.overBudget ? 'stopped' : 'failed';
      this.#parts.diagnostics.error('reception', `message ${message.id}: ${(error as Error).message}`);
      return 'failed';
    }
  }

  async #keep(message: Message, isDeferred: boolean): Promise<void> {
    if (!isDeferred || !(await this.#parts.store.hold(message))) await this.#parts.store.keep(message);
  }

  /** Puts all of them on disk, or in memory when that is what the listener wants; when one cannot be kept, the others are taken back. */
  async #keepAll(placed: readonly Placed[], isDeferred: boolean): Promise<boolean> {
    const kept = placed.filter(({ queue }) => queue !== 'nowhere').map(({ message }) => message);
    const results = await Promise.allSettled(kept.map((message) => this.#keep(message, isDeferred)));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure === undefined) return true;
    for (const message of kept)
      if (message.entry !== undefined) this.#parts.store.spool.remove(message.entry);
    if (!(failure.reason instanceof SpoolWriteError)) throw failure.reason;
    return false;
  }
}

function wasStopped(verdict: GateVerdict | undefined): boolean {
  return verdict?.kind === 'failed' && verdict.overBudget === true;
}

interface Judged {
  message: Message;
  judgement: Judgement;
}

interface Placed extends Judged {
  name: string;
  /** 'nowhere': it is logged and not kept. */
  queue: ScheduledQueue | 'nowhere';
}

const RELAYED: Judgement = { verdict: 'relay' };
