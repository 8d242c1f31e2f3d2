import {
  type DeliveryEvent,
  expiresBefore,
  formatDuration,
  type Message,
  type QueuedMessage,
  type RequeueReason,
  retryDelay,
  type Settlement,
  TimeDelta,
  uncountedDelay,
} from '../../model/index.ts';
import type { QueueOptions } from '../../model/options/index.ts';
import { formatReplyLine, type Reply, reply } from '../../protocol/smtp/index.ts';
import type { ScheduleParts } from './parts.ts';

export type Requeue = Extract<Settlement, { kind: 'requeue' }>;

/** When a message that could not be delivered is next due, or that it is too old to try again. */
export type NextDue =
  | { kind: 'due'; due: number }
  | { kind: 'expired'; event: (message: Message) => DeliveryEvent };

/**
 * The next attempt after a requeue (delivery.md section 5). `queued.attempts` is the count before this one.
 * Counted requeues back off; others wait for the delay given, or up to a minute.
 */
export function nextDue(
  parts: ScheduleParts,
  queued: QueuedMessage,
  options: QueueOptions,
  requeue: Requeue,
): NextDue {
  const now = parts.clock.now();
  const created = parts.createdAt(queued.entry.id);
  const backoff = requeue.counted
    ? retryDelay(options, queued.attempts, parts.random())
    : uncountedDelay(parts.random());
  const wanted = now + (requeue.delay ?? backoff);
  const due = queued.schedule?.adjust(wanted) ?? wanted;
  const expires = queued.schedule?.expires;
  // An expiry of its own takes the place of max_age (delivery.md section 5).
  if (expires !== undefined) {
    if (due < expires) return { kind: 'due', due };
    const text = `Next delivery time would be at ${iso(due)}, which is not before ${iso(expires)}, set by set_scheduling`;
    return { kind: 'expired', event: (message) => expiration(queued, message, text) };
  }
  // The age that counts is the one before a window moves the attempt on; an uncounted wait may not reach max_age.
  const isTooOld = requeue.counted
    ? expiresBefore(options, created, wanted)
    : wanted - created >= options.max_age;
  if (!isTooOld) return { kind: 'due', due };
  return {
    kind: 'expired',
    event: (message) => ({
      ...expiration(queued, message, tooOld(wanted - created, options.max_age)),
      site: requeue.counted ? '' : 'localhost',
    }),
  };
}

function tooOld(age: number, maxAge: number): string {
  return `Next delivery time would be ${formatDuration(age)} after creation, which exceeds max_age=${formatDuration(maxAge)}`;
}

function expiration(queued: QueuedMessage, message: Message, text: string): DeliveryEvent {
  return { ...recordOf(queued, message), type: 'Expiration', response: reply(551, '5.4.7', text) };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

/** The record of an attempt that ended before there was a ready queue for it (delivery.md 4, 6b to 6d). */
export function refusedEvent(queued: QueuedMessage, message: Message, response: Reply): DeliveryEvent {
  return { ...recordOf(queued, message), type: 'TransientFailure', response };
}

/** The record of a message that policy rejected while it was being requeued. */
export function bounceEvent(queued: QueuedMessage, message: Message, response: Reply): DeliveryEvent {
  return { ...recordOf(queued, message), type: 'Bounce', response };
}

/** The record of a message that has left the queue of deferred injection for the one of that name. */
export function reboundEvent(queued: QueuedMessage, message: Message, name: string): DeliveryEvent {
  const text = `Rebound from ${queued.home.name} to ${name}`;
  const response = reply(250, '', text);
  return { ...recordOf(queued, message), type: 'DeferredInjectionRebind', queue: name, response };
}

/** The record of a message that an administrator moved to the queue of that name. */
export function adminRebindEvent(
  queued: QueuedMessage,
  message: Message,
  name: string,
  what: string,
): DeliveryEvent {
  const response = reply(250, '', `Rebound ${what}`);
  return { ...recordOf(queued, message), type: 'AdminRebind', queue: name, site: 'localhost', response };
}

/** The record of a message whose queue an administrator suspended. */
export function suspendedEvent(queued: QueuedMessage, message: Message, response: Reply): DeliveryEvent {
  return { ...refusedEvent(queued, message, response), site: queued.home.name };
}

/** The record of a message that an administrator had bounce. */
export function adminBounceEvent(queued: QueuedMessage, message: Message, reason: string): DeliveryEvent {
  const response = reply(551, '5.7.1', `Administrator bounced with reason: ${reason}`);
  return { ...recordOf(queued, message), type: 'AdminBounce', site: 'localhost', response };
}

/** The record of a message for which no queue can be named (delivery.md section 16). */
export function unnamedEvent(message: Message, response: Reply): DeliveryEvent {
  return {
    type: 'Expiration',
    subject: message,
    queue: '',
    site: '',
    response,
    peer: null,
    attempts: message.attempts,
    deliveryProtocol: null,
  };
}

/** The record of a message that the spool can no longer give back. */
export function damagedEvent(queued: QueuedMessage, message: Message, why: string): DeliveryEvent {
  const text = `KumoMTA internal: the stored message is damaged: ${why}`;
  return bounceEvent(queued, message, reply(554, '5.6.0', text));
}

/** The record of a message that waits although nothing refused it (operations.md 9.1). */
export function delayedEvent(
  parts: ScheduleParts,
  queued: QueuedMessage,
  message: Message,
  reasons: readonly RequeueReason[],
  due: number,
): DeliveryEvent {
  const wait = formatDuration(Math.max(0, Math.round((due - parts.clock.now()) / 1000) * 1000));
  const text = `Context: ${reasons.join(', ')}. Next due in ${wait} at ${new Date(due).toISOString()}`;
  return { ...recordOf(queued, message), type: 'Delayed', response: reply(400, '', text) };
}

function recordOf(queued: QueuedMessage, message: Message): Omit<DeliveryEvent, 'type' | 'response'> {
  return {
    subject: message,
    queue: queued.home.name,
    site: '',
    peer: null,
    attempts: queued.attempts,
    pool: queued.home.egressPool,
    deliveryProtocol: null,
    providerName: queued.home.providerName,
  };
}

/** What the requeue_message event is told. */
export function requeueArguments(message: Message, requeue: Requeue): unknown[] {
  const delay = requeue.delay === undefined ? undefined : new TimeDelta(requeue.delay);
  return [message, formatReplyLine(requeue.reply), requeue.reasons, requeue.counted, delay];
}
