import type { DeliveryEvent, Message, QueuedMessage } from '../../model/index.ts';
import type { Reply } from '../../protocol/smtp/index.ts';

/** A ready queue whose messages no peer gets, as its log records name it. */
export interface InternalSite {
  site: string;
  deliveryProtocol: string;
}

/** What the delivery log is told of an attempt that had no peer. */
export function internalAttempt(
  queued: QueuedMessage,
  message: Message,
  internal: InternalSite,
  type: DeliveryEvent['type'],
  response: Reply,
): DeliveryEvent {
  return {
    type,
    subject: message,
    queue: queued.home.name,
    ...internal,
    response,
    peer: null,
    attempts: queued.attempts,
    pool: queued.home.egressPool,
    providerName: queued.home.providerName,
  };
}
