import { DnsError } from '../../model/index.ts';
import { dnsName } from './name.ts';
import { noSuchName, type RawAnswer, RecordResolver, type RecordType } from './record-resolver.ts';
import { MAX_ALIASES } from './response.ts';
import { parseZone, type ZoneRecord } from './zone-file.ts';

/** A zone as policy gives it: the text of a zone file, or with `secure` to say that its answers have the AD bit. */
export type TestZone = string | { zone: string; secure?: boolean };

interface Held extends ZoneRecord {
  secure: boolean;
}

/** Answers from zone files instead of the network. Names in none of them do not exist. */
export class TestResolver extends RecordResolver {
  readonly #records = new Map<string, Held[]>();
  /** Every name that exists, and whether its zone is signed. */
  readonly #names = new Map<string, boolean>();
  readonly canBeSecure = true;
  readonly #failing: Set<string>;

  /** `servfail`: names whose lookup fails. Throws ZoneError for a zone that cannot be read. */
  constructor(zones: readonly TestZone[], servfail: readonly string[] = []) {
    super();
    this.#failing = new Set(servfail.map(dnsName));
    for (const given of zones) {
      const { zone, secure = false } = typeof given === 'string' ? { zone: given } : given;
      for (const record of parseZone(zone)) this.#add({ ...record, secure });
    }
  }

  isAtHand(): boolean {
    return true;
  }

  async query(given: string, type: RecordType): Promise<RawAnswer> {
    let name = dnsName(given);
    let secure = true;
    let ttl = Number.POSITIVE_INFINITY;
    for (let hop = 0; hop <= MAX_ALIASES; hop++) {
      if (this.#failing.has(name)) throw new DnsError('servfail', `looking up ${type} of ${given}: SERVFAIL`);
      const owned = this.#records.get(name) ?? [];
      const alias = type === 'CNAME' ? undefined : owned.find((record) => record.type === 'CNAME');
      const found = alias === undefined ? owned.filter((record) => record.type === type) : [alias];
      for (const record of found) {
        ttl = Math.min(ttl, record.ttl * 1000);
        secure &&= record.secure;
      }
      if (alias === undefined) {
        const answer = this.#final(name, found, secure, ttl);
        return hop === 0 ? answer : { ...answer, canonicalName: name };
      }
      name = dnsName(alias.rdata as string);
    }
    throw new DnsError('servfail', `${given} has a loop of CNAMEs`);
  }

  #final(name: string, found: Held[], secure: boolean, ttl: number): RawAnswer {
    if (found.length > 0) return { records: found.map((record) => record.rdata), secure, ttl };
    const signed = this.#names.get(name);
    if (signed === undefined) throw noSuchName(name);
    return { records: [], secure: secure && signed, ttl: 60_000 };
  }

  #add(record: Held): void {
    const held = this.#records.get(record.owner);
    if (held === undefined) this.#records.set(record.owner, [record]);
    else held.push(record);
    // RFC 8020: a name exists when one below it does.
    const labels = record.owner.split('.');
    for (let from = 0; from < labels.length; from++) {
      const name = labels.slice(from).join('.');
      // Names above the zone are in it only by way of speaking; the first zone with a name says what it is.
      if (from === 0 || !this.#names.has(name)) this.#names.set(name, record.secure);
    }
  }
}
