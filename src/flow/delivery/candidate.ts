import type { PeerAddress, PeerTlsPolicy } from '../../model/index.ts';
import { formatHostPort } from '../../protocol/ip/index.ts';
import type { Reply } from '../../protocol/smtp/index.ts';

/** One address of the connection plan. */
export interface Candidate {
  /** Host name, such as the MX name; for SNI, the certificate check and the log. */
  name: string;
  /** IP address. */
  address: string;
  port: number;
  /** True when the plan entry named the port; the log then shows it. */
  explicitPort?: boolean;
  /** What its domain asks of TLS. */
  tls?: PeerTlsPolicy | undefined;
  /** DNSSEC proved the address; the log says so. */
  isProved?: true;
}

/** `peer_address` of log records (operations.md 9.2). */
export function peerAddressOf(candidate: Candidate): PeerAddress {
  const { name, address, port, explicitPort, isProved } = candidate;
  const addr = explicitPort === true ? formatHostPort(address, port) : address;
  return isProved ? { name, addr, is_secure: true } : { name, addr };
}

export function describeCandidate(candidate: Candidate): string {
  return `${candidate.name}/${formatHostPort(candidate.address, candidate.port)}`;
}

/**
 * At which step no session came about. `unplumbed`: the source address is not one of this machine; `family`: it is
 * not of the family of the candidate's; `proxy`: the proxy cannot be reached or does not do its work;
 * `proxy-unplumbed`: the proxy cannot send from its address; `shortage`: this machine has no descriptor or port left;
 * `dial`: the connection failed in another way;
 * `starttls`: STARTTLS was refused or missing, or its handshake failed; `starttls-timeout`: the handshake took too
 * long; `tls-policy`: DANE or MTA-STS forbids to send there now; `auth`: AUTH may not or did not work; `closed`: the
 * connection was lost on the way.
 */
export type ConnectFailureKind =
  | 'unplumbed'
  | 'family'
  | 'proxy'
  | 'proxy-unplumbed'
  | 'shortage'
  | 'refused'
  | 'unreachable'
  | 'dial'
  | 'timeout'
  | 'closed'
  | 'banner'
  | 'ehlo'
  | 'starttls'
  | 'starttls-timeout'
  | 'tls-policy'
  | 'auth';

/** A candidate that gave no session: the next one is tried. `text` goes into the reply that sums them up. */
export class ConnectFailure extends Error {
  readonly candidate: Candidate;
  readonly kind: ConnectFailureKind;
  readonly text: string;
  /** What the peer said, when it said something. */
  readonly reply: Reply | undefined;

  constructor(candidate: Candidate, kind: ConnectFailureKind, text: string, reply?: Reply) {
    super(`${describeCandidate(candidate)}: ${text}`);
    this.candidate = candidate;
    this.kind = kind;
    this.text = this.message;
    this.reply = reply;
  }
}
