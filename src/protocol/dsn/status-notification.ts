import { isAscii, isUtf8 } from 'node:buffer';
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

/**
 * The notification as a message. Its Date is the time of the last attempt. With an address beyond ASCII it has the
 * UTF-8 form (RFC 6533), and so has what comes back of a message whose headers are UTF-8.
 */
export function statusNotification(facts: NotificationFacts): Buffer {
  const isGlobal = !isAscii(Buffer.from([facts.sender, ...facts.recipients].join()));
  const parts = [newText('text/plain', explanation(facts)), statusPart(facts, isGlobal)];
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
    // RFC 2045 §6.4: a multipart says so when one of its parts is.
    ...(parts.some((part) => !isAscii(part.bytes))
      ? [HeaderLine.of('Content-Transfer-Encoding', '8bit')]
      : []),
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

function statusPart(facts: NotificationFacts, isGlobal: boolean): MimePart {
  const { class: kind, subject, detail } = facts.status;
  // RFC 3464 §2.1 has ASCII alone; what a peer says beyond it is no reason for a form that fewer can read.
  const octets = (text: string): string => (isGlobal ? text : text.replace(/[^\0-\x7f]/gu, '?'));
  const lines = [
    `Reporting-MTA: ${facts.reportingMta.mta_type}; ${facts.reportingMta.name}`,
    `Arrival-Date: ${formatDate(facts.arrived)}`,
  ];
  for (const recipient of facts.recipients) {
    // RFC 6533 §3: the type is that of the address, not that of the report.
    const type = isAscii(Buffer.from(recipient)) ? 'rfc822' : 'utf-8';
    lines.push('', `Final-Recipient: ${type};${recipient}`, 'Action: failed');
    lines.push(`Status: ${kind}.${subject}.${detail}`);
    if (facts.remoteMta !== undefined) {
      lines.push(`Remote-MTA: ${facts.remoteMta.mta_type}; ${facts.remoteMta.name}`);
    }
    lines.push(`Diagnostic-Code: smtp; ${facts.diagnostic}`);
    lines.push(`Last-Attempt-Date: ${formatDate(facts.lastAttempt)}`);
  }
  const content = Buffer.from(`${lines.map((line) => octets(oneLine(line))).join('\r\n')}\r\n`);
  return partOf(isGlobal ? 'message/global-delivery-status' : 'message/delivery-status', content);
}

function originalPart({ message, scope }: NonNullable<NotificationFacts['original']>): MimePart {
  const isWhole = scope === 'FullContent';
  const end = endOfHeaders(message);
  const content = isWhole || end < 0 ? message : message.subarray(0, end);
  const headers = end < 0 ? message : message.subarray(0, end);
  // RFC 6533 §4: these two are for headers in UTF-8; other 8-bit headers are nothing that a type could name.
  const isGlobal = !isAscii(headers) && isUtf8(headers);
  if (isWhole) return partOf(isGlobal ? 'message/global' : 'message/rfc822', content);
  return partOf(isGlobal ? 'message/global-headers' : 'text/rfc822-headers', content);
}

function partOf(type: string, content: Buffer): MimePart {
  // RFC 2045 §6.1: what is not declared is 7 bit.
  const encoding = isAscii(content) ? '' : '\r\nContent-Transfer-Encoding: 8bit';
  const part = new MimePart(parseMime(Buffer.from(`Content-Type: ${type}${encoding}\r\n\r\n`)).headers);
  part.setEncodedBody(content);
  return part;
}

/** What comes from peers must not begin a line of its own. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
