import { createHash, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { connectSmtp, type SmtpPathOptions, type SmtpSession } from '../../../src/flow/delivery/index.ts';
import { systemClock } from '../../../src/io/clock/index.ts';
import { dial } from '../../../src/io/net/index.ts';
import type { PeerTlsPolicy } from '../../../src/model/index.ts';
import { defaultEgressPathOptions, unspecifiedEgressSource } from '../../../src/model/options/index.ts';
import type { TlsaRecord } from '../../../src/protocol/dane/index.ts';
import { type Issued, issue, issueChain } from '../../kit/certificates.ts';
import { testSecurity } from '../../kit/peer-security.ts';
import { polite, type RawPeer, RawServer } from '../../kit/raw-server.ts';
import { message } from './scripted-server.ts';

afterEach(() => RawServer.stopAll());

interface Ask {
  path?: Partial<SmtpPathOptions>;
  tls?: PeerTlsPolicy;
}

/** Connects to `mx.test` on that port, over a real socket. */
function connect({ port }: RawServer, { path = {}, tls }: Ask = {}): Promise<SmtpSession> {
  return connectSmtp({
    candidate: { name: 'mx.test', address: '127.0.0.1', port, tls },
    path: { ...defaultEgressPathOptions(), enable_tls: 'Disabled', ...path },
    source: unspecifiedEgressSource(),
    ehloName: 'client.test',
    dial,
    clock: systemClock,
    security: testSecurity(),
    queue: 'q',
  });
}

test('a peer that reads no more loses the connection when the time for the body is over', async () => {
  const server = await RawServer.start(
    polite({
      at: {
        BODY: async (peer) => {
          peer.stopReading();
          await new Promise(() => {});
        },
      },
    }),
  );
  const session = await connect(server, { path: { data_timeout: 2000, data_dot_timeout: 1000 } });
  // More than the buffers of a socket take.
  const body = Buffer.alloc(48 * 2 ** 20, 'x'.repeat(76).concat('\r\n'));
  const result = await session.attempt({ ...message(), body });
  expect(result).toMatchObject({ connection: 'gone', failure: 'timeout' });
  expect(result.outcomes).toMatchObject([{ outcome: { kind: 'transient', reply: { code: 421 } } }]);
});

test.each([
  ['a reply without end', '250-more\r\n'.repeat(1000)],
  ['a line without end', 'x'.repeat(10_000)],
])('%s: the peer gets rid of little', async (_, octets) => {
  let poured = 0;
  const pour = async (peer: RawPeer): Promise<void> => {
    for (;;) {
      await peer.write(octets);
      poured += octets.length;
    }
  };
  const server = await RawServer.start(polite({ at: { EHLO: pour } }));
  await expect(connect(server)).rejects.toMatchObject({
    kind: 'closed',
    text: expect.stringMatching(/too long/),
  });
  // What sockets hold on their way, not what a peer can pour in all its time.
  expect(poured).toBeLessThan(64 * 2 ** 20);
});

describe('DANE over the wire', () => {
  const starttls = (certificate: Issued) =>
    polite({
      offers: ['STARTTLS'],
      at: {
        STARTTLS: async (peer) => {
          await peer.say('220 go on');
          await peer.secure(certificate);
        },
      },
    });
  const tlsa = (usage: number, { der }: Issued): TlsaRecord => {
    const spki = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' });
    return { usage, selector: 1, matchingType: 1, data: createHash('sha256').update(spki).digest() };
  };
  const required = (...records: TlsaRecord[]): PeerTlsPolicy => ({
    by: 'dane',
    mode: 'Required',
    tlsa: records,
  });

  test('a certificate that DNS names is enough, another is refused', async () => {
    const own = await issue({ name: 'whatever.test' });
    const server = await RawServer.start(starttls(own));
    const session = await connect(server, { tls: required(tlsa(3, own)) });
    expect(session.tls).toMatchObject({ verified: true, resumed: false });
    const result = await session.attempt(message());
    expect(result.outcomes).toMatchObject([{ outcome: { kind: 'delivered' } }]);
    const other = await issue({ name: 'mx.test' });
    await expect(connect(server, { tls: required(tlsa(3, other)) })).rejects.toMatchObject({
      kind: 'starttls',
      text: expect.stringContaining('STARTTLS: the certificate matches no TLSA record'),
    });
    expect(server.bodies).toHaveLength(1);
    await session.quit();
  });

  test('an authority that DNS names vouches for its names alone', async () => {
    const { middle, own } = await issueChain();
    const chain = { ...own, cert: `${own.cert}\n${middle.cert}` };
    const server = await RawServer.start(starttls(chain));
    const session = await connect(server, { tls: required(tlsa(2, middle)) });
    expect(session.tls).toMatchObject({ verified: true });
    await session.quit();
    const wrong = await issue({ name: 'else.test', by: middle });
    const elsewhere = await RawServer.start(starttls({ ...wrong, cert: `${wrong.cert}\n${middle.cert}` }));
    await expect(connect(elsewhere, { tls: required(tlsa(2, middle)) })).rejects.toMatchObject({
      text: expect.stringContaining('the certificate is not for mx.test'),
    });
  });
});
