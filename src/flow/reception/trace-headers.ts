import type { TlsInfo } from '../../model/index.ts';
import { formatDate } from '../../protocol/mime/index.ts';

/** What a Received header tells (RFC 5321 §4.4). */
export interface ReceivedFacts {
  ehloDomain: string | undefined;
  peerAddress: string;
  localAddress: string;
  hostname: string;
  tls: TlsInfo | undefined;
  isAuthenticated: boolean;
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
    `  with ${protocolOf(facts)} id ${facts.id} for <${facts.recipient}>;\r\n` +
    `  ${formatDate(facts.now)}\r\n`
  );
}

/** RFC 3848, and what TLS came to. */
function protocolOf({ tls, isAuthenticated }: ReceivedFacts): string {
  if (tls === undefined) return 'ESMTP';
  return `${isAuthenticated ? 'ESMTPSA' : 'ESMTPS'} (${tls.protocolVersion}:${tls.cipher})`;
}
