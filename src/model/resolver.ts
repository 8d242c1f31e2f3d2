import type { TlsaRecord } from '../protocol/dane/index.ts';

/** Answers of DNS as the rooms need them. `secure` is the AD bit of a resolver that may be trusted for it. */
export interface MxHost {
  preference: number;
  /** Lower case A-label without the trailing dot; '' is the null MX (RFC 7505). */
  exchange: string;
}

export type DnsFailureKind = 'nxdomain' | 'servfail' | 'timeout' | 'refused' | 'malformed';

export class DnsError extends Error {
  readonly kind: DnsFailureKind;
  constructor(kind: DnsFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface DnsAnswer<T> {
  records: T[];
  secure: boolean;
  /** Milliseconds for which the answer may be used. */
  ttl: number;
  /** Where the aliases of the name end; absent when it has none. */
  canonicalName?: string | undefined;
}

/** Looks names up. Empty `records` = the name exists without such records; everything else rejects with DnsError. */
export interface Resolver {
  mx(domain: string): Promise<DnsAnswer<MxHost>>;
  a(name: string): Promise<DnsAnswer<string>>;
  aaaa(name: string): Promise<DnsAnswer<string>>;
  txt(name: string): Promise<DnsAnswer<string>>;
  ptr(address: string): Promise<DnsAnswer<string>>;
  /** Of a service, such as `_25._tcp.mx.example.com` (RFC 6698 §3). */
  tlsa(name: string): Promise<DnsAnswer<TlsaRecord>>;
  /** The alias of that very name, and whether it is secure, wherever it leads. */
  cname(name: string): Promise<DnsAnswer<string>>;
  /** False: `secure` is never true, since no server is trusted for it. */
  readonly canBeSecure: boolean;
}
