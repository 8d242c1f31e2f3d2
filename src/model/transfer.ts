import { parseRfc3339 } from '../protocol/mime/index.ts';
import { cloneJson, getOwn, type Json, type JsonObject } from './json.ts';
import type { Message } from './message.ts';
import { Schedule } from './schedule.ts';

/** What the name of every queue ends with whose messages go to another node (operations.md 5.7). */
const SUFFIX = '.xfer.kumomta.internal';
/** Metadata under which a message on its way keeps what it was before. */
const KEPT = 'xfer_queue_info';
/** Metadata that a queue is named by; the first has the last word. */
const NAMES = ['queue', 'tenant', 'campaign', 'routing_domain'] as const;

/** No node can be named so, or the message is on its way to none. */
export class TransferError extends Error {}

/** The URL of a node in the form in which queues are named after it. Throws TransferError. */
export function parseTransferTarget(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TransferError(`target: expected a URL such as http://10.0.0.1:8000, got '${text}'`);
  }
  // It becomes the name of a queue, which logs and metrics show, and whose parts `@` and `!` divide.
  if (/[@!?#]/.test(url.href)) {
    throw new TransferError('target: a URL with user, password, query or any of @ ! ? # cannot be used');
  }
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

/** The scheduled queue of messages on their way to that node, which `parseTransferTarget` gave. */
export function transferQueue(target: string): string {
  return target + SUFFIX;
}

/** The node that messages of this queue go to; undefined when it is no such queue. */
export function transferTarget(queueName: string): string | undefined {
  if (!queueName.endsWith(SUFFIX)) return undefined;
  const target = queueName.slice(0, -SUFFIX.length);
  try {
    return parseTransferTarget(target) === target ? target : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Sends the message to another node: its metadata names that queue from now on, it is due at once, and what it was
 * before is kept with it. One that is on its way already gets another target.
 */
export function beginTransfer(message: Message, target: string): void {
  const { meta, schedule, attempts, due } = message;
  if (getOwn(meta, KEPT) === undefined) {
    const kept: JsonObject = {};
    for (const name of NAMES) kept[name] = getOwn(meta, name) ?? null;
    kept.scheduling = schedule === undefined ? null : cloneJson(schedule.written);
    kept.attempts = attempts;
    kept.due = due === 0 ? null : new Date(due).toISOString();
    meta[KEPT] = kept;
  }
  meta.queue = transferQueue(target);
  message.schedule = undefined;
  message.attempts = 0;
  message.due = 0;
  message.dirty = true;
}

/** Makes the message what it was before `beginTransfer`, at the node where it is. Throws what is wrong with what was kept. */
export function endTransfer(message: Message): void {
  const { meta } = message;
  const kept = getOwn(meta, KEPT);
  if (kept === undefined || !isObject(kept)) {
    // It was put on its way by its metadata alone; without that its recipient names the queue.
    if (transferTarget(String(getOwn(meta, 'queue') ?? '')) !== undefined) delete meta.queue;
  } else {
    const scheduling = getOwn(kept, 'scheduling');
    const schedule = scheduling && isObject(scheduling) ? new Schedule(scheduling) : undefined;
    for (const name of NAMES) {
      const value = getOwn(kept, name) ?? null;
      if (value === null) delete meta[name];
      else meta[name] = value;
    }
    message.schedule = schedule;
    message.attempts = wholeNumber(getOwn(kept, 'attempts'));
    message.due = timeOf(getOwn(kept, 'due'));
  }
  delete meta[KEPT];
  message.dirty = true;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wholeNumber(value: Json | undefined): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : 0;
}

/** In ms since the epoch; 0 for at once. */
function timeOf(value: Json | undefined): number {
  return typeof value === 'string' ? (parseRfc3339(value) ?? 0) : 0;
}
