import type { Packet } from 'dns-packet';
import { LRUCache } from 'lru-cache';
import { type Clock, DnsError, type DnsFailureKind } from '../../model/index.ts';
import { inquire } from './exchange.ts';
import type { HostsFile } from './hosts-file.ts';
import { dnsName } from './name.ts';
import type { ResolverOptions } from './options.ts';
import { noSuchName, type RawAnswer, RecordResolver, type RecordType } from './record-resolver.ts';
import type { NameServer } from './resolv-conf.ts';
import { type Finding, MAX_ALIASES, readResponse, sameName } from './response.ts';

/** How long (ms) a failure to get any answer is remembered (RFC 9520 §3.2: at least one second). */
const FAILURE_TTL = 5000;
/** ms for which a server that did not answer is asked last. */
const PENALTY = 30_000;

interface Cached {
  expires: number;
  records: unknown[];
  secure: boolean;
  canonicalName?: string | undefined;
  /** Rejection to repeat instead of records. */
  failure?: { kind: DnsFailureKind; message: string };
}

/**
 * Asks the configured name servers and keeps what they say for as long as they allow. Questions that are being
 * asked already are joined. localhost and /etc/hosts are answered without DNS.
 */
export class CachingResolver extends RecordResolver {
  readonly #options: ResolverOptions;
  readonly #clock: Clock;
  readonly #hosts: HostsFile | undefined;
  readonly #cache: LRUCache<string, Cached>;
  readonly #pending = new Map<string, Promise<RawAnswer>>();
  readonly #penalties = new Map<NameServer, number>();

  constructor(options: ResolverOptions, clock: Clock, hosts: HostsFile | undefined) {
    super();
    this.#options = options;
    this.#clock = clock;
    this.#hosts = options.useHostsFile ? hosts : undefined;
    this.#cache = new LRUCache({ max: Math.max(1, options.cacheSize) });
  }

  /** Name servers that may say that an answer is secure: those on this machine, or all with trust-ad. */
  get canBeSecure(): boolean {
    return this.#options.trustAd || this.#options.nameServers.some(({ loopback }) => loopback);
  }

  isAtHand(given: string, type: RecordType): boolean {
    const name = dnsName(given);
    if (this.#fromHosts(name, type) !== undefined) return true;
    const cached = this.#cache.get(`${type} ${name}`);
    return cached !== undefined && cached.expires > this.#clock.monotonic();
  }

  async query(given: string, type: RecordType): Promise<RawAnswer> {
    const name = dnsName(given);
    const local = this.#fromHosts(name, type);
    if (local !== undefined) return local;
    const key = `${type} ${name}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined && cached.expires > this.#clock.monotonic()) return this.#fromCache(cached);
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#resolve(name, type, key).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  /** Forgets all answers. */
  clear(): void {
    this.#cache.clear();
  }

  #fromHosts(name: string, type: RecordType): RawAnswer | undefined {
    if (this.#hosts === undefined) return undefined;
    if (type === 'PTR') return localAnswer(this.#hosts.namesAt(name));
    if (type === 'MX') {
      const isLocal = this.#hosts.addresses(name) !== undefined && isSpecialUse(name);
      return isLocal ? localAnswer([]) : undefined;
    }
    if (type !== 'A' && type !== 'AAAA') return undefined;
    const addresses = this.#hosts.addresses(name);
    return localAnswer(addresses?.filter((address) => address.includes(':') === (type === 'AAAA')));
  }

  #fromCache(cached: Cached): RawAnswer {
    if (cached.failure !== undefined) throw new DnsError(cached.failure.kind, cached.failure.message);
    const { records, secure, canonicalName, expires } = cached;
    return { records, secure, ttl: expires - this.#clock.monotonic(), canonicalName };
  }

  async #resolve(name: string, type: RecordType, key: string): Promise<RawAnswer> {
    try {
      const answer = await this.#follow(name, type);
      this.#remember(key, { expires: this.#clock.monotonic() + answer.ttl, ...answer });
      return answer;
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      // A name that the machine knows by itself exists, whatever DNS says about its MX.
      if (type === 'MX' && this.#hosts?.addresses(name) !== undefined) return localAnswer([])!;
      const { kind, message } = error;
      const ofMx = type === 'MX' ? this.#options.mxNegativeTtl : undefined;
      const ttl = ofMx ?? (error instanceof NoSuchName ? error.ttl : FAILURE_TTL);
      const expires = this.#clock.monotonic() + ttl;
      this.#remember(key, { expires, records: [], secure: false, failure: { kind, message } });
      throw error;
    }
  }

  #remember(key: string, entry: Cached): void {
    if (this.#options.cacheSize > 0 && entry.expires > this.#clock.monotonic()) this.#cache.set(key, entry);
  }

  /** Follows CNAMEs from answer to answer. */
  async #follow(asked: string, type: RecordType): Promise<RawAnswer> {
    let name = asked;
    let secure = true;
    let ttl = Number.POSITIVE_INFINITY;
    for (let hop = 0; hop <= MAX_ALIASES; hop++) {
      const { packet, server } = await this.#ask(name, type);
      const finding = readResponse(packet, name, type);
      if (finding.kind === 'loop') break;
      ttl = Math.min(ttl, this.#allowedTtl(finding));
      if (finding.kind === 'nxdomain') throw new NoSuchName(asked, ttl);
      secure &&= packet.flag_ad && (server.loopback || this.#options.trustAd);
      if (finding.kind !== 'alias') {
        const canonicalName = sameName(finding.owner, asked) ? undefined : finding.owner;
        return { records: finding.kind === 'records' ? finding.records : [], secure, ttl, canonicalName };
      }
      name = dnsName(finding.target);
    }
    throw new DnsError('servfail', `${asked} has a loop of CNAMEs`);
  }

  #allowedTtl(finding: Exclude<Finding, { kind: 'loop' }>): number {
    const options = this.#options;
    const ttl = finding.ttl * 1000;
    return finding.kind === 'records' || finding.kind === 'alias'
      ? Math.min(Math.max(ttl, options.positiveMinTtl), options.positiveMaxTtl)
      : Math.min(Math.max(ttl, options.negativeMinTtl), options.negativeMaxTtl);
  }

  /** Goes over the servers until one gives an answer that is final. */
  async #ask(name: string, type: RecordType): Promise<{ packet: Packet; server: NameServer }> {
    let failure: DnsError | undefined;
    let untrusted: { packet: Packet; server: NameServer } | undefined;
    for (let attempt = 0; attempt < this.#options.attempts; attempt++) {
      for (const server of this.#ordered()) {
        try {
          const packet = await this.#askServer(name, type, server);
          if (server.trustNegative || packet.answers.length > 0) return { packet, server };
          untrusted = { packet, server };
        } catch (error) {
          if (!(error instanceof DnsError)) throw error;
          // What a server said counts for more than silence.
          if (failure?.kind !== 'servfail' || error.kind === 'servfail') failure = error;
          if (error.kind === 'timeout' || error.kind === 'refused') {
            this.#penalties.set(server, this.#clock.monotonic() + PENALTY);
          }
        }
      }
      if (untrusted !== undefined) return untrusted;
    }
    failure ??= new DnsError('servfail', 'no name servers are configured');
    throw new DnsError(failure.kind, `looking up ${type} of ${name}: ${failure.message}`);
  }

  /** Configured order, those that lately did not answer last. */
  #ordered(): NameServer[] {
    const now = this.#clock.monotonic();
    const rank = (server: NameServer): number => ((this.#penalties.get(server) ?? 0) > now ? 1 : 0);
    return this.#options.nameServers.toSorted((one, other) => rank(one) - rank(other));
  }

  async #askServer(name: string, type: RecordType, server: NameServer): Promise<Packet> {
    const { timeout, edns, recursionDesired, caseRandomization, tcpOnError } = this.#options;
    const inquiry = { name, type, server, timeout, edns, recursionDesired, caseRandomization, tcpOnError };
    let packet = await inquire(inquiry, this.#clock);
    // RFC 6891 §7: a server that does not know EDNS says FORMERR or NOTIMP.
    if (edns && (packet.rcode === 'FORMERR' || packet.rcode === 'NOTIMP')) {
      packet = await inquire({ ...inquiry, edns: false }, this.#clock);
    }
    if (packet.rcode === 'NOERROR' || packet.rcode === 'NXDOMAIN') return packet;
    const kind = packet.rcode === 'REFUSED' ? 'refused' : 'servfail';
    throw new DnsError(kind, `${server.address} answered ${packet.rcode}`);
  }
}

/** Carries how long the answer holds. */
class NoSuchName extends DnsError {
  readonly ttl: number;
  constructor(name: string, ttl: number) {
    super('nxdomain', noSuchName(name).message);
    this.ttl = ttl;
  }
}

/** Answers of the machine itself are held for a minute by those who ask. */
function localAnswer(records: string[] | undefined): RawAnswer | undefined {
  return records === undefined ? undefined : { records, secure: false, ttl: 60_000 };
}

/** Names that no public DNS has (RFC 6761, RFC 6762, RFC 8375, RFC 9476): one label, or a top-level domain of these. */
function isSpecialUse(name: string): boolean {
  const top = name.slice(name.lastIndexOf('.') + 1);
  return !name.includes('.') || ['localhost', 'test', 'local', 'internal', 'lan', 'invalid'].includes(top);
}
