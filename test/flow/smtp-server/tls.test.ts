import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createTransport } from 'nodemailer';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SmtpServer } from '../../../src/flow/smtp-server/index.ts';
import { systemClock } from '../../../src/io/clock/index.ts';
import { type Listening, listen } from '../../../src/io/net/index.ts';
import { ListenerIdentities } from '../../../src/io/tls/index.ts';
import { returns, TestServer } from '../../kit/smtp-session.ts';

// Real handshakes with clients that we did not write.
const identities = new ListenerIdentities(systemClock, (source) =>
  source.from === 'inline' ? Promise.resolve(source.bytes) : Promise.reject(new Error('no')),
);
const own = await generate([{ name: 'commonName', value: 'client.example' }], { algorithm: 'sha256' });
const stranger = await generate([{ name: 'commonName', value: 'stranger.example' }], { algorithm: 'sha256' });
const kit = new TestServer({
  options: {
    peer: {
      '127.0.0.2': {
        relay_hosts: ['127.0.0.2'],
        tls_required_client_ca: { from: 'inline', bytes: Buffer.from(own.cert) },
      },
      '127.0.0.3': { tls_certificate: { from: 'file', path: 'missing' } },
      '127.0.0.4': { client_timeout: 50 },
    },
  },
  policy: { smtp_server_auth_plain: (_authz, _authc, password) => returns(password === 'tiger') },
});
const server = new SmtpServer({
  ...kit.parameters,
  clock: systemClock,
  identity: (options, hostname) =>
    identities.find({
      hostname,
      certificate: options.tls_certificate,
      privateKey: options.tls_private_key,
      clientCa: options.tls_required_client_ca,
    }),
});
let listening: Listening;

beforeAll(async () => {
  listening = await listen({ address: '127.0.0.1', port: 0 }, (transport) => server.accept(transport));
});

afterAll(async () => {
  await listening.close();
  await server.stop();
});

/** What comes until the text is there, or until the end. */
async function heard(socket: Socket | TLSSocket, text: string): Promise<string> {
  let input = '';
  for (;;) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) input += chunk.toString();
    if (input.includes(text) || socket.readableEnded || socket.destroyed) return input;
    // An error is an end too.
    await Promise.race([once(socket, 'readable'), once(socket, 'close')]).catch(() => {});
  }
}

async function atStarttls(
  localAddress: string,
  line = 'STARTTLS\r\n',
): Promise<{ socket: Socket; reply: string }> {
  const socket = connectPlain({ port: listening.port, host: '127.0.0.1', localAddress });
  socket.on('error', () => {});
  await heard(socket, '220 ');
  socket.write(line);
  return { socket, reply: await heard(socket, '\r\n') };
}

test.each(['PLAIN', 'LOGIN'])('a message after STARTTLS and AUTH %s', async (method) => {
  const transport = createTransport({
    host: '127.0.0.1',
    port: listening.port,
    requireTLS: true,
    tls: { rejectUnauthorized: false },
    name: 'client.example',
    authMethod: method,
    auth: { user: 'scott', pass: 'tiger' },
  });
  const text = 'x'.repeat(70).concat('\r\n').repeat(2000);
  const sent = await transport.sendMail({ from: 'a@example.org', to: 'b@example.com', subject: 's', text });
  expect(sent.response).toMatch(/^250 OK ids=/);
  transport.close();
  const received = kit.received.pop()!;
  expect(received.body.length).toBeGreaterThan(140_000);
  expect(received).toMatchObject({
    isAuthenticated: true,
    tls: { protocolVersion: 'TLSv1_3', cipher: expect.stringMatching(/^TLS13_/) },
  });
  expect(received.meta.values).toMatchObject({ authn_id: 'scott', tls_protocol_version: 'TLSv1_3' });
});

test('TLS 1.2 has its own names, and sends a message of many records', async () => {
  const { socket } = await atStarttls('127.0.0.1');
  const secured = connectTls({ socket, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
  await once(secured, 'secureConnect');
  expect(secured.getPeerCertificate().subject.CN).toBe('mx.test');
  secured.write('MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n');
  expect(await heard(secured, '221 ')).toContain('250 OK ids=');
  expect(kit.received.pop()!.tls).toMatchObject({
    protocolVersion: 'TLSv1_2',
    cipher: expect.stringMatching(/^TLS_ECDHE_/),
  });
});

test('plain text behind STARTTLS is dropped', async () => {
  const { socket, reply } = await atStarttls('127.0.0.1', 'STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n');
  expect(reply).toBe('220 2.0.0 Ready to start TLS\r\n');
  const secured = connectTls({ socket, rejectUnauthorized: false });
  await once(secured, 'secureConnect');
  secured.write('RCPT TO:<b@example.com>\r\n');
  expect(await heard(secured, '\r\n')).toBe('503 5.5.0 MAIL FROM must be issued first\r\n');
  secured.destroy();
});

test('who does not speak TLS after STARTTLS is cut off, and so is who says nothing', async () => {
  const { socket } = await atStarttls('127.0.0.1');
  socket.write('EHLO client.example\r\n'.repeat(20));
  expect(await heard(socket, '250')).not.toContain('250');
  const silent = await atStarttls('127.0.0.4');
  expect(await heard(silent.socket, '421')).toBe('');
});

test('a client certificate that is required', async () => {
  const attempt = async (cert?: { cert: string; private: string }): Promise<string> => {
    const { socket } = await atStarttls('127.0.0.2');
    const secured = connectTls({
      socket,
      rejectUnauthorized: false,
      ...(cert !== undefined && { cert: cert.cert, key: cert.private }),
    });
    secured.on('error', () => {});
    secured.write('MAIL FROM:<a@example.org>\r\n');
    const reply = await heard(secured, '\r\n');
    if (reply !== '') {
      secured.write('RCPT TO:<b@example.com>\r\nDATA\r\n.\r\nQUIT\r\n');
      await heard(secured, '221');
    }
    secured.destroy();
    return reply;
  };
  expect(await attempt()).toBe('');
  expect(await attempt(stranger)).toBe('');
  expect(kit.received).toEqual([]);
  expect(await attempt(own)).toBe('250 OK <a@example.org>\r\n');
  expect(kit.received.pop()!.meta.get('tls_peer_subject_name')).toEqual(['CN=client.example']);
});

test('a certificate that cannot be read: 454, a line in the log, and the session goes on', async () => {
  const { socket, reply } = await atStarttls('127.0.0.3');
  expect(reply).toBe('454 4.7.0 TLS not available due to temporary reason\r\n');
  expect(kit.complaints.at(-1)).toMatch(/^STARTTLS: /);
  socket.write('NOOP\r\n');
  expect(await heard(socket, '\r\n')).toBe('250 OK\r\n');
  socket.destroy();
});
