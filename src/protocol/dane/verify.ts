import { X509Certificate } from 'node:crypto';
import {
  certificateOf,
  DANE_EE,
  DANE_TA,
  isUsableTlsa,
  matchesTlsa,
  type TlsaRecord,
} from './certificate-match.ts';
import { pathLengthOf } from './path-length.ts';

/** What a server showed, and what DNS says of it. */
export interface DaneQuestion {
  /** DER certificates: the server's own first, then what it sent with it, in any order. */
  chain: readonly Buffer[];
  records: readonly TlsaRecord[];
  /** Names that the certificate may be made out to, when an authority vouches for it (RFC 7672 §3.2.2). */
  names: readonly string[];
  /** Milliseconds since the epoch. */
  now: number;
}

/** Longer chains are not followed. */
const MAX_CHAIN = 10;

/**
 * Verifies a server by its TLSA records (RFC 7672 §3). A record of usage 3 that matches the server's own
 * certificate is enough: names, dates and authorities do not count. One of usage 2 names an authority: the
 * certificates from the server's to that one must be signed by each other, be of today and not more than they
 * allow, and the server's must be for servers and have one of the names. Other records are not usable for mail and do not count. Gives why the server is not verified,
 * or undefined when it is.
 */
export function whyDaneFails({ chain, records, names, now }: DaneQuestion): string | undefined {
  const usable = records.filter(isUsableTlsa);
  if (usable.length === 0) return 'no TLSA record is usable';
  const [own, ...sent] = readCertificates(chain);
  if (own === undefined) return 'the server has no certificate that can be read';
  if (usable.some((record) => record.usage === DANE_EE && matchesTlsa(record, own))) return undefined;
  const anchors = usable.filter(({ usage }) => usage === DANE_TA);
  if (anchors.length === 0) return 'the certificate matches no TLSA record';
  const path = pathToAnchor(own, sent, anchors);
  if (path === undefined) return 'neither the certificate nor one that signed it matches a TLSA record';
  const old = path.find((certificate) => !isOfToday(certificate, now));
  if (old !== undefined) return `the certificate of ${nameOf(old)} is not valid today`;
  const strict = path.find((certificate, place) => place > 0 && pathLengthOf(certificate) < place - 1);
  if (strict !== undefined) return `the certificate of ${nameOf(strict)} allows no chain of that length`;
  if (!isForServers(own)) return 'the certificate is not for servers';
  if (!names.some((name) => isMadeOutTo(own, name)))
    return `the certificate is not for ${names.join(' or ')}`;
  return undefined;
}

/** Stops at the first text that is no certificate: what comes after it cannot be signed for. */
function readCertificates(chain: readonly Buffer[]): X509Certificate[] {
  const certificates: X509Certificate[] = [];
  try {
    for (const der of chain.slice(0, MAX_CHAIN)) certificates.push(new X509Certificate(der));
  } catch {
    // The ones before it may be all that is needed.
  }
  return certificates;
}

/** The certificates from the server's own to the authority that a record names; undefined when none leads there. */
function pathToAnchor(
  own: X509Certificate,
  sent: readonly X509Certificate[],
  anchors: readonly TlsaRecord[],
): X509Certificate[] | undefined {
  const inRecords = anchors.map(certificateOf).filter((certificate) => certificate !== undefined);
  const known = [...sent, ...inRecords];
  const path = [own];
  for (let last = own; path.length <= MAX_CHAIN; ) {
    const issuer = known.find((candidate) => !path.includes(candidate) && hasIssued(candidate, last));
    if (issuer === undefined) return undefined;
    path.push(issuer);
    // RFC 7671 §5.2: the authority has to be one, so the server's own certificate is not asked.
    if (anchors.some((record) => matchesTlsa(record, issuer))) return path;
    last = issuer;
  }
  return undefined;
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

function isOfToday({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime();
}

/** Purposes of a certificate that has any must name that of a server, or all (RFC 5280 §4.2.1.12). */
function isForServers({ keyUsage: purposes }: X509Certificate): boolean {
  return purposes === undefined || purposes.some((purpose) => SERVER_PURPOSES.has(purpose));
}

const SERVER_PURPOSES: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.3.1', '2.5.29.37.0']);

/** The subject's common name counts when there is no DNS name (RFC 7672 §3.2.3). */
function isMadeOutTo(certificate: X509Certificate, name: string): boolean {
  const host = name.replace(/\.$/, '');
  return host !== '' && certificate.checkHost(host, { partialWildcards: false }) !== undefined;
}

function nameOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ');
}
