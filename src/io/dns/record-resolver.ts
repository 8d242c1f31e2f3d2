import { type DnsAnswer, DnsError, type MxHost, type Resolver, type TlsaRecord } from '../../model/index.ts';
import { hostName, reverseName } from './name.ts';

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'NS' | 'PTR' | 'SOA' | 'TLSA' | 'TXT';

/** Records of one type as dns-packet decodes them. */
export type RawAnswer = DnsAnswer<unknown>;

/** The typed questions, on top of one untyped. Records of a form that the type does not have are left out. */
export abstract class RecordResolver implements Resolver {
  /** Records of `type` at `name`, at the end of its CNAMEs. Rejects with DnsError. */
  abstract query(name: string, type: RecordType): Promise<RawAnswer>;

  abstract readonly canBeSecure: boolean;

  /** Whether the question is answered without asking anybody. */
  abstract isAtHand(name: string, type: RecordType): boolean;

  async mx(domain: string): Promise<DnsAnswer<MxHost>> {
    return mapped(await this.query(domain, 'MX'), (record) => {
      const { preference, exchange } = record as { preference: number; exchange: string };
      const host = hostName(exchange);
      return host === undefined ? undefined : { preference: preference ?? 0, exchange: host };
    });
  }

  async a(name: string): Promise<DnsAnswer<string>> {
    return mapped(await this.query(name, 'A'), asText);
  }

  async aaaa(name: string): Promise<DnsAnswer<string>> {
    return mapped(await this.query(name, 'AAAA'), asText);
  }

  /** One string per record; its parts are joined (RFC 7208 §3.3). */
  async txt(name: string): Promise<DnsAnswer<string>> {
    return mapped(await this.query(name, 'TXT'), (record) => {
      const parts = Array.isArray(record) ? record : [record];
      return Buffer.concat(parts.map((part) => Buffer.from(part as Buffer | string))).toString('utf8');
    });
  }

  /** Names of an address, without the trailing dot. */
  async ptr(address: string): Promise<DnsAnswer<string>> {
    return mapped(await this.query(reverseName(address), 'PTR'), (record) => hostName(record) || undefined);
  }

  async tlsa(name: string): Promise<DnsAnswer<TlsaRecord>> {
    return mapped(await this.query(name, 'TLSA'), (record) => {
      const { usage, selector, matchingType, certificate } = record as Omit<TlsaRecord, 'data'> & {
        certificate: Buffer;
      };
      return Buffer.isBuffer(certificate) ? { usage, selector, matchingType, data: certificate } : undefined;
    });
  }

  async cname(name: string): Promise<DnsAnswer<string>> {
    return mapped(await this.query(name, 'CNAME'), (record) => hostName(record) || undefined);
  }
}

/** Says that the name does not exist; the text is what operators see. */
export function noSuchName(name: string): DnsError {
  return new DnsError('nxdomain', `no such domain: ${name}`);
}

function asText(record: unknown): string | undefined {
  return typeof record === 'string' ? record : undefined;
}

function mapped<T>(answer: RawAnswer, convert: (record: unknown) => T | undefined): DnsAnswer<T> {
  const records: T[] = [];
  for (const record of answer.records) {
    const value = convert(record);
    if (value !== undefined) records.push(value);
  }
  return { ...answer, records };
}
