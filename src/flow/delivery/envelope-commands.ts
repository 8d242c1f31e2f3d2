import { isAscii } from 'node:buffer';
import { type EnvelopeAddress, type Reply, reply } from '../../protocol/smtp/index.ts';
import type { Capabilities } from './capabilities.ts';

/**
 * Whether the address can stand between the angle brackets of a command. Addresses were parsed when they came
 * in; this is the last gate before the wire (CVE-2021-23400 and its kin), so it trusts nobody.
 */
export function isSendable(address: EnvelopeAddress): boolean {
  // Outside of a quoted local part, a blank or an angle bracket would end the path and start a parameter.
  return !CONTROL.test(address.email) && SENDABLE.test(address.email);
}

const CONTROL = /[\x00-\x1f\x7f]/;
const SENDABLE = /^(?:"(?:[^"\\]|\\.)*"(?=@)|[^\s<>"]*)[^\s<>]*$/s;

export function unsendableReply(role: 'sender' | 'recipient'): Reply {
  const enhanced = role === 'sender' ? '5.1.7' : '5.1.3';
  return reply(553, enhanced, `KumoMTA internal: the ${role} address has characters that cannot be sent`);
}

/** Replies for what the server cannot take, given here without asking it (delivery.md 9). */
export const body8bitReply = (): Reply =>
  reply(
    554,
    '5.6.3',
    'KumoMTA internal: DATA is 8bit, destination does not support 8BITMIME. ' +
      'Use msg:check_fix_conformance at reception to convert such messages',
  );

export const envelope8bitReply = (): Reply =>
  reply(554, '5.6.7', 'KumoMTA internal: envelope is 8bit, destination does not support SMTPUTF8.');

/** What MAIL must say about the message. */
export interface MailParameters {
  size: number;
  body8bit: boolean;
  envelope8bit: boolean;
}

/** MAIL with the parameters that the server offers to understand (RFC 1870, 6152, 6531). */
export function mailLine(sender: EnvelopeAddress, parameters: MailParameters, offered: Capabilities): string {
  let line = `MAIL FROM:<${sender.email}>`;
  if (offered.has('SIZE')) line += ` SIZE=${parameters.size}`;
  if (parameters.body8bit && offered.has('8BITMIME')) line += ' BODY=8BITMIME';
  if (parameters.envelope8bit && offered.has('SMTPUTF8')) line += ' SMTPUTF8';
  return `${line}\r\n`;
}

export function rcptLine(recipient: EnvelopeAddress): string {
  return `RCPT TO:<${recipient.email}>\r\n`;
}

/** Native: 0.2 us for 10 KB. */
export function is8bit(body: Buffer): boolean {
  return !isAscii(body);
}
