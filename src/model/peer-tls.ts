import { isUsableTlsa } from '../protocol/dane/index.ts';
import { isIpAddress } from '../protocol/ip/index.ts';
import type { PeerTlsPolicy, PlannedHost, TlsaRecord } from './connection-plan.ts';
import type { MxResolution } from './mx-resolution.ts';
import { type DnsAnswer, DnsError, type Resolver } from './resolver.ts';

/** How a look-up of TLSA records ended; a label of the metric dane_result_count. */
export type DaneResult = 'usable' | 'unusable' | 'absent' | 'failed';

/** What of DANE and MTA-STS counts (options of the egress path). */
export interface PeerTlsRules {
  /** `enable_dane` (default false). */
  dane?: boolean;
  /** `enable_mta_sts` (default true). */
  mtaSts?: boolean;
  /** The port that is connected to, given that of the host (default 25). */
  portFor?(port: number | undefined): number;
  /** Told once for each host and port. */
  onDane?(result: DaneResult): void;
}

/** What is known of a site besides its hosts. */
export interface SiteTrust {
  /** The choice of the hosts is proved, by DNSSEC or by the operator. */
  isSecure: boolean;
  mtaSts: MxResolution['mtaSts'];
  /** The next-hop domain, which a certificate may have for its name. */
  domain: string | undefined;
}

export const NO_TRUST: SiteTrust = { isSecure: false, mtaSts: 'none', domain: undefined };

/** A planned host with what the look-up of its address said. */
export interface FoundHost extends PlannedHost {
  /** DNSSEC proved the address, or it counts as if it had. */
  isSecure: boolean;
  /** Where the aliases of the host end. */
  canonicalName?: string | undefined;
}

/** Puts to each address what DANE and MTA-STS ask of TLS with it (delivery.md 12, RFC 7672 §2.2, RFC 8461 §5). */
export async function withPeerTls(
  hosts: readonly FoundHost[],
  trust: SiteTrust,
  resolver: Resolver,
  rules: PeerTlsRules,
): Promise<PlannedHost[]> {
  const asked = new Map<string, Promise<PeerTlsPolicy | undefined>>();
  const dane = (host: FoundHost): Promise<PeerTlsPolicy | undefined> | undefined => {
    if (rules.dane !== true || !trust.isSecure || isIpAddress(host.name)) return undefined;
    const key = `${host.name} ${host.port} ${host.isSecure}`;
    const known = asked.get(key) ?? danePolicy(host, trust, resolver, rules);
    asked.set(key, known);
    return known;
  };
  const sts = rules.mtaSts === false ? undefined : stsPolicy(trust.mtaSts);
  return Promise.all(
    hosts.map(async (host) => {
      const { name, address, port, isProved } = host;
      const tls = strongest(await dane(host), sts);
      return { name, address, port, ...(tls && { tls }), ...(isProved && { isProved }) };
    }),
  );
}

/** DANE goes before MTA-STS; a certificate that DANE cannot check, MTA-STS may. */
function strongest(
  dane: PeerTlsPolicy | undefined,
  sts: PeerTlsPolicy | undefined,
): PeerTlsPolicy | undefined {
  if (dane === undefined) return sts;
  return dane.mode === 'RequiredInsecure' && sts?.mode === 'Required' ? sts : dane;
}

function stsPolicy(mode: SiteTrust['mtaSts']): PeerTlsPolicy | undefined {
  switch (mode) {
    case 'enforce':
      return { by: 'mta-sts', mode: 'Required' };
    case 'testing':
      return { by: 'mta-sts', mode: 'OpportunisticInsecure' };
    case 'none':
      return undefined;
  }
}

async function danePolicy(
  host: FoundHost,
  trust: SiteTrust,
  resolver: Resolver,
  rules: PeerTlsRules,
): Promise<PeerTlsPolicy | undefined> {
  const port = rules.portFor?.(host.port) ?? host.port ?? 25;
  const found = await findTlsa(host, port, resolver);
  rules.onDane?.(found.result);
  switch (found.result) {
    case 'usable': {
      const others = new Set([found.base, trust.domain].filter((name) => name !== undefined));
      others.delete(host.name);
      return { by: 'dane', mode: 'Required', tlsa: found.records, tlsaNames: [...others] };
    }
    case 'unusable':
      return { by: 'dane', mode: 'RequiredInsecure' };
    case 'failed':
      return { by: 'dane', mode: 'Required', failure: found.why };
    case 'absent':
      return undefined;
  }
}

type TlsaFinding =
  | { result: 'usable'; records: TlsaRecord[]; base: string }
  | { result: 'unusable' | 'absent' }
  | { result: 'failed'; why: string };

/**
 * The records of a host whose choice is secure. They count when the address is secure too, or when the host is
 * a secure alias of something insecure. Where the whole chain of aliases is secure, its end goes first.
 */
async function findTlsa(host: FoundHost, port: number, resolver: Resolver): Promise<TlsaFinding> {
  const { name, canonicalName, isSecure } = host;
  try {
    if (!isSecure && !(canonicalName !== undefined && (await isSecureAlias(name, resolver)))) {
      return { result: 'absent' };
    }
    const bases = isSecure && canonicalName !== undefined ? [canonicalName, name] : [name];
    for (const base of bases) {
      const answer = await recordsOf(`_${port}._tcp.${base}`, resolver);
      if (answer === undefined || !answer.secure || answer.records.length === 0) continue;
      const records = answer.records.filter(isUsableTlsa);
      return records.length === 0 ? { result: 'unusable' } : { result: 'usable', records, base };
    }
    return { result: 'absent' };
  } catch (error) {
    if (!(error instanceof DnsError)) throw error;
    return { result: 'failed', why: `DANE: ${error.message}` };
  }
}

async function isSecureAlias(name: string, resolver: Resolver): Promise<boolean> {
  const { records, secure } = await resolver.cname(name);
  return records.length > 0 && secure;
}

/** Undefined: there is no such name, which is as good as no records. */
async function recordsOf(name: string, resolver: Resolver): Promise<DnsAnswer<TlsaRecord> | undefined> {
  try {
    return await resolver.tlsa(name);
  } catch (error) {
    if (error instanceof DnsError && error.kind === 'nxdomain') return undefined;
    throw error;
  }
}
