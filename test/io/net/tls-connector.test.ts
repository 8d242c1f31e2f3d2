import { createHash, X509Certificate } from 'node:crypto';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { dial } from '../../../src/io/net/index.ts';
import type { PeerCheck, TlsClientSettings, TlsInfo } from '../../../src/model/index.ts';
import type { TlsaRecord } from '../../../src/protocol/dane/index.ts';
import { type Issued, issue, issueChain } from '../../kit/certificates.ts';
import { stopTlsPeers, tlsPeer } from '../../kit/tls-server.ts';

afterEach(stopTlsPeers);

const { root, middle, own } = await issueChain();
const trusting: TlsClientSettings = { authorities: [root.cert] };
const full: PeerCheck = { kind: 'authority', certificate: true, name: true };
const none: PeerCheck = { kind: 'authority', certificate: false, name: false };

interface Ask {
  settings?: TlsClientSettings;
  check?: PeerCheck;
  serverName?: string;
}

/** Secures a connection, waits for the line that the server says, and leaves. */
async function secure(port: number, ask: Ask = {}): Promise<TlsInfo> {
  const { settings = trusting, check = full, serverName = 'mx.test' } = ask;
  const transport = await dial({ address: '127.0.0.1', port, timeout: 10_000 });
  try {
    const tls = await transport.secure({ serverName, settings, check, timeout: 10_000 });
    await new Promise<void>((resolve, reject) => {
      transport.receive({ data: () => resolve(), end: () => {}, closed: (error) => reject(error) });
    });
    return tls;
  } finally {
    transport.destroy();
  }
}

function tlsa(usage: number, { der }: Issued): TlsaRecord {
  const spki = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' });
  return { usage, selector: 1, matchingType: 1, data: createHash('sha256').update(spki).digest() };
}

const dane = (...records: TlsaRecord[]): PeerCheck => ({ kind: 'tlsa', records, names: ['mx.test'] });

describe('the certificate', () => {
  test('of a trusted authority, made out to the name', async () => {
    const { port, names } = await tlsPeer([own, middle]);
    expect(await secure(port)).toMatchObject({
      verified: true,
      resumed: false,
      peerSubjectName: ['CN=mx.test'],
      protocolVersion: 'TLSv1.3',
    });
    expect(names).toEqual(['mx.test']);
  });

  test('of nobody that is trusted', async () => {
    const { port } = await tlsPeer([own, middle]);
    const untrusting = { authorities: [(await issue({ name: 'Else', isAuthority: true })).cert] };
    await expect(secure(port, { settings: untrusting })).rejects.toThrow(/certificate/);
    const nameOnly: PeerCheck = { kind: 'authority', certificate: false, name: true };
    expect(await secure(port, { settings: untrusting, check: nameOnly })).toMatchObject({ verified: false });
    expect(await secure(port, { settings: untrusting, check: none })).toMatchObject({ verified: false });
  });

  test('made out to somebody else', async () => {
    const { port } = await tlsPeer([own, middle]);
    const serverName = 'other.test';
    await expect(secure(port, { serverName })).rejects.toThrow(/other\.test/);
    const noName: PeerCheck = { kind: 'authority', certificate: true, name: false };
    expect(await secure(port, { serverName, check: noName })).toMatchObject({ verified: false });
    const nameOnly: PeerCheck = { kind: 'authority', certificate: false, name: true };
    await expect(secure(port, { serverName, check: nameOnly })).rejects.toThrow(/other\.test/);
  });

  test('that is right is proved also when nobody asked', async () => {
    const { port } = await tlsPeer([own, middle]);
    expect(await secure(port, { check: none })).toMatchObject({ verified: true });
  });

  test('that is out of date', async () => {
    const yesterday = new Date(Date.now() - 86_400_000);
    const old = await issue({
      name: 'mx.test',
      by: root,
      notBefore: new Date(0),
      notAfter: yesterday,
    });
    const { port } = await tlsPeer([old]);
    await expect(secure(port)).rejects.toThrow(/expired/);
    // RFC 7672 §3.1.1: dates do not count where DNS names the certificate itself.
    expect(await secure(port, { check: dane(tlsa(3, old)) })).toMatchObject({ verified: true });
  });

  test('that DNS names', async () => {
    const { port } = await tlsPeer([own, middle]);
    const settings: TlsClientSettings = {};
    expect(await secure(port, { settings, check: dane(tlsa(3, own)) })).toMatchObject({ verified: true });
    expect(await secure(port, { settings, check: dane(tlsa(2, middle)) })).toMatchObject({ verified: true });
    await expect(secure(port, { settings, check: dane(tlsa(3, middle)) })).rejects.toThrow(/TLSA/);
    await expect(secure(port, { settings, check: dane(tlsa(2, root)) })).rejects.toThrow(/TLSA/);
    const names: PeerCheck = { kind: 'tlsa', records: [tlsa(2, middle)], names: ['else.test'] };
    await expect(secure(port, { settings, check: names })).rejects.toThrow('not for else.test');
  });

  test('with the root that the server sends along', async () => {
    const { port } = await tlsPeer([own, middle, root]);
    expect(await secure(port, { settings: {}, check: dane(tlsa(2, root)) })).toMatchObject({
      verified: true,
    });
  });
});

describe('sessions', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('of %s are resumed', async (maxVersion) => {
    const { port } = await tlsPeer([own, middle], { maxVersion });
    const settings: TlsClientSettings = { ...trusting };
    expect(await secure(port, { settings })).toMatchObject({ resumed: false, protocolVersion: maxVersion });
    for (let time = 0; time < 3; time++) {
      expect(await secure(port, { settings })).toMatchObject({
        resumed: true,
        verified: true,
        peerSubjectName: ['CN=mx.test'],
      });
    }
  });

  test('are those of one port, name, check and settings', async () => {
    const wide = await issue({ name: 'mx.test', dns: ['mx.test', 'mx2.test'], by: root });
    const settings: TlsClientSettings = { ...trusting };
    const { port } = await tlsPeer([wide]);
    const elsewhere = await tlsPeer([wide]);
    await secure(port, { settings });
    const fresh = { resumed: false };
    expect(await secure(elsewhere.port, { settings })).toMatchObject(fresh);
    expect(await secure(port, { settings, serverName: 'mx2.test' })).toMatchObject(fresh);
    expect(await secure(port, { settings, check: none })).toMatchObject(fresh);
    expect(await secure(port, { settings, check: dane(tlsa(3, wide)) })).toMatchObject(fresh);
    expect(await secure(port, { settings, check: dane(tlsa(3, wide)) })).toMatchObject({ resumed: true });
    expect(await secure(port, { settings, check: dane(tlsa(3, wide), tlsa(3, own)) })).toMatchObject(fresh);
    expect(await secure(port, { settings: { ...trusting } })).toMatchObject(fresh);
    expect(await secure(port, { settings })).toMatchObject({ resumed: true });
  });

  test('of a server that failed the check are not kept', async () => {
    const { port } = await tlsPeer([own, middle]);
    const settings: TlsClientSettings = { ...trusting };
    await expect(secure(port, { settings, serverName: 'other.test' })).rejects.toThrow();
    await expect(secure(port, { settings, serverName: 'other.test' })).rejects.toThrow(/other\.test/);
  });

  test('that a server has forgotten cost nothing but a full handshake', async () => {
    const { port } = await tlsPeer([own, middle]);
    const settings: TlsClientSettings = { ...trusting };
    await secure(port, { settings });
    stopTlsPeers();
    const again = await tlsPeer([own, middle]);
    expect(await secure(again.port, { settings })).toMatchObject({ resumed: false });
  });
});

describe('settings', () => {
  test('a client certificate is shown to who asks for one', async () => {
    const client = await issue({ name: 'client.test', by: root });
    const peer = await tlsPeer([own, middle], { requestCert: true, ca: [root.cert] });
    await secure(peer.port, { settings: { ...trusting, certificate: client.cert, privateKey: client.key } });
    await secure(peer.port, { settings: { ...trusting } }).catch(() => {});
    expect(peer.clients[0]).toBe('client.test');
  });

  test('ciphers and options hold', async () => {
    const peer = await tlsPeer([own, middle]);
    const ciphers = 'TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';
    expect(await secure(peer.port, { settings: { ...trusting, ciphers } })).toMatchObject({
      cipher: 'TLS_CHACHA20_POLY1305_SHA256',
    });
    const noTls13 = 1 << 29;
    expect(
      await secure(peer.port, { settings: { ...trusting, ciphers, secureOptions: noTls13 } }),
    ).toMatchObject({
      protocolVersion: 'TLSv1.2',
      cipher: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    });
  });

  test('a key of another certificate is an error', async () => {
    const { port } = await tlsPeer([own, middle]);
    await expect(
      secure(port, { settings: { certificate: own.cert, privateKey: middle.key } }),
    ).rejects.toThrow(/mismatch/);
  });
});

test('a server that speaks no TLS, or hangs up, is an error', async () => {
  for (const says of ['220 plain text\r\n', '']) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(says));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await expect(secure(port)).rejects.toThrow();
    server.close();
  }
});
