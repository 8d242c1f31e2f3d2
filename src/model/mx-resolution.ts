import { domainToASCII } from 'node:url';
import { formatHostPort, isIpAddress } from '../protocol/ip/index.ts';
import { allowsMx } from '../protocol/mta-sts/index.ts';
import { MtaStsError, type MtaStsFinding, type MtaStsPolicies } from './mta-sts.ts';
import type { MxHost, Resolver } from './resolver.ts';
import { siteName } from './site-name.ts';

/** Hosts of the same preference, in alphabetical order. */
export interface MxGroup {
  preference: number;
  /** Lower case, no trailing dot; addresses for a literal. */
  hosts: string[];
}

/** Where a domain says that its mail goes (delivery.md 3). */
export interface MxResolution {
  /** As it was asked in DNS: A-labels, lower case, without port. The text of the address for a literal. */
  domain: string;
  /** By preference, best first. Empty for a null MX. */
  groups: MxGroup[];
  /** Of a `name:port` or `[ip]:port`; for every host. */
  port: number | undefined;
  siteName: string;
  /** `[ip]`: no DNS was asked. */
  isLiteral: boolean;
  /** False when the domain has no MX and is its own host. */
  isMx: boolean;
  /** RFC 7505: the domain takes no mail. */
  isNullMx: boolean;
  /** The MX answer has the AD bit of a trusted resolver. */
  isSecure: boolean;
  /** Mode of the MTA-STS policy of the domain; hosts that it does not allow in mode enforce are left out. */
  mtaSts: 'none' | 'testing' | 'enforce';
  /** Milliseconds for which this holds. */
  ttl: number;
}

/** A domain that cannot be looked up at all. */
export class BadDomainError extends Error {}

/** Literals do not change. */
const LITERAL_TTL = 3_600_000;
/** More hosts are not looked at, the best preferences first: they name the site, and each has to be resolved. */
const MAX_HOSTS = 100;

/**
 * Finds the hosts for a domain: `name`, `name:port`, `[ip]`, `[IPv6:ip]`, `[ip:port]` or `[ip]:port`. Rejects with
 * DnsError as the resolver does, with BadDomainError for what is no domain, and with MtaStsError when the policy of the
 * domain allows none of its hosts. Without `policies`, domains have none.
 */
export async function resolveMx(
  domain: string,
  resolver: Resolver,
  policies?: MtaStsPolicies,
): Promise<MxResolution> {
  const literal = parseLiteral(domain);
  if (literal !== undefined) return literalResolution(literal.address, literal.port);
  const { name, port } = splitPort(domain);
  // A bare address is no domain, but configurations contain it and there is one thing it can mean.
  if (isIpAddress(name)) return literalResolution(name, port);
  const ascii = asciiDomain(name);
  const answer = await resolver.mx(ascii);
  // RFC 7505 §3: a null MX stands alone; beside others it is a mistake and is left out.
  const records = answer.records.filter((record) => record.exchange !== '');
  const isNullMx = answer.records.length > 0 && records.length === 0;
  const isMx = answer.records.length > 0;
  // RFC 5321 §5.1: without MX, the domain is its own host.
  const found = isMx ? groupByPreference(records) : [{ preference: 1, hosts: [ascii] }];
  const sts = isMx && !isNullMx ? await policies?.find(ascii) : undefined;
  const groups = allowedGroups(found, sts, ascii);
  const hosts = groups.flatMap((group) => group.hosts);
  return {
    domain: ascii,
    groups,
    port,
    siteName: siteName(hosts, port),
    isLiteral: false,
    isMx,
    isNullMx,
    isSecure: answer.secure,
    mtaSts: sts?.policy?.mode ?? 'none',
    ttl: Math.min(answer.ttl, sts?.ttl ?? answer.ttl),
  };
}

/** A-labels in lower case, no trailing dot; A-labels stay as they are. Throws BadDomainError. */
export function asciiDomain(domain: string): string {
  const bare = domain.endsWith('.') ? domain.slice(0, -1) : domain;
  const ascii = /[^\0-\x7f]/.test(bare) ? domainToASCII(bare) : bare.toLowerCase();
  if (ascii === '' || /[\0- \x7f@[\]]/.test(ascii)) throw new BadDomainError(`'${domain}' is not a domain`);
  return ascii;
}

/** The address and port of `[ip]`, `[IPv6:ip]`, `[ip:port]`, `[ip]:port`; undefined for anything else. */
export function parseLiteral(text: string): { address: string; port: number | undefined } | undefined {
  const match = /^\[(?:IPv6:)?([^[\]]+)\](?::(\d{1,5}))?$/i.exec(text);
  if (match === null) return undefined;
  const inner = match[1]!;
  const port = portNumber(match[2]);
  if (isIpAddress(inner)) return { address: inner.toLowerCase(), port };
  const split = splitPort(inner);
  return isIpAddress(split.name) && port === undefined
    ? { address: split.name.toLowerCase(), port: split.port }
    : undefined;
}

/** `name:port`; what has several colons is an IPv6 address and has no port. */
export function splitPort(text: string): { name: string; port: number | undefined } {
  const match = /^([^:]+):(\d{1,5})$/.exec(text);
  const port = portNumber(match?.[2]);
  return match === null || port === undefined ? { name: text, port: undefined } : { name: match[1]!, port };
}

function portNumber(text: string | undefined): number | undefined {
  const port = Number(text);
  return port > 0 && port <= 65_535 ? port : undefined;
}

function literalResolution(address: string, port: number | undefined): MxResolution {
  return {
    domain: address,
    groups: [{ preference: 1, hosts: [address] }],
    port,
    siteName: port === undefined ? address : formatHostPort(address, port),
    isLiteral: true,
    isMx: false,
    isNullMx: false,
    isSecure: false,
    mtaSts: 'none',
    ttl: LITERAL_TTL,
  };
}

function groupByPreference(records: readonly MxHost[]): MxGroup[] {
  const groups = new Map<number, Set<string>>();
  for (const { preference, exchange } of records) {
    const hosts = groups.get(preference) ?? new Set<string>();
    hosts.add(exchange.toLowerCase());
    groups.set(preference, hosts);
  }
  let room = MAX_HOSTS;
  const sorted: MxGroup[] = [];
  for (const [preference, hosts] of [...groups].sort(([one], [other]) => one - other)) {
    if (room === 0) break;
    const kept = [...hosts].sort().slice(0, room);
    room -= kept.length;
    sorted.push({ preference, hosts: kept });
  }
  return sorted;
}

/** RFC 8461 §4.1: in mode enforce, hosts that the policy does not name get no mail. */
function allowedGroups(groups: MxGroup[], sts: MtaStsFinding | undefined, domain: string): MxGroup[] {
  const policy = sts?.policy;
  if (policy?.mode !== 'enforce') return groups;
  const allowed = groups
    .map(({ preference, hosts }) => ({ preference, hosts: hosts.filter((host) => allowsMx(policy, host)) }))
    .filter(({ hosts }) => hosts.length > 0);
  if (allowed.length > 0) return allowed;
  throw new MtaStsError(`the MTA-STS policy of ${domain} allows none of its MX`);
}
