import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { checkServerIdentity, getCACertificates, type PeerCertificate } from 'node:tls';
import { type Clock, DnsError, type Resolver } from '../../model/index.ts';
import { systemAuthorities } from '../tls/index.ts';
import { FETCH_TIMEOUT, type FetchPolicy } from './policy-cache.ts';

export interface FetchOptions {
  resolver: Pick<Resolver, 'a' | 'aaaa'>;
  clock: Clock;
  /** Default 443. */
  port?: number;
  /** PEM; default the authorities of the system, or those of Node where the system has none. */
  ca?: string | string[];
}

/** RFC 8461 §3.3. */
const LARGEST = 64 * 1024;

/**
 * Gets policies from https://mta-sts.DOMAIN/.well-known/mta-sts.txt. The certificate has to be good for that name, and
 * the answer a 200 of text/plain with at most 64 KiB; redirects are not followed (RFC 8461 §3.3).
 */
export function fetchPolicyOverHttps(options: FetchOptions): FetchPolicy {
  let authorities = options.ca;
  return (domain) => {
    authorities ??= trustedAuthorities();
    return fetchPolicy(`mta-sts.${domain}`, { ...options, ca: authorities });
  };
}

function trustedAuthorities(): string[] {
  const system = systemAuthorities();
  return system.length > 0 ? system : getCACertificates('default');
}

function fetchPolicy(host: string, { resolver, clock, port = 443, ca }: FetchOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host,
      port,
      ca,
      path: '/.well-known/mta-sts.txt',
      servername: host,
      headers: { Host: host },
      // A connection that was verified in another way must not serve.
      agent: false,
      lookup: lookupWith(resolver),
      checkServerIdentity: checkPolicyHost,
    });
    const timer = clock.after(FETCH_TIMEOUT, () =>
      settle(new Error(`no answer within ${FETCH_TIMEOUT / 1000} s`)),
    );
    const settle = (outcome: string | Error): void => {
      timer.cancel();
      if (typeof outcome === 'string') resolve(outcome);
      else reject(new Error(`https://${host}: ${outcome.message}`));
      outgoing.destroy();
    };
    outgoing.on('error', settle);
    outgoing.on('response', (response) => readPolicy(response, settle));
    outgoing.end();
  });
}

function readPolicy(response: IncomingMessage, settle: (outcome: string | Error) => void): void {
  const { statusCode, headers } = response;
  if (statusCode !== 200) {
    settle(new Error(`it answered ${statusCode}`));
    return;
  }
  const type = headers['content-type'] ?? '';
  if (!/^text\/plain\s*(?:;|$)/i.test(type)) {
    settle(new Error(`it answered with ${type === '' ? 'no type' : type} instead of text/plain`));
    return;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  response.on('error', settle);
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > LARGEST) settle(new Error(`its answer has more than ${LARGEST} bytes`));
    else chunks.push(chunk);
  });
  response.on('end', () => settle(Buffer.concat(chunks).toString('utf8')));
}

/** RFC 8461 §3.3: only names of the subjectAltName count. */
function checkPolicyHost(host: string, certificate: PeerCertificate): Error | undefined {
  if (certificate.subjectaltname === undefined) return new Error('its certificate has no subjectAltName');
  return checkServerIdentity(host, certificate);
}

/** Names are looked up as those of mail are; a family that fails does not matter when the other has addresses. */
function lookupWith(resolver: FetchOptions['resolver']): LookupFunction {
  return (name, { all }, callback) => {
    const families = [
      resolver.a(name).then(({ records }) => records.map((address) => ({ address, family: 4 }))),
      resolver.aaaa(name).then(({ records }) => records.map((address) => ({ address, family: 6 }))),
    ];
    void Promise.allSettled(families).then((settled) => {
      const found = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      const failure = settled.find((one) => one.status === 'rejected')?.reason as Error | undefined;
      const [first] = found;
      if (first === undefined) callback(failure ?? new DnsError('nxdomain', `${name} has no address`), '', 0);
      else if (all) callback(null, found);
      else callback(null, first.address, first.family);
    });
  };
}
