import { once } from 'node:events';
import { createServer } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { generate } from 'selfsigned';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Sink, type SinkMessage, type SinkOptions, startSink } from '../../../src/cli/sink.ts';
import {
  ConnectFailure,
  connectSmtp,
  type SmtpPathOptions,
  type SmtpSession,
} from '../../../src/flow/delivery/index.ts';
import { systemClock } from '../../../src/io/clock/index.ts';
import { dial } from '../../../src/io/net/index.ts';
import { defaultEgressPathOptions } from '../../../src/model/options/index.ts';
import { testSecurity } from '../../kit/peer-security.ts';
import { message } from './scripted-server.ts';

// The client against smtp-server, over sockets on the loopback.
let certificate: { key: string; cert: string };
let ended: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const made = await generate([{ name: 'commonName', value: 'mx.test' }], {
    keySize: 2048,
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'mx.test' }] }],
  });
  certificate = { key: made.private, cert: made.cert };
});

afterEach(async () => {
  for (const end of ended) await end();
  ended = [];
});

async function sink(options: Partial<SinkOptions> = {}): Promise<{ sink: Sink; received: SinkMessage[] }> {
  const received: SinkMessage[] = [];
  const started = await startSink({
    listen: ['127.0.0.1:0'],
    onMessage: (one) => received.push(one),
    ...options,
  });
  ended.push(() => started.stop());
  return { sink: started, received };
}

async function connect(
  { addresses }: Sink,
  path: Partial<SmtpPathOptions> = {},
  name = 'mx.test',
  security = testSecurity(),
): Promise<SmtpSession> {
  const session = await connectSmtp({
    candidate: { name, ...addresses[0]! },
    path: { ...defaultEgressPathOptions(), ...path },
    source: { name: 'unspecified', source_address: undefined },
    ehloName: 'client.test',
    dial,
    clock: systemClock,
    security,
    queue: 'q',
  });
  ended.unshift(() => session.quit());
  return session;
}

describe('bodies arrive as they were sent', () => {
  const long = Buffer.from(`${'0123456789'.repeat(9)}\r\n`.repeat(20_000));
  test.each([
    ['empty', ''],
    ['one line', 'a\r\n'],
    ['dots', '.\r\n..\r\n.a\r\n...\r\n'],
    ['blank lines', '\r\n\r\n\r\n'],
    ['8 bit', 'Grüße\r\n.€\r\n'],
    ['NUL', 'a\0b\r\n'],
    ['long line', `${'x'.repeat(100_000)}\r\n`],
    ['dot lines by the thousand', '.\r\n'.repeat(5000)],
    ['1.8 MB', long],
  ])('%s', async (_, body) => {
    for (const enable_pipelining of [true, false]) {
      const peer = await sink();
      const session = await connect(peer.sink, { enable_pipelining });
      const sent = { ...message(), body: Buffer.from(body) };
      for (let time = 0; time < 2; time++) {
        const result = await session.attempt(sent);
        expect(result.outcomes.map(({ outcome }) => outcome.kind)).toEqual(['delivered']);
      }
      expect(peer.received.map((one) => one.body.equals(sent.body))).toEqual([true, true]);
    }
  });
});

test('recipients are answered one by one', async () => {
  const peer = await sink({
    fail: [
      { pattern: 'bob@*', code: 451 },
      { pattern: '*@gone.test', code: 550 },
    ],
  });
  const session = await connect(peer.sink);
  const result = await session.attempt(message(['ann@x.test', 'bob@x.test', 'cat@gone.test']));
  const kinds = result.outcomes
    .toSorted((a, b) => a.recipient - b.recipient)
    .map(({ outcome }) => outcome.kind);
  expect(kinds).toEqual(['delivered', 'transient', 'permanent']);
  expect(peer.received[0]!.recipients).toEqual(['ann@x.test']);
  expect(result.sourceAddress.address).toMatch(/^127\.0\.0\.1:\d+$/);
});

test('a server that stops is noticed on an idle session', async () => {
  const peer = await sink();
  const session = await connect(peer.sink);
  const gone = new Promise<void>((resolve) => {
    session.onGone = resolve;
  });
  await peer.sink.stop();
  await gone;
  expect(session.usable).toBe(false);
});

describe('enable_tls', () => {
  const insecure = ['OpportunisticInsecure', 'RequiredInsecure'] as const;
  const verifying = ['Opportunistic', 'Required'] as const;

  test.each(insecure)('%s takes any certificate', async (enable_tls) => {
    const peer = await sink({ tls: certificate });
    const session = await connect(peer.sink, { enable_tls });
    expect((await session.attempt(message())).tls).toMatchObject({
      protocolVersion: 'TLSv1.3',
      peerSubjectName: ['CN=mx.test'],
    });
    expect(peer.received[0]!.secure).toBe(true);
  });

  test.each(verifying)('%s refuses a certificate that nobody vouches for', async (enable_tls) => {
    const peer = await sink({ tls: certificate });
    await expect(connect(peer.sink, { enable_tls })).rejects.toMatchObject({ kind: 'starttls' });
    expect(peer.received).toEqual([]);
  });

  test('Opportunistic may go on in clear', async () => {
    const peer = await sink({ tls: certificate });
    const path = {
      enable_tls: 'Opportunistic',
      opportunistic_tls_reconnect_on_failed_handshake: true,
    } as const;
    const session = await connect(peer.sink, path);
    expect(session).toMatchObject({ tls: undefined, brokenTls: expect.stringContaining('self-signed') });
    await session.attempt(message());
    expect(peer.received[0]!.secure).toBe(false);
  });

  test('Disabled stays in clear', async () => {
    const peer = await sink({ tls: certificate });
    const session = await connect(peer.sink, { enable_tls: 'Disabled' });
    await session.attempt(message());
    expect(peer.received[0]!.secure).toBe(false);
  });

  describe('with a certificate that is trusted', () => {
    const before = getCACertificates();
    beforeAll(() => setDefaultCACertificates([...before, certificate.cert]));
    afterAll(() => setDefaultCACertificates(before));

    test.each(verifying)('%s is content', async (enable_tls) => {
      const peer = await sink({ tls: certificate });
      const session = await connect(peer.sink, { enable_tls });
      await session.attempt(message());
      expect(peer.received[0]!.secure).toBe(true);
    });

    test.each(verifying)('%s wants the name of the host in it', async (enable_tls) => {
      const peer = await sink({ tls: certificate });
      await expect(connect(peer.sink, { enable_tls }, 'other.test')).rejects.toMatchObject({
        kind: 'starttls',
      });
    });
  });
});

describe('dial', () => {
  const target = { address: '127.0.0.1', port: 1, timeout: 5000 };

  test('a port that nobody listens on', async () => {
    await expect(dial(target)).rejects.toMatchObject({ kind: 'refused' });
  });

  test('a local address that is not ours', async () => {
    await expect(dial({ ...target, localAddress: '192.0.2.77' })).rejects.toMatchObject({
      kind: 'unplumbed',
    });
  });

  test('a port that is none', async () => {
    await expect(dial({ ...target, port: 70_000 })).rejects.toMatchObject({ kind: 'failed' });
  });

  test('shows both ends', async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const transport = await dial({ ...target, port, localAddress: '127.0.0.2' });
    expect(transport).toMatchObject({
      remote: { address: '127.0.0.1', port },
      local: { address: '127.0.0.2' },
    });
    transport.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test('a refused connection names the candidate', async () => {
    const peer = await sink();
    await peer.sink.stop();
    const failure = await connect(peer.sink).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConnectFailure);
    expect(failure).toMatchObject({
      kind: 'refused',
      text: /^mx\.test\/127\.0\.0\.1:\d+: connect: .*ECONNREFUSED/,
    });
  });
});
