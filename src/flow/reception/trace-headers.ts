import type { JsonObject } from '../../model/index.ts';
import { formatDate } from '../../protocol/mime/index.ts';

/** What a Received header tells (RFC 5321 §4.4). */
export interface ReceivedFacts {
  ehloDomain: string | undefined;
  peerAddress: string;
  localAddress: string;
  hostname: string;
  protocol: string;
  id: string;
  recipient: string;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The Received header of one batch, with its CRLF. */
export function receivedHeader(facts: ReceivedFacts): string {
  return (
    `Received: from ${facts.ehloDomain ?? 'unspecified'} (${facts.peerAddress})\r\n` +
    `  by ${facts.hostname} (Moonpost ${facts.localAddress})\r\n` +
    `  with ${facts.protocol} id ${facts.id} for <${facts.recipient}>;\r\n` +
    `  ${formatDate(facts.now)}\r\n`
  );
}

/** Pieces of at most 75 columns. */
const PIECES = /.{1,75}/g;

/**
 * The supplemental trace header (policy-api.md 2.1): base64 of a JSON object with the recipient and the chosen
 * metadata, folded; a report that quotes it can be tied to the message. With its CRLF.
 */
export function supplementalHeader(
  name: string,
  recipients: readonly string[],
  meta: JsonObject,
  includeMeta: readonly string[],
): string {
  const content: JsonObject = {
    '_@_': '\\_/',
    recipient: recipients.length === 1 ? recipients[0]! : [...recipients],
  };
  for (const key of includeMeta) if (meta[key] != null) content[key] = meta[key]!;
  const encoded = Buffer.from(JSON.stringify(content)).toString('base64');
  const lines = encoded.match(PIECES) ?? [];
  return `${name}: ${lines.join('\r\n\t')}\r\n`;
}
