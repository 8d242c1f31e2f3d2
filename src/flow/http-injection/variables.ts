import type { Json, JsonObject } from '../../model/index.ts';
import { formatAddressList, type Mailbox, parseMailbox } from '../../protocol/mime/index.ts';
import type { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import { type InjectedRecipient, substitutionsOf } from './request.ts';

/** Whether any text in it, names of fields among them, has a line break. */
export function hasLineBreak(value: Json): boolean {
  if (typeof value === 'string') return /[\r\n]/.test(value);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasLineBreak);
  return Object.entries(value).some(([name, inner]) => /[\r\n]/.test(name) || hasLineBreak(inner));
}

/** The value with spaces in place of line breaks. */
export function onOneLine(value: Json): Json {
  if (typeof value === 'string') return value.replace(/[\r\n]/g, ' ');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(onOneLine);
  const flat = Object.entries(value).map(([name, inner]) => [name.replace(/[\r\n]/g, ' '), onOneLine(inner)]);
  return Object.fromEntries(flat) as JsonObject;
}

/** A mailbox of these, encoded for a header. Throws an Error when the address is none, or the name has control characters. */
export function mailboxText(email: string, name: string | null | undefined): string {
  return formatAddressList([mailboxOf(email, name)]);
}

export function mailboxOf(email: string, name: string | null | undefined): Mailbox {
  const { address } = parseMailbox(email);
  if (name == null || name === '') return { name: null, address };
  if (/[\x00-\x1f\x7f]/.test(name)) throw new Error('the name has control characters');
  return { name, address };
}

/** What templates can name for this recipient; the later wins (operations.md 4.3). */
export function variablesOf(
  global: JsonObject,
  recipient: InjectedRecipient,
  address: EnvelopeAddress,
): JsonObject {
  return {
    ...global,
    email: address.email,
    ...(recipient.name != null && { name: recipient.name }),
    to_header: mailboxText(address.email, recipient.name),
    ...substitutionsOf(recipient.substitutions),
  };
}

/** Whether a part of the object is there: clients send null for what is not. */
export function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
