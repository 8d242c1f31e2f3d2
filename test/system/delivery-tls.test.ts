import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { type Issued, issue, issueChain } from '../kit/certificates.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const test = oneByOne.concurrent;

const CANARY = 'c4nary-Password';
const { root, middle, own } = await issueChain('sink.test');
const receivers: SMTPServer[] = [];

afterAll(async () => {
  await Moonpost.disposeAll();
  for (const receiver of receivers) receiver.close();
});

interface Received {
  port: number;
  users: string[];
  secure: boolean[];
  lmtp: boolean[];
}

/** A receiver of another make, with the certificate of `sink.test`. */
async function receive(options: SMTPServerOptions = {}, chain: Issued[] = [own, middle]): Promise<Received> {
  const got: Received = { port: 0, users: [], secure: [], lmtp: [] };
  const server = new SMTPServer({
    key: chain[0]!.key,
    cert: chain.map(({ cert }) => cert).join('\n'),
    authOptional: true,
    logger: false,
    onAuth: ({ username, password }, _session, done) => {
      if (password !== CANARY) return done(new Error(`no such password: ${password}`));
      got.users.push(username!);
      done(null, { user: username! });
    },
    onData: (stream, session, done) => {
      got.secure.push(session.secure);
      got.lmtp.push(session.transmissionType.startsWith('LMTP'));
      stream.on('end', () => done()).resume();
    },
    ...options,
  });
  server.on('error', () => {});
  receivers.push(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  got.port = (server.server.address() as AddressInfo).port;
  return got;
}

/** A server whose machine trusts the root of the test. */
async function start(
  port: number,
  path: string,
  more: { env?: Record<string, string>; shards?: number } = {},
) {
  const server = await Moonpost.start({
    policy:
      initLua('', "batch_handling = 'BatchByDomain'") +
      relayLua(port, { queue: "retry_interval = '1h'", path }),
    files: { 'root.pem': root.cert },
    shards: more.shards ?? 1,
    env: { SSL_CERT_FILE: 'root.pem', NODE_EXTRA_CA_CERTS: '', KUMOD_LOG: 'trace', ...more.env },
  });
  return server;
}

const ofType = (records: readonly LogRecord[], type: string): LogRecord[] =>
  records.filter((record) => record.type === type);

const auth = (password = CANARY): string =>
  `smtp_auth_plain_username = 'user', smtp_auth_plain_password = { key_data = '${password}' }`;

test('TLS that is proved, AUTH over it, and records that tell new from reused connections', async () => {
  const peer = await receive();
  const path = `enable_tls = 'Required', idle_timeout = '1s', max_deliveries_per_connection = 2, ${auth()}`;
  const server = await start(peer.port, path);
  // One after the other, so that the second waits for the first on its connection, and the third needs a new one.
  for (let sent = 1; sent <= 3; sent++) {
    await sendOne(server.smtp);
    await server.untilCounts({ Delivery: sent });
  }
  const deliveries = ofType(server.records(), 'Delivery');
  expect(deliveries[0]).toMatchObject({
    session_delivery: 1,
    tls_resumed: false,
    tls_protocol_version: 'TLSv1.3',
    tls_peer_subject_name: ['CN=sink.test'],
  });
  const reused = deliveries.filter(({ session_delivery }) => session_delivery! > 1);
  const resumed = deliveries.filter(({ tls_resumed }) => tls_resumed === true);
  // The third at the latest is on another connection; the second may be, on a machine that is slow.
  expect(new Set(deliveries.map(({ session_id }) => session_id)).size).toBeGreaterThan(1);
  expect(resumed.length).toBeGreaterThan(0);
  for (const { session_id } of reused) {
    expect(deliveries.filter((record) => record.session_id === session_id)).toHaveLength(2);
  }
  expect(peer.users.length).toBeGreaterThan(1);
  expect(peer.secure).toEqual([true, true, true]);
  expect(server.errors).not.toContain(CANARY);
});

test('a password that is wrong is in no record and no line', async () => {
  const peer = await receive();
  const wrong = 'c4nary-Wrong';
  const server = await start(peer.port, `enable_tls = 'Required', ${auth(wrong)}`);
  await sendOne(server.smtp);
  await server.untilCounts({ TransientFailure: 1 });
  const all = JSON.stringify(server.records()) + server.errors;
  expect(all).toContain('AUTH PLAIN: 535');
  for (const secret of [wrong, btoa(`\0user\0${wrong}`), btoa(wrong)]) expect(all).not.toContain(secret);
});

test('without TLS there is no AUTH, and the record says why', async () => {
  const peer = await receive({ hideSTARTTLS: true, allowInsecureAuth: true });
  const server = await start(peer.port, auth());
  await sendOne(server.smtp);
  const records = await server.untilCounts({ TransientFailure: 1 });
  expect(ofType(records, 'TransientFailure')[0]!.response.content).toContain(
    'AUTH PLAIN: the connection is in clear, and allow_smtp_auth_plain_without_tls is not set',
  );
  expect(peer.users).toEqual([]);
});

test('implicit TLS, with a name that is not that of the host', async () => {
  const elsewhere = await issue({ name: 'mail.elsewhere.test', by: root });
  const peer = await receive({ secure: true }, [elsewhere]);
  const path = "implicit_tls = true, tls_server_name = 'mail.elsewhere.test'";
  const server = await start(peer.port, path);
  await sendOne(server.smtp);
  const records = await server.untilCounts({ Delivery: 1 });
  expect(ofType(records, 'Delivery')[0]).toMatchObject({ tls_peer_subject_name: ['CN=mail.elsewhere.test'] });
  expect(peer.secure).toEqual([true]);
});

test('a certificate of nobody that is trusted holds the mail, and is taken where it does not matter', async () => {
  const peer = await receive({}, [await issue({ name: 'sink.test' })]);
  const strict = await start(peer.port, "enable_tls = 'Required'");
  await sendOne(strict.smtp);
  const records = await strict.untilCounts({ TransientFailure: 1 });
  expect(ofType(records, 'TransientFailure')[0]!.response.content).toMatch(/STARTTLS: .*self-signed/);
  const lax = await start(peer.port, "enable_tls = 'Required', tls_verify_certificate = false");
  await sendOne(lax.smtp);
  await lax.untilCounts({ Delivery: 1 });
  expect(peer.secure).toEqual([true]);
});

test('a client certificate from files', async () => {
  const client = await issue({ name: 'client.test', by: root });
  const subjects: string[] = [];
  const peer = await receive({
    requestCert: true,
    rejectUnauthorized: true,
    ca: [root.cert],
    onSecure: (socket, _session, done) => {
      subjects.push(String((socket as TLSSocket).getPeerCertificate().subject?.CN));
      done();
    },
  });
  const path = `enable_tls = 'Required', tls_certificate = 'DIR/client.pem', tls_private_key = { key_data = KEY }`;
  const server = await Moonpost.start({
    policy: `local KEY = [[${client.key}]]\n${initLua()}${relayLua(peer.port, { path })}`,
    files: { 'root.pem': root.cert, 'client.pem': client.cert },
    env: { SSL_CERT_FILE: 'root.pem', NODE_EXTRA_CA_CERTS: '' },
  });
  await sendOne(server.smtp);
  await server.untilCounts({ Delivery: 1 });
  expect(subjects).toEqual(['client.test']);
});

test('LMTP answers for each recipient', async () => {
  const peer = await receive({
    lmtp: true,
    onData: (stream, session, done) => {
      const answer = session.envelope.rcptTo.map(({ address }) =>
        address.startsWith('full') ? Object.assign(new Error('mailbox full'), { responseCode: 452 }) : 'kept',
      );
      stream.on('end', () => done(null, answer as unknown as string)).resume();
    },
  });
  const server = await start(peer.port, "use_lmtp = true, enable_tls = 'Disabled'");
  await sendOne(server.smtp, ['a@dest.example', 'full@dest.example', 'b@dest.example']);
  const records = await server.untilCounts({ Delivery: 1, TransientFailure: 1 });
  expect(ofType(records, 'Delivery').map(({ recipient }) => recipient)).toEqual([
    ['a@dest.example', 'b@dest.example'],
  ]);
  expect(ofType(records, 'TransientFailure').map(({ recipient }) => recipient)).toEqual([
    'full@dest.example',
  ]);
});

test('a machine without authorities says so once, and which package has them', async () => {
  const peer = await receive();
  const server = await start(peer.port, "enable_tls = 'OpportunisticInsecure'", {
    shards: 2,
    env: { SSL_CERT_FILE: '/dev/null', SSL_CERT_DIR: '/nonexistent' },
  });
  for (let sent = 0; sent < 8; sent++) await sendOne(server.smtp);
  await server.untilCounts({ Delivery: 8 });
  expect(server.errors.match(/ERROR .*ca-certificates/g)).toHaveLength(1);
});

test('a mistake in TLS names has its line', async () => {
  const server = await Moonpost.start({
    policy: `${initLua()}${relayLua(1, { path: "openssl_options = 'NO_TLSV1_9'" })}`,
  });
  await sendOne(server.smtp);
  await server.waitFor("there is no OpenSSL option 'NO_TLSV1_9'");
  const text = readFileSync(`${server.directory}/init.lua`, 'utf8').split('\n');
  const line = text.findIndex((one) => one.includes('NO_TLSV1_9')) + 1;
  expect(server.errors).toMatch(new RegExp(`init\\.lua:${line}:.*no OpenSSL option`));
});
