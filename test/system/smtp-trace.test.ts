import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket as PausableSocket } from 'ws';
import type { TraceEvent, TraceRequest, TraceSide } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { initLua, launcher, Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

// One server of two shards for all tests; the commands are processes of their own, and the machine may be slow.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });

const IN = 'M4rker-of-the-client';
const OUT = 'M4rker-of-the-server';
const PATIENCE = 180_000;
let server: Moonpost;
/** Of another make; wants a password. */
let receiver: SMTPServer;

beforeAll(async () => {
  receiver = new SMTPServer({
    logger: false,
    onAuth: ({ password }, _session, done) =>
      password === OUT ? done(null, { user: 'u' }) : done(new Error(`${password} is wrong`)),
    onData: (stream, _session, done) => void stream.on('end', () => done()).resume(),
  });
  receiver.on('error', () => {});
  await new Promise<void>((listening) => receiver.listen(0, '127.0.0.1', listening));
  const { port } = receiver.server.address() as AddressInfo;
  const closed = "kumo.start_http_listener { listen = '127.0.0.1:0', trusted_hosts = { '192.0.2.1' } }";
  server = await Moonpost.start({
    shards: 2,
    policy: `${initLua(closed, 'relay_hosts = {}')}
kumo.on('smtp_server_auth_plain', function(authz, authc, password)
  if password ~= '${IN}' then kumo.reject(535, '5.7.8 not ' .. password) end
  return true
end)
kumo.on('get_listener_domain', function() return kumo.make_listener_domain { relay_to = true } end)
kumo.on('smtp_server_message_received', function(msg) msg:set_meta('tenant', 'acme') end)
kumo.on('get_queue_config', function()
  return kumo.make_queue_config { protocol = { smtp = { mx_list = { { name = 'sink.test', addr = '127.0.0.1:${port}' } } } } }
end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path {
    prohibited_hosts = {}, idle_timeout = '1s', max_deliveries_per_connection = 1, enable_tls = 'OpportunisticInsecure',
    smtp_auth_plain_username = 'u', smtp_auth_plain_password = { key_data = '${OUT}' },
    allow_smtp_auth_plain_without_valid_certificate = true,
  }
end)`,
  });
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Moonpost.disposeAll();
  await new Promise<void>((closed) => receiver.close(() => closed()));
});

/** Collects the events of one side, with a client that we did not write. */
async function watch(side: TraceSide, request: TraceRequest = {}) {
  const events: TraceEvent[] = [];
  const socket = new WebSocket(`ws://127.0.0.1:${server.http}/api/admin/trace-smtp-${side}/v1`);
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve));
  socket.addEventListener('message', ({ data }) => events.push(JSON.parse(String(data)) as TraceEvent));
  await once(socket, 'open');
  socket.send(JSON.stringify(request));
  const until = (what: string, there: () => boolean): Promise<true> =>
    eventually(() => (there() ? true : undefined), {
      patience: PATIENCE,
      what: () => `no ${what}: ${JSON.stringify(events.slice(-5))}`,
    });
  const count = (payload: string): number => events.filter((event) => event.payload === payload).length;
  return { events, socket, closed, until, count };
}

/** One message over a connection of its own, with STARTTLS and AUTH. */
async function send(to: string, text = 'hello'): Promise<void> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: server.smtp,
    requireTLS: true,
    tls: { rejectUnauthorized: false },
    auth: { user: 'scott', pass: IN },
  });
  await transport.sendMail({ from: 'sender@example.org', to, subject: 's', text });
  transport.close();
}

test('both sides, the sessions of both shards, what a client asks for, and no password', async () => {
  const MESSAGES = 16;
  const [inbound, outbound, other] = await Promise.all([
    watch('server', { source_addr: ['127.0.0.0/8'] }),
    watch('client', { domain: ['dest.example'], ready_queue: null, terse: true }),
    watch('client', { rcpt_to: ['nobody@dest.example'] }),
  ]);
  await Promise.all(Array.from({ length: MESSAGES }, (_, n) => send(`u${n}@dest.example`)));
  const deliveries = (await server.untilCounts({ Delivery: MESSAGES })).filter(
    ({ type }) => type === 'Delivery',
  );
  await inbound.until('end of the sessions', () => inbound.count('Closed') >= MESSAGES);
  await outbound.until('message', () => outbound.count('MessageObtained') >= MESSAGES);

  // A listener of one shard told it; that all sessions came to that shard has a chance of one in 2^16.
  expect(inbound.count('Connected')).toBe(MESSAGES);
  const told = inbound.events.map(({ payload }) => JSON.stringify(payload));
  expect(told.filter((text) => text === '{"Read":"AUTH PLAIN ***\\r\\n"}')).toHaveLength(MESSAGES);
  expect(told.filter((text) => text.startsWith('{"Callback":{"name":"smtp_server_auth_plain"'))).toHaveLength(
    MESSAGES,
  );
  const dispositions = inbound.events.flatMap(({ payload }) =>
    typeof payload === 'object' && 'MessageDisposition' in payload ? [payload.MessageDisposition] : [],
  );
  expect(dispositions.map(({ id }) => id).sort()).toEqual(deliveries.map(({ id }) => id).sort());
  expect(dispositions[0]).toMatchObject({ queue: 'acme@dest.example', relay: true, will_enqueue: true });
  expect(inbound.events.at(-1)!.conn_meta).toMatchObject({
    authn_id: 'scott',
    tls_protocol_version: 'TLSv1_3',
  });

  const sessions = new Map<string, string>();
  for (const { conn_meta: meta } of outbound.events) {
    if (meta?.message_id !== undefined) sessions.set(String(meta.message_id), String(meta.id));
  }
  for (const { id, session_id } of deliveries) expect(sessions.get(id)).toBe(session_id);
  const outboundText = JSON.stringify(outbound.events);
  expect(outboundText).toContain('AUTH PLAIN ***');
  expect(outboundText).toContain('STARTTLS handshake -> ');
  expect(outboundText).toContain('authenticated: false');
  expect(outboundText).toContain('AbbreviatedWrite');
  expect(other.count('MessageObtained')).toBe(0);
  const encoded = [`\0scott\0${IN}`, `\0u\0${OUT}`, IN, OUT].map((text) =>
    Buffer.from(text).toString('base64'),
  );
  const everything = JSON.stringify([inbound.events, outbound.events, other.events]);
  for (const secret of [IN, OUT, ...encoded]) expect(everything).not.toContain(secret);
  for (const { socket } of [inbound, outbound, other]) socket.close();
});

/** A reader who opens a trace and then stops reading. */
async function stalled(): Promise<{ socket: PausableSocket; events: TraceEvent[] }> {
  const socket = new PausableSocket(`ws://127.0.0.1:${server.http}/api/admin/trace-smtp-server/v1`);
  const events: TraceEvent[] = [];
  socket.on('message', (text) => events.push(JSON.parse(String(text)) as TraceEvent));
  await once(socket, 'open');
  socket.pause();
  socket.send('{}');
  return { socket, events };
}

test('mail does not wait for a reader who stops reading; what is missed is told of', async () => {
  const { socket, events } = await stalled();
  const attentive = await watch('server', { terse: true });
  const before = server.counts().Delivery ?? 0;
  const text = `${'x'.repeat(70)}\r\n`.repeat(14_000);
  // 48 MB, of which the reader may have 16 waiting, and its connection a few more.
  for (let n = 0; n < 48; n++) await send(`slow${n}@dest.example`, text);
  await server.untilCounts({ Delivery: before + 48 });
  await attentive.until('end', () => attentive.count('Closed') >= 48);
  attentive.socket.close();
  socket.resume();
  const lagged = await eventually(
    () =>
      events
        .map(({ conn_meta: meta, payload }) => (meta === null ? JSON.stringify(payload) : ''))
        .find((payload) => payload !== ''),
    { patience: PATIENCE, what: () => `nothing was missed among ${events.length} events` },
  );
  expect(lagged).toMatch(
    /^\{"Diagnostic":\{"level":"ERROR","message":"Tracer Lagged behind and missed [1-9]\d* events"\}\}$/,
  );
  // The reader gets what happens from now on.
  const talk = await SmtpTalk.greeted(server.smtp);
  await talk.command('NOOP after-the-gap', '250');
  talk.destroy();
  await eventually(() => (JSON.stringify(events.slice(-20)).includes('after-the-gap') ? true : undefined), {
    patience: PATIENCE,
    what: () => 'the reader gets nothing any more',
  });
  socket.terminate();
});

test('who may not, who is no websocket, who comes from a web page, and who asks for nonsense', async () => {
  const path = '/api/admin/trace-smtp-client/v1';
  const plain = await fetch(`http://127.0.0.1:${server.http}${path}`);
  expect([plain.status, await plain.text()]).toEqual([426, expect.stringContaining('websocket')]);
  expect((await fetch(`http://127.0.0.1:${server.ports.http[1]}${path}`)).status).toBe(401);
  for (const [headers, status] of [
    ['Origin: http://evil.example\r\n', 403],
    ['', 101],
  ] as const) {
    const socket = connect(server.http, '127.0.0.1');
    const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${headers}`;
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${upgrade}`);
    socket.write('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    socket.destroy();
  }
  for (const request of ['{"domian":["x"]}', '{"domain":"x"}', '{"source_addr":["x"]}', 'nonsense']) {
    const { closed, socket } = await watch('client', JSON.parse('{}') as TraceRequest);
    socket.close();
    await closed;
    const bad = new WebSocket(`ws://127.0.0.1:${server.http}${path}`);
    const ended = new Promise<CloseEvent>((resolve) => bad.addEventListener('close', resolve));
    await once(bad, 'open');
    bad.send(request);
    expect(await ended).toMatchObject({ code: 1008, reason: expect.stringMatching(/^bad request: ./) });
  }
});

const children: ChildProcess[] = [];

/** A command that shows sessions. */
async function command(...args: string[]) {
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { ...process.env, KUMO_KCLI_ENDPOINT: `http://127.0.0.1:${server.http}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const said = { out: '', error: '' };
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said.error += text;
  });
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  const until = (which: 'out' | 'error', text: string): Promise<true> =>
    eventually(() => (said[which].includes(text) ? true : undefined), {
      patience: PATIENCE,
      what: () => `no '${text}': ${said.error} ${said.out.slice(-500)}`,
    });
  await until('error', 'Watching');
  return { child, said, ended, until };
}

test('the commands: lines for people, JSON, one session, Ctrl-C, and a server that goes away', async () => {
  const [people, one, lasting] = await Promise.all([
    command('trace-smtp-server', '--source', '127.0.0.1', '--only-new', '--color', 'no'),
    command(
      'trace-smtp-client',
      '--json',
      '--only-one',
      '--only-new',
      '--mx-host',
      'sink.test',
      '--tenant',
      'acme',
    ),
    command('trace-smtp-client', '--mail-from', 'nobody@example.org'),
  ]);
  await send('last@dest.example');
  expect(await one.ended).toBe(0);
  const events = one.said.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TraceEvent);
  expect(events[0]!.payload).toBe('BeginSession');
  expect(events.at(-1)!.payload).toBe('Closed');
  await people.until('out', '=== Closed');
  people.child.kill('SIGINT');
  expect(await people.ended).toBe(0);
  const key = '\\[127\\.0\\.0\\.1:\\d+->127\\.0\\.0\\.1:\\d+\\]';
  expect(people.said.out).toMatch(new RegExp(`^${key}       === Connected 2\\d{3}-`));
  expect(people.said.out).toMatch(new RegExp(`^${key} {1,4}\\d+m?s  -> AUTH PLAIN \\*\\*\\*$`, 'm'));
  expect(people.said.out).toMatch(new RegExp(`^${key} {1,4}\\d+m?s <-  235 2\\.7\\.0 AUTH OK$`, 'm'));
  expect(people.said.out).toContain('=== conn_meta authn_id="scott"');
  expect(await server.stop()).toBe(0);
  expect(await lasting.ended).toBe(1);
  expect(lasting.said.error).toMatch(
    /^Error: ws:\/\/127\.0\.0\.1:\d+ ended the trace: the server goes away$/m,
  );
  expect(lasting.said.out).not.toContain('MessageObtained');
});
