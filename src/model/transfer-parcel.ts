import { EnvelopeAddress } from '../protocol/smtp/index.ts';
import { cloneJson, type JsonObject } from './json.ts';
import { Message } from './message.ts';
import { parseMessageId } from './message-id.ts';
import { Schedule } from './schedule.ts';
import type { MessageId } from './spool.ts';

/** First in every parcel, so that whoever speaks another language is told so. */
const FORMAT = 'moonpost-xfer-1';
const LINE_FEED = 10;

/** What a node was sent is no message. */
export class ParcelError extends Error {}

interface Label {
  format: string;
  id: string;
  sender: string;
  recipients: string[];
  meta: JsonObject;
  scheduling?: JsonObject;
  /** Bytes of the content, so that one that was cut is known. */
  size: number;
}

/** A message as one node sends it to another: a line of JSON with all but the content, then the content. */
export function packMessage(message: Message, content: Buffer, extraMeta: JsonObject): Buffer {
  const label: Label = {
    format: FORMAT,
    id: message.id,
    sender: message.sender.email,
    recipients: message.recipients.map(({ email }) => email),
    meta: { ...message.meta, ...extraMeta },
    ...(message.schedule !== undefined && { scheduling: message.schedule.written }),
    size: content.length,
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(label)}\n`), content]);
}

/** The message in a parcel, under the id that `newId` makes of its own. Throws ParcelError. */
export function unpackMessage(parcel: Buffer, newId: (id: MessageId) => MessageId): Message {
  const end = parcel.indexOf(LINE_FEED);
  const label = end < 0 ? undefined : labelOf(parcel.toString('utf8', 0, end));
  if (label?.format !== FORMAT) throw new ParcelError(`this is no parcel in the format ${FORMAT}`);
  const { meta, scheduling, size } = label;
  const content = parcel.subarray(end + 1);
  if (content.length !== size) throw new ParcelError(`${content.length} of ${size} bytes came`);
  const id = parseMessageId(String(label.id));
  if (id?.[12] !== '1') throw new ParcelError('the id is no version 1 UUID');
  if (!Array.isArray(label.recipients) || label.recipients.length === 0)
    throw new ParcelError('no recipients');
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) throw new ParcelError('no metadata');
  const message = new Message({
    id: newId(id),
    sender: address(label.sender),
    recipients: label.recipients.map(address),
    meta: cloneJson(meta),
    body: content,
  });
  if (scheduling !== undefined) message.schedule = scheduleOf(scheduling);
  return message;
}

function labelOf(line: string): Partial<Label> | undefined {
  try {
    const parsed = JSON.parse(line) as unknown;
    return typeof parsed === 'object' && parsed !== null ? (parsed as Partial<Label>) : undefined;
  } catch {
    return undefined;
  }
}

function address(text: unknown): EnvelopeAddress {
  const parsed = typeof text === 'string' ? EnvelopeAddress.parse(text) : undefined;
  if (parsed === undefined) throw new ParcelError('an address cannot be parsed');
  return parsed;
}

function scheduleOf(written: JsonObject): Schedule {
  try {
    return new Schedule(written);
  } catch (error) {
    throw new ParcelError((error as Error).message);
  }
}
