import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ClientTls, type ClientTlsOptions, systemAuthorities } from '../../../src/io/tls/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { egressPathOptions } from '../../../src/model/options/index.ts';
import { issue } from '../../kit/certificates.ts';

const own = await issue({ name: 'client.test' });
const other = await issue({ name: 'other.test' });

function clientTls(files: Record<string, string> = {}, authorities?: string[]) {
  const said: string[] = [];
  let asked = 0;
  const say = (_target: string, text: string): void => void said.push(text);
  const tls = new ClientTls({
    diagnostics: { error: say, warn: say, info: say, debug: say },
    readKey: async (source) => {
      const text = source.from === 'file' ? files[source.path] : undefined;
      if (text === undefined) throw new Error('no such file');
      return Buffer.from(text);
    },
    authorities: () => {
      asked++;
      return authorities;
    },
  });
  const trust = (now: string[]): void => {
    authorities = now;
  };
  return { tls, said, asked: () => asked, trust };
}

const path = (options: object = {}): ClientTlsOptions => parseOptions(egressPathOptions, options);
const withCertificate = path({ tls_certificate: 'cert', tls_private_key: 'key' });

test('equal options are one object, whatever else the paths say', async () => {
  const { tls, asked } = clientTls({}, [own.cert]);
  const first = await tls.find(path({ smtp_port: 25 }));
  expect(await tls.find(path({ smtp_port: 2525 }))).toBe(first);
  expect(first).toEqual({ authorities: [own.cert] });
  expect(await tls.find(path({ openssl_options: 'NO_TLSV1_3' }))).not.toBe(first);
  expect(asked()).toBe(1);
});

test('the authorities are read anew after a change of the policy; settings that are the same stay', async () => {
  const { tls, asked, trust } = clientTls({}, [own.cert]);
  const first = await tls.find(path());
  trust([other.cert]);
  expect(await tls.find(path())).toBe(first);
  tls.refresh();
  const second = await tls.find(path());
  expect(second).toEqual({ authorities: [other.cert] });
  tls.refresh();
  trust([other.cert]);
  expect(await tls.find(path())).toBe(second);
  expect(asked()).toBe(3);
});

describe('a client certificate', () => {
  test('that reads the same again is the same object', async () => {
    const files: Record<string, string> = { cert: own.cert, key: own.key };
    const { tls } = clientTls(files);
    const first = await tls.find(withCertificate);
    expect(first).toEqual({ certificate: own.cert, privateKey: own.key });
    expect(await tls.find(withCertificate)).toBe(first);
    Object.assign(files, { cert: other.cert, key: other.key });
    expect(await tls.find(withCertificate)).toEqual({ certificate: other.cert, privateKey: other.key });
  });

  test('that cannot be read is left out, and told of once', async () => {
    const { tls, said } = clientTls({ cert: own.cert });
    for (let time = 0; time < 3; time++) expect(await tls.find(withCertificate)).toEqual({});
    expect(said).toEqual(['no client certificate is sent: tls_private_key: no such file']);
    expect(await tls.find(path({ tls_certificate: 'cert' }))).toEqual({});
  });

  test('with the key of another is an error that names the options', async () => {
    const { tls } = clientTls({ cert: own.cert, key: other.key });
    await expect(tls.find(withCertificate)).rejects.toThrow(/^tls_certificate, tls_private_key: .*mismatch/);
    const garbage = clientTls({ cert: own.cert, key: 'garbage' });
    await expect(garbage.tls.find(withCertificate)).rejects.toThrow(/^tls_certificate, tls_private_key: /);
  });
});

describe('ciphers', () => {
  const ciphersOf = async (options: object) =>
    (await clientTls().tls.find(path(options))).ciphers?.split(':') ?? [];

  test('of one kind leave the defaults of the other', async () => {
    const list = await ciphersOf({ openssl_cipher_list: 'ECDHE-RSA-AES256-GCM-SHA384' });
    expect(list.filter((name) => !name.startsWith('TLS_'))).toEqual(['ECDHE-RSA-AES256-GCM-SHA384']);
    expect(list).toContain('TLS_AES_128_GCM_SHA256');
    const suites = await ciphersOf({ openssl_cipher_suites: 'TLS_AES_128_GCM_SHA256' });
    expect(suites.filter((name) => name.startsWith('TLS_'))).toEqual(['TLS_AES_128_GCM_SHA256']);
    expect(suites).toContain('ECDHE-RSA-AES128-GCM-SHA256');
  });

  test('of rustls have the names of OpenSSL', async () => {
    const suites = {
      rustls_cipher_suites: ['tls13_aes_256_gcm_sha384', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
    };
    const names = ['TLS_AES_256_GCM_SHA384', 'ECDHE-RSA-AES128-GCM-SHA256'];
    expect(await ciphersOf(suites)).toEqual(names);
    const both = { ...suites, openssl_cipher_list: 'ECDHE-RSA-AES256-GCM-SHA384' };
    expect(await ciphersOf(both)).toEqual(names);
    expect(await ciphersOf({ ...both, tls_prefer_openssl: true })).toContain('ECDHE-RSA-AES256-GCM-SHA384');
  });

  test('that are none are an error that names the option', async () => {
    await expect(ciphersOf({ openssl_cipher_list: 'NONSENSE' })).rejects.toThrow(/^openssl_cipher_list: /);
  });
});

describe('the authorities of the system', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'authorities-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true });
  });

  test('are those of SSL_CERT_FILE, and the extra ones of Node', () => {
    const bundle = join(directory, 'bundle.pem');
    writeFileSync(bundle, `# one\n${own.cert}\n# two\n${other.cert}\n`);
    vi.stubEnv('SSL_CERT_FILE', bundle);
    const found = systemAuthorities();
    expect(found.slice(0, 2)).toEqual([own.cert.trim(), other.cert.trim()]);
    expect(new Set(found)).toEqual(
      new Set([own.cert.trim(), other.cert.trim(), ...getCACertificates('extra')]),
    );
  });
});
