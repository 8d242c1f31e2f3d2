import type { Reply } from '../protocol/smtp/index.ts';
import type { Json, JsonObject, MaybePromise } from './json.ts';
import type { Message } from './message.ts';
import type { PeerAddress, SourceAddress, TlsInfo } from './outcome.ts';

export type RecordType =
  | 'Reception'
  | 'Delivery'
  | 'Bounce'
  | 'TransientFailure'
  | 'Expiration'
  | 'AdminBounce'
  | 'OOB'
  | 'Feedback'
  | 'Rejection'
  | 'AdminRebind'
  | 'Delayed'
  | 'DeferredInjectionRebind'
  | 'XferOut'
  | 'XferIn';

/** Something that happened to a message, as the rooms report it; the delivery log makes a record of it. */
export interface DeliveryEvent {
  type: RecordType;
  /** The message, or what a refused transaction had of one. */
  subject: Message | RefusedTransaction;
  /** Defaults to the recipients of the message. */
  recipients?: string[];
  /** Defaults to the sender of the message. */
  sender?: string;
  /** Defaults to the size of the message. */
  size?: number;
  /** For Feedback. */
  feedbackReport?: JsonObject;
  queue: string;
  site: string;
  response: Reply;
  peer: PeerAddress | null;
  attempts: number;
  pool?: string | undefined;
  source?: string | undefined;
  sourceAddress?: SourceAddress | undefined;
  deliveryProtocol: string | null;
  tls?: TlsInfo | undefined;
  providerName?: string | undefined;
  sessionId?: string | undefined;
  /** Which message of its connection it was, from 1. */
  delivery?: number | undefined;
}

export interface RefusedTransaction {
  sender: string;
  recipient: string;
  meta: JsonObject;
}

/** Where rooms report to. The promise, when there is one, is back pressure: wait for it. It does not reject. */
export interface DeliveryLog {
  write(event: DeliveryEvent): MaybePromise<void>;
  /** True while it has more than it should: who cannot wait for `write` should write no more. */
  readonly isStalled?: boolean;
}

/** One line of the delivery log; the fields and their order are those of operations.md 9.2. */
export interface LogRecord {
  type: RecordType;
  id: string;
  sender: string;
  recipient: string | string[];
  queue: string;
  site: string;
  size: number;
  response: { code: number; enhanced_code: Json; content: string; command: string | null };
  peer_address: PeerAddress | null;
  timestamp: number;
  event_time: string;
  created: number;
  created_time: string;
  num_attempts: number;
  bounce_classification: string;
  egress_pool: string | null;
  egress_source: string | null;
  source_address: SourceAddress | null;
  feedback_report: JsonObject | null;
  meta: JsonObject;
  headers: JsonObject;
  delivery_protocol: string | null;
  reception_protocol: string | null;
  nodeid: string;
  tls_cipher?: string;
  tls_protocol_version?: string;
  tls_peer_subject_name?: string[];
  provider_name?: string;
  session_id?: string;
  session_delivery?: number;
  tls_resumed?: boolean;
}

/** RFC 3339 times, most of them of the second of the one before: a tenth of what Date takes, bench/delivery-log. */
class RecentTimes {
  #second = Number.NaN;
  #prefix = '';

  /** `time`: milliseconds since 1970. */
  format(time: number): string {
    const second = Math.floor(time / 1000);
    if (second !== this.#second) {
      this.#prefix = new Date(second * 1000).toISOString().slice(0, -4);
      this.#second = second;
    }
    return `${this.#prefix}${String(Math.floor(time) - second * 1000).padStart(3, '0')}Z`;
  }
}

const eventTimes = new RecentTimes();
const createdTimes = new RecentTimes();

/** Builds the record of an event. `now` and `created` are milliseconds since the epoch. */
export function logRecord(
  event: DeliveryEvent,
  now: number,
  created: number,
  nodeId: string,
  meta: JsonObject,
  headers: JsonObject,
): LogRecord {
  const { subject } = event;
  const refused = 'recipient' in subject;
  const recipients = event.recipients ?? (refused ? [subject.recipient] : subject.recipients.map(String));
  const record: LogRecord = {
    type: event.type,
    id: refused ? '' : subject.id,
    sender: event.sender ?? (refused ? subject.sender : subject.sender.email),
    recipient: recipients.length === 1 ? recipients[0]! : recipients,
    queue: event.queue,
    site: event.site,
    size: event.size ?? (refused ? 0 : subject.size),
    response: {
      code: event.response.code,
      enhanced_code: event.response.enhanced === null ? null : { ...event.response.enhanced },
      content: oneLine(event.response.content),
      command: event.response.command,
    },
    peer_address: event.peer,
    timestamp: Math.floor(now / 1000),
    event_time: eventTimes.format(now),
    created: Math.floor(created / 1000),
    created_time: createdTimes.format(created),
    num_attempts: event.attempts,
    bounce_classification: 'Uncategorized',
    egress_pool: event.pool ?? null,
    egress_source: event.source ?? null,
    source_address: event.sourceAddress === undefined ? null : { ...event.sourceAddress },
    feedback_report: event.feedbackReport ?? null,
    meta,
    headers,
    delivery_protocol: event.deliveryProtocol,
    reception_protocol: refused ? null : textOf(subject.meta.reception_protocol),
    nodeid: nodeId,
  };
  if (event.tls !== undefined) addTls(record, event.tls);
  if (event.providerName !== undefined) record.provider_name = event.providerName;
  if (event.sessionId !== undefined) record.session_id = event.sessionId;
  if (event.delivery !== undefined) record.session_delivery = event.delivery;
  if (event.tls?.resumed !== undefined) record.tls_resumed = event.tls.resumed;
  return record;
}

function addTls(record: LogRecord, tls: TlsInfo): void {
  record.tls_cipher = tls.cipher;
  record.tls_protocol_version = tls.protocolVersion;
  record.tls_peer_subject_name = tls.peerSubjectName;
}

function oneLine(text: string): string {
  return text.includes('\n') ? text.replace(/\r?\n/g, ' ') : text;
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

/** The metadata that a logger asked for: exact keys, or a prefix ending in `*`; nulls are left out. */
export function selectMeta(meta: JsonObject, patterns: readonly string[]): JsonObject {
  const chosen: JsonObject = {};
  for (const pattern of patterns) {
    if (pattern.endsWith('*')) {
      const prefix = pattern.slice(0, -1);
      for (const key of Object.keys(meta)) {
        if (key.startsWith(prefix) && meta[key] != null) chosen[key] = meta[key]!;
      }
    } else if (meta[pattern] != null) chosen[pattern] = meta[pattern]!;
  }
  return chosen;
}
