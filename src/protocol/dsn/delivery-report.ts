import { type MimePart, parseMime } from '../mime/index.ts';
import { parseReportFields, ReportError, type ReportFields, typedValue } from './report-fields.ts';

export interface RemoteMta {
  mta_type: string;
  name: string;
}

export interface ReportedRecipient {
  recipient_type: string;
  recipient: string;
}

/** RFC 3464 §2.2; dates are RFC 3339 text, null is what was not given. */
export interface PerMessage {
  reporting_mta: RemoteMta;
  original_envelope_id: string | null;
  dsn_gateway: RemoteMta | null;
  received_from_mta: RemoteMta | null;
  arrival_date: string | null;
  extensions: Map<string, string[]>;
}

/** RFC 3464 §2.3 */
export interface PerRecipient {
  final_recipient: ReportedRecipient;
  original_recipient: ReportedRecipient | null;
  action: string;
  status: { class: number; subject: number; detail: number };
  remote_mta: RemoteMta | null;
  diagnostic_code: { diagnostic_type: string; diagnostic: string } | null;
  last_attempt_date: string | null;
  final_log_id: string | null;
  will_retry_until: string | null;
  extensions: Map<string, string[]>;
}

export interface DeliveryReport {
  per_message: PerMessage;
  per_recipient: PerRecipient[];
  /** What the report has of the message: all of it or its headers. */
  original_message: string | Buffer | null;
}

/**
 * Reads a delivery status notification (RFC 3464, also in its UTF-8 form of RFC 6533). Undefined when the message is
 * none. Throws ReportError when it says it is one and is malformed, and MimeError beyond the caps of the MIME parser.
 */
export function parseDeliveryReport(message: Buffer): DeliveryReport | undefined {
  const root = parseMime(message);
  const { type, parameters } = root.contentType;
  if (type !== 'multipart/report' || parameters.get('report-type')?.toLowerCase() !== 'delivery-status') {
    return undefined;
  }
  const status = root.children.find((part) => STATUS_TYPES.has(part.contentType.type));
  if (status === undefined) throw new ReportError('the report has no delivery status');
  const [first, ...others] = parseReportFields(status.decodedBody.toString());
  if (first === undefined) throw new ReportError('the delivery status is empty');
  return {
    per_message: perMessage(first),
    per_recipient: others.map(perRecipient),
    original_message: originalMessage(root),
  };
}

const STATUS_TYPES = new Set(['message/delivery-status', 'message/global-delivery-status']);

const ORIGINAL_TYPES = new Set([
  'message/rfc822',
  'message/global',
  'text/rfc822-headers',
  'message/rfc822-headers',
  'message/global-headers',
]);

/** The message that a report is about, as text where it is UTF-8; null when the report does not hold it. */
export function originalMessage(report: MimePart): string | Buffer | null {
  const part = report.children.find((child) => ORIGINAL_TYPES.has(child.contentType.type));
  if (part === undefined) return null;
  const bytes = part.decodedBody;
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : bytes;
}

function perMessage(fields: ReportFields): PerMessage {
  return {
    reporting_mta: mta('reporting-mta', fields.require('reporting-mta')),
    original_envelope_id: fields.take('original-envelope-id'),
    dsn_gateway: optional(fields, 'dsn-gateway', mta),
    received_from_mta: optional(fields, 'received-from-mta', mta),
    arrival_date: fields.takeDate('arrival-date'),
    extensions: fields.extensions,
  };
}

function perRecipient(fields: ReportFields): PerRecipient {
  return {
    final_recipient: recipient('final-recipient', fields.require('final-recipient')),
    original_recipient: optional(fields, 'original-recipient', recipient),
    action: fields.require('action').toLowerCase(),
    status: status(fields.require('status')),
    remote_mta: optional(fields, 'remote-mta', mta),
    diagnostic_code: optional(fields, 'diagnostic-code', (name, text) => {
      const [diagnostic_type, diagnostic] = typedValue(name, text);
      return { diagnostic_type, diagnostic };
    }),
    last_attempt_date: fields.takeDate('last-attempt-date'),
    final_log_id: fields.take('final-log-id'),
    will_retry_until: fields.takeDate('will-retry-until'),
    extensions: fields.extensions,
  };
}

function optional<T>(fields: ReportFields, name: string, read: (name: string, text: string) => T): T | null {
  const text = fields.take(name);
  return text === null ? null : read(name, text);
}

function mta(name: string, text: string): RemoteMta {
  const [mta_type, value] = typedValue(name, text);
  return { mta_type, name: value };
}

function recipient(name: string, text: string): ReportedRecipient {
  const [recipient_type, value] = typedValue(name, text);
  return { recipient_type, recipient: value };
}

/** RFC 3463 §2; a comment may follow. */
function status(text: string): PerRecipient['status'] {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\s|\(|$)/.exec(text);
  if (match === null) throw new ReportError(`status: '${text}' is no status code`);
  return { class: Number(match[1]), subject: Number(match[2]), detail: Number(match[3]) };
}
