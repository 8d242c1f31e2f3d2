import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import fastify from 'fastify';
import { expect, onTestFinished, test, vi } from 'vitest';
import { limitConnections } from '../../../src/api/http/connection-limits.ts';
import { type HttpParts, serveHttp } from '../../../src/api/http/index.ts';
import { reservePort } from '../../../src/io/net/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { TlsIdentity } from '../../../src/model/index.ts';
import { httpListenerOptions } from '../../../src/model/options/index.ts';
import { issue } from '../../kit/certificates.ts';
import { eventually } from '../../kit/eventually.ts';
import { benchParts } from './kit.ts';

// The machine may be busy.
vi.setConfig({ testTimeout: 120_000 });

/** A server on a port of its own. */
async function serve(more: Partial<HttpParts>, trusted_hosts = ['127.0.0.1']): Promise<number> {
  const reservation = await reservePort({ address: '127.0.0.1', port: 0 });
  await reservation.release();
  const options = parseOptions(httpListenerOptions, {
    listen: `127.0.0.1:${reservation.port}`,
    trusted_hosts,
  });
  const server = await serveHttp(options, { ...benchParts().parts, ...more });
  onTestFinished(() => server.close());
  return reservation.port;
}

/** All that the server says until it hangs up. */
async function talk(port: number, said: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    heard += text;
  });
  socket.on('error', () => {});
  socket.write(said);
  await once(socket, 'close');
  return heard;
}

test.each([
  [
    'a body',
    'POST /api/inject/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  ],
  ['headers', 'POST /api/inject/v1 HTTP/1.1\r\nHost: x\r\nContent-Ty'],
  ['nothing', ''],
])('%s that does not end is answered 408, and the connection closed', async (_what, said) => {
  const port = await serve({ requestTimeout: 200 });
  expect(await talk(port, said)).toMatch(/^HTTP\/1\.1 408 /);
});

const CLOSE = 'Connection: close\r\n\r\n';

test.each([
  ['two names', `GET /api/check-liveness/v1 HTTP/1.1\r\nHost: a.example\r\nhost: b.example\r\n${CLOSE}`],
  ['no name', `GET /api/check-liveness/v1 HTTP/1.1\r\n${CLOSE}`],
  ['a NUL in the path', `GET /api\0/check-liveness/v1 HTTP/1.1\r\nHost: x\r\n${CLOSE}`],
  ['a line break in a header', `GET /metrics HTTP/1.1\r\nHost: x\r\nX: a\rX-B: c\r\n${CLOSE}`],
  [
    'two lengths',
    `POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n${CLOSE}ab`,
  ],
  [
    'a length and chunks',
    `POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n${CLOSE}0\r\n\r\n`,
  ],
])('a request with %s is 400', async (_what, said) => {
  expect(await talk(await serve({}), said)).toMatch(/^HTTP\/1\.1 400 /);
});

test('connections that say nothing keep nobody out and are hung up on', async () => {
  const port = await serve({ requestTimeout: 2000 });
  const idle = Array.from({ length: 300 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  const closed = Promise.all(idle.map((socket) => once(socket.resume(), 'close')));
  const response = await fetch(`http://127.0.0.1:${port}/api/check-liveness/v1`);
  expect(await response.text()).toBe('OK');
  await closed;
});

test('beyond the limits nobody is let in; trusted addresses have more room', async () => {
  const isOpen = async (trusted: string[], count: number): Promise<number> => {
    const app = fastify();
    onTestFinished(() => app.close());
    app.get('/', () => 'here');
    limitConnections(app, trusted, { most: 20, mostFromOthers: 5 });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as { port: number };
    const answered = new Set<Socket>();
    const ended = new Set<Socket>();
    const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) {
      socket.on('data', () => answered.add(socket)).on('error', () => {});
      socket.on('close', () => ended.add(socket));
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    }
    await eventually(() => (answered.size + ended.size >= count ? true : undefined));
    const left = count - ended.size;
    for (const socket of sockets) socket.destroy();
    // Those that went make room.
    await eventually(() =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => undefined,
      ),
    );
    return left;
  };
  expect(await isOpen([], 30)).toBe(5);
  expect(await isOpen(['127.0.0.1'], 30)).toBe(20);
});

test('a certificate that changes is shown to those who come after; a bad one leaves the last', async () => {
  const identity = async (name: string): Promise<TlsIdentity> => {
    const { cert, key } = await issue({ name });
    return { certificate: cert, privateKey: key };
  };
  const first = await identity('first.example');
  const second = await identity('second.example');
  let now: () => Promise<TlsIdentity> = async () => first;
  const { parts, said } = benchParts();
  const port = await serve({ access: parts.access, identity: () => now() });
  const shown = async (): Promise<string> => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  };
  expect(await shown()).toBe('first.example');
  now = async () => second;
  // Whoever comes first finds it out for the others.
  await eventually(async () => ((await shown()) === 'second.example' ? true : undefined));
  now = () => Promise.reject(new Error('no such file'));
  expect([await shown(), await shown()]).toEqual(['second.example', 'second.example']);
  expect(said).toEqual(['no such file']);
});

test('clients that go away in the middle of an answer end what makes it, and hold up no others', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  async function* readMetrics() {
    const number = begun.push(begun.length);
    try {
      for (;;) yield Buffer.from(`metric_${Math.random()} 1\n`.repeat(1000));
    } finally {
      ended.push(number);
    }
  }
  const port = await serve({ readMetrics } as Partial<HttpParts>);
  const headers = { 'accept-encoding': 'gzip' };
  for (let asked = 0; asked < 6; asked++) {
    const leaving = new AbortController();
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers, signal: leaving.signal });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    leaving.abort();
    await eventually(() => (ended.length === begun.length ? true : undefined));
  }
  expect(ended).toHaveLength(6);
});

test('who may not ask gets no websocket', async () => {
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
  const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
  const said = `GET /api/admin/trace-smtp-server/v1 HTTP/1.1\r\nHost: x\r\n${upgrade}${key}\r\n`;
  expect(await talk(await serve({}, []), said)).toMatch(/^HTTP\/1\.1 401 .*not permitted GET on /s);
});
