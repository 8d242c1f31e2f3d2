import type { TlsaRecord } from '../protocol/dane/index.ts';
import { isIpAddress } from '../protocol/ip/index.ts';
import { asciiDomain, BadDomainError, type MxResolution, parseLiteral, splitPort } from './mx-resolution.ts';
import { type FoundHost, NO_TRUST, type PeerTlsRules, type SiteTrust, withPeerTls } from './peer-tls.ts';
import { type DnsAnswer, DnsError, type Resolver } from './resolver.ts';

export type IpLookupStrategy = 'Ipv4Only' | 'Ipv6Only' | 'Ipv4AndIpv6' | 'Ipv4ThenIpv6' | 'Ipv6ThenIpv4';

export type { TlsaRecord } from '../protocol/dane/index.ts';

/** What DANE or MTA-STS asks of TLS with a host; it beats `enable_tls` (delivery.md section 12). */
export interface PeerTlsPolicy {
  by: 'dane' | 'mta-sts';
  mode: 'Required' | 'RequiredInsecure' | 'OpportunisticInsecure';
  /** The certificate must match one of these; names and authorities then count as RFC 7672 says. */
  tlsa?: readonly TlsaRecord[];
  /** With `tlsa`: names besides that of the host that the certificate may have, such as the next-hop domain. */
  tlsaNames?: readonly string[];
  /** Why nothing may be sent to this address now, such as a failed lookup of TLSA. */
  failure?: string;
}

/** One address to try. */
export interface PlannedHost {
  /** Host name, for TLS and for log records; the address for a literal. */
  name: string;
  address: string;
  /** Set when the domain or the mx_list entry named one. */
  port: number | undefined;
  tls?: PeerTlsPolicy;
  /** DNSSEC proved the address. */
  isProved?: true;
}

/** The addresses of a site in the order to try them, or why there are none (delivery.md 8 point 2). */
export type ConnectionPlan =
  | { kind: 'candidates'; candidates: PlannedHost[] }
  /** MX didn't resolve to any hosts. */
  | { kind: 'none' }
  | { kind: 'null-mx' }
  | { kind: 'prohibited'; host: string; address: string }
  | { kind: 'all-skipped' };

export interface PlanRules extends PeerTlsRules {
  strategy: IpLookupStrategy;
  prohibited(address: string): boolean;
  skipped(address: string): boolean;
  /** Random number in [0, 1). */
  random(): number;
}

/** An mx_list entry as policy wrote it: a name or `[ip]` with or without port, or with its address given. */
export type MxListHost = { name: string } | { name: string; addr: string };

/** Hosts asked for at a time. */
const CONCURRENCY = 16;
/** More addresses are not tried, the best preferences first: nobody waits for so many. */
const MAX_CANDIDATES = 100;
/** Addresses of one host that count. */
const MAX_ADDRESSES = 32;

/** Plans connections to the hosts of a domain: by preference, addresses of one preference in random order. */
export async function planMx(
  mx: MxResolution,
  resolver: Resolver,
  rules: PlanRules,
): Promise<ConnectionPlan> {
  if (mx.isNullMx) return { kind: 'null-mx' };
  const planned: FoundHost[] = [];
  for (const { hosts } of mx.groups) {
    const group = await inBatches(hosts, async (name) => {
      const addresses = await addressesOf(name, resolver, rules.strategy);
      return addresses.map((found) => ({ name, port: mx.port, ...found }));
    });
    planned.push(...shuffled(group.flat(), rules.random));
    if (planned.length >= MAX_CANDIDATES) break;
  }
  const trust = { isSecure: mx.isSecure, mtaSts: mx.mtaSts, domain: mx.isLiteral ? undefined : mx.domain };
  return applyRules(planned, trust, resolver, rules);
}

/**
 * Plans connections to an mx_list: in the order that was given. `isSecure`: its names, and the addresses in it, count
 * as if DNSSEC had proved them.
 */
export async function planMxList(
  entries: readonly MxListHost[],
  resolver: Resolver,
  rules: PlanRules,
  isSecure = false,
): Promise<ConnectionPlan> {
  const hosts = await inBatches(entries, (entry) => listedHosts(entry, resolver, rules.strategy));
  return applyRules(hosts.flat(), { ...NO_TRUST, isSecure }, resolver, rules);
}

/** `mx_list:` and the labels of the entries (delivery.md 3): names as given, addresses of resolved pairs. */
export function mxListSiteName(entries: readonly MxListHost[]): string {
  return `mx_list:${entries.map((entry) => ('addr' in entry ? entry.addr : entry.name)).join(',')}`;
}

async function listedHosts(
  entry: MxListHost,
  resolver: Resolver,
  strategy: IpLookupStrategy,
): Promise<FoundHost[]> {
  if ('addr' in entry) {
    const given = literalAddress(entry.addr);
    return given === undefined ? [] : [{ name: entry.name, ...given, isSecure: true }];
  }
  const literal = literalAddress(entry.name);
  if (literal !== undefined) return [{ name: literal.address, ...literal, isSecure: false }];
  const { name, port } = splitPort(entry.name);
  return (await addressesOf(name, resolver, strategy)).map((found) => ({ name, port, ...found }));
}

/** `ip`, `ip:port`, and the forms in brackets. */
function literalAddress(text: string): { address: string; port: number | undefined } | undefined {
  if (isIpAddress(text)) return { address: text, port: undefined };
  const { name, port } = splitPort(text);
  return isIpAddress(name) ? { address: name, port } : parseLiteral(text);
}

/** An address with what its look-up said of it. */
type FoundAddress = Pick<FoundHost, 'address' | 'isSecure' | 'isProved' | 'canonicalName'>;

/** None for a host that cannot be resolved: the others are tried. */
async function addressesOf(
  host: string,
  resolver: Resolver,
  strategy: IpLookupStrategy,
): Promise<FoundAddress[]> {
  if (isIpAddress(host)) return [{ address: host, isSecure: false }];
  const ipv4 = (): Promise<FoundAddress[]> => lookup(host, (name) => resolver.a(name));
  const ipv6 = (): Promise<FoundAddress[]> => lookup(host, (name) => resolver.aaaa(name));
  switch (strategy) {
    case 'Ipv4Only':
      return ipv4();
    case 'Ipv6Only':
      return ipv6();
    case 'Ipv4AndIpv6':
      return (await Promise.all([ipv4(), ipv6()])).flat();
    case 'Ipv4ThenIpv6':
      return firstOf(ipv4, ipv6);
    case 'Ipv6ThenIpv4':
      return firstOf(ipv6, ipv4);
  }
}

async function firstOf(...lookups: (() => Promise<FoundAddress[]>)[]): Promise<FoundAddress[]> {
  for (const ask of lookups) {
    const addresses = await ask();
    if (addresses.length > 0) return addresses;
  }
  return [];
}

async function lookup(
  host: string,
  ask: (name: string) => Promise<DnsAnswer<string>>,
): Promise<FoundAddress[]> {
  try {
    const { records, secure, canonicalName } = await ask(asciiDomain(host));
    const found = { isSecure: secure, canonicalName, ...(secure && { isProved: true as const }) };
    return records.slice(0, MAX_ADDRESSES).map((address) => ({ address, ...found }));
  } catch (error) {
    if (error instanceof DnsError || error instanceof BadDomainError) return [];
    throw error;
  }
}

/** Prohibited hosts are tested before skipped ones, and one of them is enough. */
async function applyRules(
  planned: FoundHost[],
  trust: SiteTrust,
  resolver: Resolver,
  rules: PlanRules,
): Promise<ConnectionPlan> {
  if (planned.length === 0) return { kind: 'none' };
  const prohibited = planned.find((host) => rules.prohibited(host.address));
  if (prohibited !== undefined) {
    return { kind: 'prohibited', host: prohibited.name, address: prohibited.address };
  }
  const wanted = planned.filter((host) => !rules.skipped(host.address)).slice(0, MAX_CANDIDATES);
  if (wanted.length === 0) return { kind: 'all-skipped' };
  return { kind: 'candidates', candidates: await withPeerTls(wanted, trust, resolver, rules) };
}

/** Fisher and Yates. */
function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const pick = Math.floor(random() * (last + 1));
    [result[last], result[pick]] = [result[pick]!, result[last]!];
  }
  return result;
}

async function inBatches<T, R>(values: readonly T[], ask: (value: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < values.length; from += CONCURRENCY) {
    results.push(...(await Promise.all(values.slice(from, from + CONCURRENCY).map(ask))));
  }
  return results;
}
