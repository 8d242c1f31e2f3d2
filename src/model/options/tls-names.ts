import { constants } from 'node:crypto';
import { makeKind, PolicyValueError, type RichKind, refuse } from '../define/index.ts';

/** Options that OpenSSL names and Node does not; bits of OpenSSL 3. */
const MORE_OPTIONS: Record<string, number> = {
  NO_DTLSV1: 1 << 26,
  NO_DTLSV1_2: 1 << 27,
  ENABLE_MIDDLEBOX_COMPAT: 1 << 20,
  SINGLE_DH_USE: 0,
  SINGLE_ECDH_USE: 0,
  NO_SSL_MASK:
    constants.SSL_OP_NO_SSLv3 |
    constants.SSL_OP_NO_TLSv1 |
    constants.SSL_OP_NO_TLSv1_1 |
    constants.SSL_OP_NO_TLSv1_2 |
    constants.SSL_OP_NO_TLSv1_3,
};

const OPTIONS: ReadonlyMap<string, number> = new Map([
  ...Object.entries(constants)
    .filter(([name, value]) => name.startsWith('SSL_OP_') && typeof value === 'number')
    .map(([name, value]) => [name.slice('SSL_OP_'.length).toUpperCase(), value as number] as const),
  ...Object.entries(MORE_OPTIONS),
]);

/** Names of OpenSSL's options joined with `|`, such as `NO_TLSV1_2 | NO_TICKET`; an SSL_OP_ in front is fine. */
export function opensslOptions(): RichKind<string> {
  return makeKind('OpenSSL options', 'string', (value, at) => {
    if (typeof value !== 'string') return refuse(at, 'names of OpenSSL options joined with |', value);
    for (const name of optionNames(value)) {
      if (OPTIONS.has(name)) continue;
      throw new PolicyValueError(
        `${at}: there is no OpenSSL option '${name}'; there are ${[...OPTIONS.keys()].sort().join(', ')}`,
      );
    }
    return value;
  });
}

/** The bits of names that were checked. */
export function opensslOptionBits(text: string): number {
  // Unsigned: ALL has the highest of 32 bits.
  return optionNames(text).reduce((bits, name) => bits | (OPTIONS.get(name) ?? 0), 0) >>> 0;
}

function optionNames(text: string): string[] {
  return text
    .split('|')
    .map((name) => name.trim().toUpperCase())
    .filter((name) => name !== '')
    .map((name) => name.replace(/^(?:SSL_)?OP_/, ''));
}

const TLS13_SUITES: ReadonlySet<string> = new Set([
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
]);

/** Names of TLS 1.3 suites joined with `:`. */
export function opensslCipherSuites(): RichKind<string> {
  return makeKind('TLS 1.3 cipher suites', 'string', (value, at) => {
    if (typeof value !== 'string') return refuse(at, 'names of TLS 1.3 cipher suites joined with :', value);
    const unknown = value.split(':').find((name) => !TLS13_SUITES.has(name));
    if (unknown === undefined) return value;
    const known = [...TLS13_SUITES].join(', ');
    throw new PolicyValueError(`${at}: there is no TLS 1.3 cipher suite '${unknown}'; there are ${known}`);
  });
}

/** The cipher suites of rustls, and what OpenSSL calls them. */
const SUITES: ReadonlyMap<string, string> = new Map([
  ['TLS13_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'],
  ['TLS13_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ['TLS13_CHACHA20_POLY1305_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
]);

/** One cipher suite by its name in rustls, in any case; the name is kept as it was written. */
export function rustlsCipherSuite(): RichKind<string> {
  return makeKind('cipher suite', 'string', (value, at) => {
    if (typeof value !== 'string') return refuse(at, 'the name of a cipher suite', value);
    if (SUITES.has(value.toUpperCase())) return value;
    throw new PolicyValueError(
      `${at}: there is no cipher suite '${value}'; there are ${[...SUITES.keys()].join(', ')}`,
    );
  });
}

/** What OpenSSL calls a suite that was checked. */
export function opensslSuiteName(suite: string): string {
  return SUITES.get(suite.toUpperCase()) ?? suite;
}
