import {
  endOfHeaders,
  formatDate,
  HeaderLine,
  MimePart,
  newMultipart,
  newText,
  parseMime,
} from '../mime/index.ts';
import type { RemoteMta } from './delivery-report.ts';

/** What a delivery status notification tells (RFC 3464). Times are ms since the epoch. */
export interface NotificationFacts {
  reportingMta: RemoteMta;
  /** The sender of the message that failed; the notification goes there. */
  sender: string;
  recipients: readonly string[];
  arrived: number;
  lastAttempt: number;
  status: { class: number; subject: number; detail: number };
  /** The reply of the peer, in one line. */
  diagnostic: string;
  remoteMta: RemoteMta | undefined;
  /** When the message expired rather than was refused. */
  expired: boolean;
  messageId: string;
  boundary: string;
  original: { message: Buffer; scope: 'HeadersOnly' | 'FullContent' } | undefined;
}

/** The notification as a message. Its Date is the time of the last attempt. */
export function statusNotification(facts: NotificationFacts): Buffer {
  const parts = [newText('text/plain', explanation(facts)), statusPart(facts)];
  if (facts.original !== undefined) parts.push(originalPart(facts.original));
  const root = newMultipart('multipart/report', parts, facts.boundary);
  const type = root.contentType;
  root.headers.replace([
    HeaderLine.of('Return-Path', '<>'),
    HeaderLine.ofText('From', `Mail Delivery Subsystem <mailer-daemon@${oneLine(facts.reportingMta.name)}>`),
    HeaderLine.of('To', oneLine(facts.sender)),
    HeaderLine.of('Subject', 'Returned mail'),
    HeaderLine.of('Date', formatDate(facts.lastAttempt)),
    HeaderLine.of('Message-ID', `<${oneLine(facts.messageId)}>`),
    // RFC 3834 §5: nobody is to answer this by a machine.
    HeaderLine.of('Auto-Submitted', 'auto-replied'),
    HeaderLine.of('MIME-Version', '1.0'),
    HeaderLine.of(
      'Content-Type',
      `multipart/report; report-type=delivery-status;\r\n\tboundary="${type.parameters.get('boundary')}"`,
    ),
  ]);
  return root.bytes;
}

function explanation(facts: NotificationFacts): string {
  const verb = facts.expired ? 'expired before it could be delivered' : 'could not be delivered';
  return [
    `The message was received at ${formatDate(facts.arrived)}`,
    `from ${facts.sender} and addressed to:`,
    ...facts.recipients.map((recipient) => `  ${recipient}`),
    '',
    `It ${verb}. The last answer was:`,
    `  ${facts.diagnostic}`,
    '',
  ].join('\r\n');
}

function statusPart(facts: NotificationFacts): MimePart {
  const { class: kind, subject, detail } = facts.status;
  const lines = [
    `Reporting-MTA: ${facts.reportingMta.mta_type}; ${facts.reportingMta.name}`,
    `Arrival-Date: ${formatDate(facts.arrived)}`,
  ];
  for (const recipient of facts.recipients) {
    lines.push('', `Final-Recipient: rfc822;${recipient}`, 'Action: failed');
    lines.push(`Status: ${kind}.${subject}.${detail}`);
    if (facts.remoteMta !== undefined) {
      lines.push(`Remote-MTA: ${facts.remoteMta.mta_type}; ${facts.remoteMta.name}`);
    }
    lines.push(`Diagnostic-Code: smtp; ${facts.diagnostic}`);
    lines.push(`Last-Attempt-Date: ${formatDate(facts.lastAttempt)}`);
  }
  const part = new MimePart(parseMime(Buffer.from('Content-Type: message/delivery-status\r\n\r\n')).headers);
  part.setEncodedBody(Buffer.from(`${lines.map(oneLine).join('\r\n')}\r\n`));
  return part;
}

function originalPart({ message, scope }: NonNullable<NotificationFacts['original']>): MimePart {
  const isWhole = scope === 'FullContent';
  const end = endOfHeaders(message);
  const content = isWhole || end < 0 ? message : message.subarray(0, end);
  const type = isWhole ? 'message/rfc822' : 'text/rfc822-headers';
  const part = new MimePart(parseMime(Buffer.from(`Content-Type: ${type}\r\n\r\n`)).headers);
  part.setEncodedBody(content);
  return part;
}

/** What comes from peers must not begin a line of its own. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
