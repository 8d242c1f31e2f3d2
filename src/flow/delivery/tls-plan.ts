import { isAscii } from 'node:buffer';
import { domainToASCII } from 'node:url';
import type { PeerCheck } from '../../model/index.ts';
import type { Candidate } from './candidate.ts';
import type { SmtpPathOptions } from './path-options.ts';

export type TlsMode = SmtpPathOptions['enable_tls'];

/** How TLS is spoken with one candidate, from the path and from what its domain asks by DANE or MTA-STS. */
export interface TlsPlan {
  mode: TlsMode;
  /** Clear text will do where TLS is not to be had. */
  isOptional: boolean;
  /** For SNI and the name in the certificate. */
  serverName: string;
  check: PeerCheck;
}

/** What the domain asks beats the path (delivery.md section 12). */
export function tlsPlanFor(path: SmtpPathOptions, candidate: Candidate): TlsPlan {
  const asked = candidate.tls;
  const mode = asked?.mode ?? path.enable_tls;
  const host = nameOf(candidate);
  return {
    mode,
    isOptional: !path.implicit_tls && mode.startsWith('Opportunistic'),
    serverName: asked === undefined ? (path.tls_server_name ?? host) : host,
    check: checkFor(path, candidate, mode, host),
  };
}

/** As certificates have it: internationalized names in ASCII, and the address of what has no name. */
function nameOf({ name, address }: Candidate): string {
  if (name === '') return address;
  return isAscii(Buffer.from(name)) ? name : domainToASCII(name) || name;
}

function checkFor(path: SmtpPathOptions, { tls: asked }: Candidate, mode: TlsMode, host: string): PeerCheck {
  if (asked?.tlsa !== undefined) {
    return { kind: 'tlsa', records: asked.tlsa, names: [host, ...(asked.tlsaNames ?? [])] };
  }
  const checks = !mode.endsWith('Insecure');
  if (asked !== undefined) return { kind: 'authority', certificate: checks, name: checks };
  return {
    kind: 'authority',
    certificate: path.tls_verify_certificate ?? checks,
    name: path.tls_verify_hostname ?? checks,
  };
}
