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
