import type { EnvelopeAddress } from '../protocol/smtp/index.ts';
import { getOwn } from './json.ts';
import type { Message } from './message.ts';
import {
  DEFERRED_INJECTION_QUEUE,
  formatQueueName,
  GENERATOR_QUEUE,
  NULL_QUEUE,
  parseQueueName,
} from './queue-name.ts';

/** Where a redirected message says whom it was for: one header for each recipient. */
export const ORIGINAL_RECIPIENT_HEADER = 'X-Moonpost-Original-Recipient';

/** Kind of the declaration that names the recipient. */
export const DEVELOPMENT_RECIPIENT = 'set_development_recipient';

const OWN_QUEUES = new Set([NULL_QUEUE, DEFERRED_INJECTION_QUEUE, GENERATOR_QUEUE]);

/**
 * Makes `recipient` the only recipient of a message, before its queue is named: a queue or a routing domain that policy
 * named would lead to the servers of whom it was for. Tenant and campaign stay. A second time changes nothing.
 */
export async function redirectTo(recipient: EnvelopeAddress, message: Message): Promise<void> {
  const domain = recipient.domain.toLowerCase();
  const { meta } = message;
  const queue = getOwn(meta, 'queue');
  if (typeof queue === 'string' && !OWN_QUEUES.has(queue)) {
    meta.queue = formatQueueName({ ...parseQueueName(queue), domain, routingDomain: undefined });
  }
  delete meta.routing_domain;
  message.dirty = true;
  const originals = message.recipients.filter(({ email }) => email !== recipient.email);
  if (originals.length === 0 && message.recipients.length === 1) return;
  const body = await message.data();
  message.recipients = [recipient];
  message.setData(Buffer.concat([Buffer.from(originals.map(headerFor).join('')), body]));
}

/** An address has no line ends; whatever may come one day, it makes no second header. */
function headerFor({ email }: EnvelopeAddress): string {
  return `${ORIGINAL_RECIPIENT_HEADER}: ${email.replace(/[\x00-\x1f\x7f]/g, '?')}\r\n`;
}
