import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { type Issued, issue, issueChain } from '../kit/certificates.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// One server that trusts the root of the test; each receiver, of another make, is a domain with a path of its own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

const CANARY = 'c4nary-Password';
const WRONG = 'c4nary-Wrong';
const { root, middle, own } = await issueChain('sink.test');
const client = await issue({ name: 'client.test', by: root });
const auth = (password: string): string =>
  `smtp_auth_plain_username = 'user', smtp_auth_plain_password = { key_data = '${password}' }`;

interface Receiver {
  port: number;
  users: string[];
  secure: boolean[];
  /** Names in the certificates of clients. */
  clients: string[];
}

const receivers: SMTPServer[] = [];

/** A receiver with the certificate of `sink.test`. */
async function receive(options: SMTPServerOptions = {}, chain: Issued[] = [own, middle]): Promise<Receiver> {
  const got: Receiver = { port: 0, users: [], secure: [], clients: [] };
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
    onSecure: (socket, _session, done) => {
      got.clients.push(String((socket as TLSSocket).getPeerCertificate()?.subject?.CN));
      done();
    },
    onData: (stream, session, done) => {
      got.secure.push(session.secure);
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

/** Receivers by domain, each with the options of its path as Lua. */
const sites: Record<string, { path: string; receiver: Receiver }> = {};
let server: Moonpost;

async function site(name: string, path: string, receiver?: Receiver): Promise<void> {
  sites[`${name}.test`] = { path, receiver: receiver ?? (await receive()) };
}

beforeAll(async () => {
  const elsewhere = await issue({ name: 'mail.elsewhere.test', by: root });
  const unknown = await issue({ name: 'sink.test' });
  const proved = "enable_tls = 'Required', idle_timeout = '1s', max_deliveries_per_connection = 2";
  await site('proved', `${proved}, ${auth(CANARY)}`);
  await site('wrong', `enable_tls = 'Required', ${auth(WRONG)}`);
  await site('clear', auth(CANARY), await receive({ hideSTARTTLS: true, allowInsecureAuth: true }));
  const implicit = "implicit_tls = true, tls_server_name = 'mail.elsewhere.test'";
  await site('implicit', implicit, await receive({ secure: true }, [elsewhere]));
  await site('strict', "enable_tls = 'Required'", await receive({}, [unknown]));
  const lax = "enable_tls = 'Required', tls_verify_certificate = false";
  await site('lax', lax, await receive({}, [unknown]));
  await site(
    'client',
    "enable_tls = 'Required', tls_certificate = 'DIR/client.pem', tls_private_key = { key_data = KEY }",
    await receive({ requestCert: true, rejectUnauthorized: true, ca: [root.cert] }),
  );
  await site(
    'lmtp',
    "use_lmtp = true, enable_tls = 'Disabled'",
    await receive({ lmtp: true, onData: byMailbox }),
  );
  await site('mistake', "openssl_options = 'NO_TLSV1_9'");
  const rows = Object.entries(sites).map(
    ([domain, { path, receiver }]) => `['${domain}'] = { port = ${receiver.port}, path = { ${path} } },`,
  );
  const policy = `local KEY = [[${client.key}]]
${initLua('', "batch_handling = 'BatchByDomain'")}
local SITES = {
${rows.join('\n')}
}
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config {
    retry_interval = '1h',
    protocol = { smtp = { mx_list = { { name = 'sink.test', addr = '127.0.0.1:' .. SITES[domain].port } } } },
  }
end)
kumo.on('get_egress_path_config', function(domain)
  local path = { prohibited_hosts = {}, starttls_timeout = '60s' }
  for name, value in pairs(SITES[domain].path) do path[name] = value end
  return kumo.make_egress_path(path)
end)
`;
  server = await Moonpost.start({
    policy,
    files: { 'root.pem': root.cert, 'client.pem': client.cert },
    env: { SSL_CERT_FILE: 'root.pem', NODE_EXTRA_CA_CERTS: '', KUMOD_LOG: 'trace' },
  });
});

afterAll(async () => {
  await Moonpost.disposeAll();
  for (const receiver of receivers) receiver.close();
});

/** LMTP: one answer for each recipient. */
const byMailbox: SMTPServerOptions['onData'] = (stream, session, done) => {
  const answers = session.envelope.rcptTo.map(({ address }) =>
    address.startsWith('full') ? Object.assign(new Error('mailbox full'), { responseCode: 452 }) : 'kept',
  );
  stream.on('end', () => done(null, answers as unknown as string)).resume();
};

/** Sends one message to the domain and waits for that many records of its attempts. */
async function send(domain: string, wanted = 1, names = ['rcpt']): Promise<LogRecord[]> {
  await sendOne(
    server.smtp,
    names.map((name) => `${name}@${domain}`),
  );
  const own = (records: readonly LogRecord[]): LogRecord[] =>
    records.filter(
      ({ type, recipient }) => type !== 'Reception' && [recipient].flat()[0]!.endsWith(`@${domain}`),
    );
  return own(await server.until((records) => own(records).length >= wanted));
}

test('TLS that is proved, AUTH over it, and records that tell new from reused connections', async () => {
  // One after the other, so that the second waits for the first on its connection, and the third needs a new one.
  let deliveries: LogRecord[] = [];
  for (let sent = 1; sent <= 3; sent++) deliveries = await send('proved.test', sent);
  expect(deliveries.map(({ type }) => type)).toEqual(['Delivery', 'Delivery', 'Delivery']);
  expect(deliveries[0]).toMatchObject({
    session_delivery: 1,
    tls_resumed: false,
    tls_protocol_version: 'TLSv1.3',
    tls_peer_subject_name: ['CN=sink.test'],
  });
  // The third at the latest is on another connection; the second may be, on a machine that is slow.
  expect(new Set(deliveries.map(({ session_id }) => session_id)).size).toBeGreaterThan(1);
  expect(deliveries.filter(({ tls_resumed }) => tls_resumed === true).length).toBeGreaterThan(0);
  for (const { session_id, session_delivery } of deliveries) {
    const same = deliveries.filter((record) => record.session_id === session_id);
    expect(session_delivery).toBeLessThanOrEqual(same.length);
  }
  const { users, secure } = sites['proved.test']!.receiver;
  expect(users.length).toBeGreaterThan(1);
  expect(secure).toEqual([true, true, true]);
});

test('a password is in no record and no line, wherever the receiver repeats it', async () => {
  const [failure] = await send('wrong.test');
  expect(failure).toMatchObject({ type: 'TransientFailure' });
  expect(failure!.response.content).toContain('AUTH PLAIN: 535');
  const all = JSON.stringify(server.records()) + server.errors;
  for (const password of [CANARY, WRONG]) {
    for (const secret of [password, btoa(`\0user\0${password}`), btoa(password)])
      expect(all).not.toContain(secret);
  }
});

test('without TLS there is no AUTH, and the record says why', async () => {
  const [failure] = await send('clear.test');
  expect(failure!.response.content).toContain(
    'AUTH PLAIN: the connection is in clear, and allow_smtp_auth_plain_without_tls is not set',
  );
  expect(sites['clear.test']!.receiver.users).toEqual([]);
});

test('implicit TLS, with a name that is not that of the host', async () => {
  const [delivery] = await send('implicit.test');
  expect(delivery).toMatchObject({ type: 'Delivery', tls_peer_subject_name: ['CN=mail.elsewhere.test'] });
  expect(sites['implicit.test']!.receiver.secure).toEqual([true]);
});

test('a certificate of nobody that is trusted holds the mail, and is taken where it does not matter', async () => {
  const [failure] = await send('strict.test');
  expect(failure).toMatchObject({ type: 'TransientFailure' });
  expect(failure!.response.content).toMatch(/STARTTLS: self-signed certificate( in certificate chain)?$/);
  expect(await send('lax.test')).toMatchObject([{ type: 'Delivery' }]);
  expect(sites['lax.test']!.receiver.secure).toEqual([true]);
});

test('a client certificate', async () => {
  expect(await send('client.test')).toMatchObject([{ type: 'Delivery' }]);
  expect(sites['client.test']!.receiver.clients).toEqual(['client.test']);
});

test('LMTP answers for each recipient', async () => {
  const records = await send('lmtp.test', 2, ['a', 'full', 'b']);
  const of = (type: string): string[] =>
    records.flatMap((record) => (record.type === type ? [record.recipient].flat() : []));
  expect(of('Delivery')).toEqual(['a@lmtp.test', 'b@lmtp.test']);
  expect(of('TransientFailure')).toEqual(['full@lmtp.test']);
});

test('a mistake in TLS names has its line', async () => {
  await sendOne(server.smtp, 'rcpt@mistake.test');
  await server.waitFor("there is no OpenSSL option 'NO_TLSV1_9'");
  const text = readFileSync(`${server.directory}/init.lua`, 'utf8').split('\n');
  const line = text.findIndex((one) => one.includes('make_egress_path(path)')) + 1;
  expect(server.errors).toMatch(new RegExp(`init\\.lua:${line}:.*no OpenSSL option`));
});

test('a machine without authorities says so once, and which package has them', async () => {
  const { port } = await receive();
  const bare = await Moonpost.start({
    policy: initLua() + relayLua(port, { path: "enable_tls = 'OpportunisticInsecure'" }),
    shards: 2,
    env: { SSL_CERT_FILE: '/dev/null', SSL_CERT_DIR: '/nonexistent', NODE_EXTRA_CA_CERTS: '' },
  });
  for (let sent = 0; sent < 8; sent++) await sendOne(bare.smtp);
  await bare.untilCounts({ Delivery: 8 });
  expect(bare.errors.match(/ERROR .*ca-certificates/g)).toHaveLength(1);
});
