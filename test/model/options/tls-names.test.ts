import { constants } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import { egressPathOptions, opensslOptionBits } from '../../../src/model/options/index.ts';

const path = (options: object) => parseOptions(egressPathOptions, options);

describe('openssl_options', () => {
  test('are bits of OpenSSL, by names with or without what OpenSSL puts in front', () => {
    const bits = constants.SSL_OP_NO_TLSv1_3 | constants.SSL_OP_NO_TICKET;
    for (const text of [
      'NO_TLSV1_3|NO_TICKET',
      'SSL_OP_NO_TLSv1_3 | no_ticket',
      'OP_NO_TLSV1_3|OP_NO_TICKET|',
    ]) {
      expect(opensslOptionBits(path({ openssl_options: text }).openssl_options!)).toBe(bits);
    }
    expect(opensslOptionBits('ALL')).toBe(constants.SSL_OP_ALL);
    expect(opensslOptionBits('')).toBe(0);
  });

  test.each(['NO_TLSV1_4', 'NO_TICKET|x', 'NO_TICKET,NO_COMPRESSION'])('%s is an error', (text) => {
    expect(() => path({ openssl_options: text })).toThrow(/openssl_options: there is no OpenSSL option '/);
  });
});

test('cipher suites are known by name', () => {
  const suites = ['TLS13_AES_128_GCM_SHA256', 'tls_ecdhe_rsa_with_aes_256_gcm_sha384'];
  expect(path({ rustls_cipher_suites: suites }).rustls_cipher_suites).toEqual(suites);
  expect(() => path({ rustls_cipher_suites: ['TLS_RSA_WITH_RC4'] })).toThrow(
    "rustls_cipher_suites[1]: there is no cipher suite 'TLS_RSA_WITH_RC4'",
  );
  const openssl = 'TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256';
  expect(path({ openssl_cipher_suites: openssl }).openssl_cipher_suites).toBe(openssl);
  expect(() => path({ openssl_cipher_suites: 'NONSENSE' })).toThrow(
    "openssl_cipher_suites: there is no TLS 1.3 cipher suite 'NONSENSE'",
  );
});
