import { statusNotification } from '../protocol/dsn/index.ts';

/** What a notification needs of a log record; it comes from policy, so nothing of it is certain. */
export interface NotificationRecord {
  type: string;
  id: string;
  sender: string;
  recipient: string | string[];
  /** Seconds since the epoch. */
  timestamp: number;
  created: number;
  response: {
    code: number;
    enhanced_code?: { class: number; subject: number; detail: number } | null;
    content: string;
  };
  peer_address?: { name: string; addr: string } | null;
  delivery_protocol?: string | null;
  reception_protocol?: string | null;
}

export interface NotificationOptions {
  include_original_message: 'No' | 'HeadersOnly' | 'FullContent';
  enable_expiration: boolean;
  enable_bounce: boolean;
  reporting_mta: { mta_type: string; name: string };
  stable_content: boolean;
}

/**
 * The delivery status notification for a record, or undefined when there is to be none: its type is not enabled, it
 * is not about ESMTP, or the message had no sender to tell (RFC 5321 §4.5.5: the null sender gets none).
 * `id` becomes part of the Message-ID. Throws when the record is none.
 */
export function notificationFor(
  options: NotificationOptions,
  record: NotificationRecord,
  original: Buffer | undefined,
  id: string,
): Buffer | undefined {
  checkRecord(record);
  const expired = record.type === 'Expiration';
  const isEnabled = expired ? options.enable_expiration : record.type === 'Bounce' && options.enable_bounce;
  if (!isEnabled || record.sender === '' || !isAboutEsmtp(record)) return undefined;
  const { code, enhanced_code, content } = record.response;
  const status = enhanced_code ?? { class: Math.floor(code / 100) === 4 ? 4 : 5, subject: 0, detail: 0 };
  const enhanced = enhanced_code == null ? '' : `${status.class}.${status.subject}.${status.detail} `;
  const scope = options.include_original_message;
  const unique = options.stable_content ? `${record.id}-${record.timestamp}` : id;
  return statusNotification({
    reportingMta: options.reporting_mta,
    sender: record.sender,
    recipients: [record.recipient].flat(),
    arrived: record.created * 1000,
    lastAttempt: record.timestamp * 1000,
    // RFC 3464 §2.3.3: what failed for good is told as such, also when the last answer was 4xx.
    status: { ...status, class: 5 },
    diagnostic: `${code} ${enhanced}${content}`,
    remoteMta: record.peer_address == null ? undefined : { mta_type: 'dns', name: record.peer_address.name },
    expired,
    messageId: `${unique}@${options.reporting_mta.name}`,
    boundary: `=_report_${unique}`,
    original: scope === 'No' || original === undefined ? undefined : { message: original, scope },
  });
}

function isAboutEsmtp({ delivery_protocol, reception_protocol }: NotificationRecord): boolean {
  // Records of log hooks must not lead to mail, which would be logged again.
  if (reception_protocol === 'LogRecord') return false;
  return delivery_protocol === undefined || delivery_protocol === null || delivery_protocol === 'ESMTP';
}

function checkRecord(record: NotificationRecord): void {
  const isRecord =
    typeof record === 'object' &&
    record !== null &&
    typeof record.type === 'string' &&
    typeof record.sender === 'string' &&
    typeof record.timestamp === 'number' &&
    typeof record.created === 'number' &&
    typeof record.response?.code === 'number' &&
    typeof record.response.content === 'string' &&
    [record.recipient].flat().every((recipient) => typeof recipient === 'string');
  if (!isRecord) throw new TypeError('what was given is no log record');
}
