import type { DeliveryEvent, Message } from '../../model/index.ts';
import { reply } from '../../protocol/smtp/index.ts';
import { bounceRecords, feedbackField, type Judgement } from './reports.ts';
import type { Transaction } from './transaction.ts';

/** A feedback report has a record of its own kind; a delivery report has one more for each failed recipient. */
export function receptionEvents(
  message: Message,
  name: string,
  { feedback, bounces }: Judgement,
  transaction: Transaction,
): DeliveryEvent[] {
  const event = receptionEvent(message, name, transaction);
  if (feedback !== undefined) {
    return [{ ...event, type: 'Feedback', feedbackReport: feedbackField(feedback) }];
  }
  return bounces === undefined ? [event] : [event, ...bounceRecords(event, bounces)];
}

function receptionEvent(message: Message, queue: string, transaction: Transaction): DeliveryEvent {
  return {
    type: 'Reception',
    subject: message,
    queue,
    site: '',
    response: reply(250, '', keptText(transaction.listener.deferred_spool)),
    peer: { name: transaction.ehloDomain ?? '', addr: transaction.peer.address },
    attempts: 0,
    deliveryProtocol: null,
    tls: transaction.tls,
    sessionId: transaction.sessionId,
  };
}

/** How an injected message comes. */
export interface InjectedAs {
  /** It is kept in memory until an attempt fails. */
  isDeferred?: boolean;
  /** Address that it came from; set when its reception is logged. */
  peer?: string;
  /** Another node had it before. */
  isTransfer?: boolean;
}

/** The record of a message that came over HTTP. */
export function injectionEvent(message: Message, queue: string, as: InjectedAs): DeliveryEvent {
  return {
    type: as.isTransfer === true ? 'XferIn' : 'Reception',
    subject: message,
    queue,
    site: '',
    response: reply(250, '', keptText(as.isDeferred ?? false)),
    peer: { name: '', addr: as.peer ?? '' },
    attempts: message.attempts,
    deliveryProtocol: as.isTransfer === true ? 'xfer' : null,
  };
}

/** The record of a message that policy sent elsewhere while it came in; see `Message.moved`. */
export function movedEvent(message: Message, queue: string): DeliveryEvent | undefined {
  const { moved } = message;
  if (moved === undefined) return undefined;
  message.moved = undefined;
  return {
    type: 'AdminRebind',
    subject: message,
    queue,
    site: 'localhost',
    response: reply(250, '', `Rebound from ${moved.from} to ${queue}: ${moved.reason}`),
    peer: null,
    attempts: message.attempts,
    deliveryProtocol: null,
  };
}

/** A weaker promise is visible in the log. */
function keptText(isDeferred: boolean): string {
  return isDeferred ? 'deferred_spool: not on disk yet' : '';
}

/** The record of a message that was kept, and taken back since it could not be inserted. */
export function unwoundEvent(message: Message, queue: string, why: string): DeliveryEvent {
  const text = `KumoMTA internal: QueueManager::insert failed during reception: ${why}`;
  return {
    type: 'Bounce',
    subject: message,
    queue,
    site: '',
    response: reply(500, '', text),
    peer: null,
    attempts: 0,
    deliveryProtocol: null,
  };
}
