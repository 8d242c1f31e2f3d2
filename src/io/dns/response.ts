import type { Packet, ResourceRecord } from 'dns-packet';
import type { RecordType } from './record-resolver.ts';

/** CNAMEs followed before a chain counts as a loop. */
export const MAX_ALIASES = 16;

/** What one response says about a name. */
export type Finding =
  /** `owner`: the name that has them, after the aliases. */
  | { kind: 'records'; records: unknown[]; owner: string; ttl: number }
  /** The chain leads out of this response: ask for `target`. */
  | { kind: 'alias'; target: string; ttl: number }
  /** The name exists without such records. */
  | { kind: 'empty'; owner: string; ttl: number }
  | { kind: 'nxdomain'; ttl: number }
  | { kind: 'loop' };

/** Seconds for a negative answer without SOA. */
const NEGATIVE_TTL = 60;

/**
 * Reads the answer section. Only records that hang on the name by the chain of CNAMEs count; whatever else a
 * server put in is ignored. TTLs are in seconds, the smallest of the chain.
 */
export function readResponse(packet: Packet, name: string, type: RecordType): Finding {
  let owner = name;
  let ttl = Number.POSITIVE_INFINITY;
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    const owned = packet.answers.filter((record) => isIn(record) && sameName(record.name, owner));
    const records = owned.filter((record) => record.type === type);
    if (records.length > 0) {
      for (const record of records) ttl = Math.min(ttl, record.ttl ?? 0);
      return { kind: 'records', records: records.map((record) => record.data), owner, ttl };
    }
    const alias = owned.find((record) => record.type === 'CNAME');
    if (alias === undefined) return endOfChain(packet, name, owner, ttl);
    owner = (alias.data as string).toLowerCase();
    ttl = Math.min(ttl, alias.ttl ?? 0);
  }
  return { kind: 'loop' };
}

function endOfChain(packet: Packet, name: string, owner: string, ttl: number): Finding {
  // RFC 2308 §2.1: after CNAMEs, the code and the SOA are about the last name of the chain.
  if (packet.rcode === 'NXDOMAIN') return { kind: 'nxdomain', ttl: Math.min(ttl, negativeTtl(packet)) };
  const authoritative = packet.authorities.some((record) => record.type === 'SOA');
  if (owner !== name && !authoritative) return { kind: 'alias', target: owner, ttl };
  return { kind: 'empty', owner, ttl: Math.min(ttl, negativeTtl(packet)) };
}

/** RFC 2308 §5: the smaller of the SOA's TTL and its minimum field. */
function negativeTtl(packet: Packet): number {
  const soa = packet.authorities.find((record) => record.type === 'SOA');
  if (soa === undefined) return NEGATIVE_TTL;
  return Math.min(soa.ttl ?? 0, (soa.data as { minimum: number }).minimum);
}

function isIn(record: ResourceRecord): boolean {
  return record.class === undefined || record.class === 'IN';
}

export function sameName(one: string, other: string): boolean {
  return one === other || one.toLowerCase() === other.toLowerCase();
}
