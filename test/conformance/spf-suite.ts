import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { systemClock } from '../../src/io/clock/index.ts';
import { checkSpf } from '../../src/io/mail-auth/index.ts';
import { type DnsAnswer, DnsError, type Resolver } from '../../src/model/index.ts';
import type { Verdict } from './verdict.ts';

/** One case of the test file of RFC 7208. */
interface Case {
  helo: string;
  host: string;
  mailfrom: string;
  /** One, or all that the RFC allows. */
  result: string | string[];
  explanation?: string;
}

type Rdata = Record<string, unknown> | 'TIMEOUT';

interface Scenario {
  description: string;
  tests: Record<string, Case>;
  zonedata: Record<string, Rdata[]>;
}

/** Answers from the zone of a scenario. */
class Zone implements Resolver {
  readonly canBeSecure = false;
  readonly #names: Map<string, Rdata[]>;

  constructor(zone: Scenario['zonedata']) {
    this.#names = new Map(Object.entries(zone).map(([name, records]) => [name.toLowerCase(), records]));
  }

  mx = (name: string) =>
    this.#find(name, 'MX', (value) => {
      const [preference, exchange] = value as [number, string];
      return { preference, exchange };
    });
  a = (name: string) => this.#find(name, 'A', String);
  aaaa = (name: string) => this.#find(name, 'AAAA', String);
  txt = (name: string) => this.#find(name, 'TXT', (value) => [value].flat().join(''));
  ptr = (address: string) => this.#find(reversed(address), 'PTR', String);
  tlsa = () => Promise.reject(new DnsError('nxdomain', 'no TLSA here'));
  cname = (name: string) => this.#find(name, 'CNAME', String);

  async #find<T>(given: string, type: string, read: (value: unknown) => T, hop = 0): Promise<DnsAnswer<T>> {
    const records = this.#names.get(given.toLowerCase().replace(/\.$/, ''));
    if (records === undefined) throw new DnsError('nxdomain', `no such domain: ${given}`);
    const values = valuesOf(records, type);
    const alias = type === 'CNAME' ? undefined : valuesOf(records, 'CNAME')[0];
    if (values.length === 0 && alias !== undefined && hop < 8) {
      return this.#find(String(alias), type, read, hop + 1);
    }
    if (values.includes('TIMEOUT') || (values.length === 0 && records.includes('TIMEOUT'))) {
      throw new DnsError('timeout', `${given}: time-out`);
    }
    return { records: values.map(read), secure: false, ttl: 0 };
  }
}

/** Records of type SPF stand for TXT where a name has no TXT of its own, as the file says; NONE is no record. */
function valuesOf(records: Rdata[], type: string): unknown[] {
  const named = (wanted: string): unknown[] =>
    records.flatMap((record) => (record !== 'TIMEOUT' && wanted in record ? [record[wanted]] : []));
  const values = named(type);
  const found = type === 'TXT' && values.length === 0 ? named('SPF') : values;
  return found.filter((value) => value !== 'NONE');
}

function reversed(ip: string): string {
  if (!ip.includes(':')) return `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
  const [head = '', tail] = ip.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const front = groups(head);
  const back = groups(tail ?? '');
  const zeros = new Array<string>(8 - front.length - back.length).fill('0');
  const all = tail === undefined ? front : [...front, ...zeros, ...back];
  const nibbles = all.map((group) => group.padStart(4, '0')).join('');
  return `${[...nibbles].reverse().join('.')}.ip6.arpa`;
}

/** The test file of RFC 7208, case by case. */
export async function spfSuite(): Promise<Verdict[]> {
  const text = readFileSync(join(import.meta.dirname, 'rfc7208/rfc7208-tests.yml'), 'utf8');
  const verdicts: Verdict[] = [];
  for (const document of parseAllDocuments(text, { logLevel: 'silent' })) {
    const { tests, zonedata } = (document as { toJS(): unknown }).toJS() as Scenario;
    const zone = new Zone(zonedata);
    for (const [name, one] of Object.entries(tests)) {
      verdicts.push({ name, problem: await problemOf(one, zone) });
    }
  }
  return verdicts;
}

async function problemOf(
  { host, helo, mailfrom, result: expected, explanation }: Case,
  zone: Zone,
): Promise<string | undefined> {
  const question = { ip: String(host), helo: String(helo ?? ''), sender: String(mailfrom ?? '') };
  const found = await checkSpf(question, zone, systemClock);
  const { result } = found.result;
  if (![expected].flat().includes(result)) {
    return `expected ${[expected].flat().join(' or ')}, got ${result}: ${found.result.reason}`;
  }
  if (explanation === undefined || result !== 'fail') return undefined;
  // DEFAULT stands for the text of the implementation, when the domain has none of its own.
  const text = found.explanation ?? 'DEFAULT';
  // Names of the DNS have no case: the file has the digits of IPv6 in capitals there, the RFC (§7.4) in small letters.
  return text.toLowerCase() === explanation.toLowerCase()
    ? undefined
    : `explanation '${text}' in place of '${explanation}'`;
}
