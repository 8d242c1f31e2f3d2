import type { EnvelopeAddress } from '../protocol/smtp/index.ts';
import { getOwn, type JsonObject } from './json.ts';

/** The parts of a scheduled queue name `campaign:tenant@domain!routing_domain` (delivery.md 2). */
export interface QueueNameParts {
  domain: string;
  tenant: string | undefined;
  campaign: string | undefined;
  /** Replaces the domain when the way of the mail is looked up. */
  routingDomain: string | undefined;
}

/** A message of this queue is accepted and forgotten; policy is not asked about it (delivery.md section 2). */
export const NULL_QUEUE = 'null';

/** Where messages of listeners with `deferred_queue` wait for smtp_server_message_deferred_inject. */
export const DEFERRED_INJECTION_QUEUE = 'deferred_smtp_inject.kumomta.internal';

/** Where requests of the injection API with `deferred_generation` wait. */
export const GENERATOR_QUEUE = 'generator.kumomta.internal';

/** Metadata from which no queue name can be made. */
export class QueueNameError extends Error {}

/** Splits at the first `@`, the left part at its first `:`, the right part at its first `!`. Never fails. */
export function parseQueueName(name: string): QueueNameParts {
  const at = name.indexOf('@');
  const [domain, routingDomain] = splitOnce(name.slice(at + 1), '!');
  if (at < 0) return { domain, tenant: undefined, campaign: undefined, routingDomain };
  const [campaign, tenant] = splitOnce(name.slice(0, at), ':');
  // Without a colon the part before the @ is the tenant alone.
  if (tenant === undefined) return { domain, tenant: campaign, campaign: undefined, routingDomain };
  return { domain, tenant, campaign, routingDomain };
}

/** The name of these parts; a campaign without tenant gives `campaign:@domain`. */
export function formatQueueName(parts: QueueNameParts): string {
  const { domain, tenant, campaign, routingDomain } = parts;
  const to = routingDomain === undefined ? domain : `${domain}!${routingDomain}`;
  if (campaign !== undefined) return `${campaign}:${tenant ?? ''}@${to}`;
  return tenant === undefined ? to : `${tenant}@${to}`;
}

/**
 * The scheduled queue of a message: metadata `queue` as it is, else from campaign, tenant, routing_domain and
 * the lower-cased domain of the first recipient. Throws QueueNameError when one of them is not text, or when
 * there is no recipient to take a domain from.
 */
export function queueNameOf(message: { meta: JsonObject; recipients: readonly EnvelopeAddress[] }): string {
  const { meta, recipients } = message;
  const queue = textOf(meta, 'queue');
  if (queue !== undefined) return queue;
  const recipient = recipients[0];
  if (recipient === undefined) throw new QueueNameError('the message has no recipient to name a queue after');
  return formatQueueName({
    domain: recipient.domain.toLowerCase(),
    tenant: textOf(meta, 'tenant'),
    campaign: textOf(meta, 'campaign'),
    routingDomain: textOf(meta, 'routing_domain'),
  });
}

function textOf(meta: JsonObject, name: string): string | undefined {
  const value = getOwn(meta, name) ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw new QueueNameError(`expected '${name}' to be a string value, got ${JSON.stringify(value)}`);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}
