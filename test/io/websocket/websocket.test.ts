import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createNetServer,
  type Server as NetServer,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { WebSocket as OtherSocket } from 'ws';
import { connectWebSocket, Upgrades, type WebSocketConnection } from '../../../src/io/websocket/index.ts';
import { issue } from '../../kit/certificates.ts';
import { eventually } from '../../kit/eventually.ts';

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Serving {
  port: number;
  upgrades: Upgrades;
  connections: WebSocketConnection[];
  texts: string[];
}

/** Accepts what asks for `/socket`, refuses the rest. */
async function serving(maxLength = 1000): Promise<Serving> {
  const server = createServer();
  const got: Omit<Serving, 'port' | 'upgrades'> = { connections: [], texts: [] };
  const route = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url !== '/socket') {
      response
        .writeHead(403, { 'content-type': 'text/plain' })
        .end(`Error: not here for ${request.headers.authorization}`);
      return;
    }
    const onText = (text: string): void => void got.texts.push(text);
    const accept = (): unknown => got.connections.push(upgrades.accept(request, response, onText)!);
    if (request.headers.late === undefined) accept();
    else request.socket.once('close', () => setImmediate(accept));
  };
  const upgrades = new Upgrades(server, { maxLength, route });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  return { ...got, port: (server.address() as AddressInfo).port, upgrades };
}

const came = (list: unknown[], count: number): Promise<unknown> =>
  eventually(() => (list.length >= count ? true : undefined), { what: () => JSON.stringify(list) });

function client(port: number, texts: string[], path = '/socket'): Promise<WebSocketConnection> {
  const onText = (text: string): void => void texts.push(text);
  return connectWebSocket(new URL(`ws://127.0.0.1:${port}${path}`), {
    timeout: 60_000,
    maxLength: 1 << 20,
    onText,
  });
}

test('texts both ways, and an end with its reason', async () => {
  const { port, connections, texts } = await serving();
  const heard: string[] = [];
  const socket = await client(port, heard);
  socket.send('grüß');
  await came(texts, 1);
  expect(texts).toEqual(['grüß']);
  connections[0]!.send('x'.repeat(70_000));
  await came(heard, 1);
  expect(heard).toEqual(['x'.repeat(70_000)]);
  connections[0]!.close(1008, 'that is all');
  expect(await socket.whenClosed).toEqual({ code: 1008, reason: 'that is all' });
  expect(await connections[0]!.whenClosed).toMatchObject({ code: 1008 });
});

test('a client of another make: Node’s own WebSocket', async () => {
  const { port, connections, texts, upgrades } = await serving();
  const heard: string[] = [];
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`);
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve));
  socket.addEventListener('message', ({ data }) => heard.push(String(data)));
  socket.addEventListener('open', () => socket.send('hello'));
  await came(texts, 1);
  connections[0]!.send('a'.repeat(200));
  await came(heard, 1);
  await upgrades.close();
  expect(await closed).toMatchObject({ code: 1001, reason: 'the server goes away', wasClean: true });
});

test('a refusal says what the server said, and nobody is there', async () => {
  const { port } = await serving();
  await expect(client(port, [], '/elsewhere')).rejects.toThrow(
    'request status 403: Forbidden. Response body: Error: not here for undefined',
  );
  const url = new URL(`ws://scott:t%C3%AFger@127.0.0.1:${port}/elsewhere`);
  const credentials = Buffer.from('scott:tïger').toString('base64');
  await expect(connectWebSocket(url, { timeout: 60_000, maxLength: 1000, onText: () => {} })).rejects.toThrow(
    new RegExp(`^request status 403: .* for Basic ${credentials}$`),
  );
  open[0]!.closeAllConnections();
  await new Promise((resolve) => open[0]!.close(resolve));
  await expect(client(port, [])).rejects.toThrow(/^cannot reach ws:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
});

test('a message that is too long ends it', async () => {
  const { port, texts } = await serving(1000);
  const socket = await client(port, []);
  socket.send('x'.repeat(1001));
  expect(await socket.whenClosed).toEqual({ code: 1009, reason: '' });
  expect(texts).toEqual([]);
});

test('a binary message ends it, a ping is answered, and a reason is cut where the frame ends', async () => {
  const { port, connections, texts } = await serving();
  const socket = new OtherSocket(`ws://127.0.0.1:${port}/socket`);
  await once(socket, 'open');
  socket.ping('are you there');
  expect(String((await once(socket, 'pong'))[0])).toBe('are you there');
  socket.send(Buffer.of(1));
  expect((await once(socket, 'close')).map(String)).toEqual(['1003', 'a binary message']);
  const other = new OtherSocket(`ws://127.0.0.1:${port}/socket`);
  await once(other, 'open');
  connections.at(-1)!.close(1008, 'ü'.repeat(100));
  expect((await once(other, 'close')).map(String)).toEqual(['1008', 'ü'.repeat(61)]);
  expect(texts).toEqual([]);
});

test('a server that says nothing, one that is none, and one whose certificate nobody knows', async () => {
  const connected = (url: string, timeout: number): Promise<unknown> =>
    connectWebSocket(new URL(url), { timeout, maxLength: 1000, onText: () => {} });
  const listening = async (server: NetServer): Promise<number> => {
    onTestFinished(() => void server.close());
    server.on('connection', (socket) => socket.on('error', () => {}));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return (server.address() as AddressInfo).port;
  };
  const silent = await listening(createNetServer());
  await expect(connected(`ws://127.0.0.1:${silent}`, 50)).rejects.toThrow(
    `ws://127.0.0.1:${silent} did not answer within 0.05 s`,
  );
  const answer =
    'HTTP/1.1 101 Fine\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n';
  const other = await listening(createNetServer((socket) => void socket.write(answer)));
  await expect(connected(`ws://127.0.0.1:${other}`, 60_000)).rejects.toThrow(
    `ws://127.0.0.1:${other} does not speak websocket`,
  );
  const { cert, key } = await issue({ name: 'localhost' });
  const secure = await listening(createTlsServer({ cert, key }));
  await expect(connected(`wss://127.0.0.1:${secure}`, 60_000)).rejects.toThrow(
    new RegExp(`^cannot reach wss://127\\.0\\.0\\.1:${secure}: .*certificate`),
  );
});

test('a connection that breaks is told as such on either end', async () => {
  const { port, connections } = await serving();
  const socket = await client(port, []);
  await came(connections, 1);
  connections[0]!.destroy();
  expect(await socket.whenClosed).toEqual({ code: 1006, reason: 'the connection was lost' });
  expect(await connections[0]!.whenClosed).toMatchObject({ code: 1006 });
});

test('send says when a reader does not keep up, and drained when it does again or is gone', async () => {
  const { port, connections } = await serving();
  const heard: string[] = [];
  const socket = await client(port, heard);
  await came(connections, 1);
  socket.pause();
  let count = 0;
  while (connections[0]!.send('x'.repeat(100_000))) count++;
  const drained = connections[0]!.drained();
  socket.resume();
  await drained;
  await came(heard, count + 1);
  socket.pause();
  while (connections[0]!.send('x'.repeat(100_000)));
  const gone = connections[0]!.drained();
  socket.destroy();
  await gone;
});

test('a client that has gone before it is accepted', async () => {
  const { port, connections } = await serving();
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nLate: 1\r\n');
  socket.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
  await once(open[0]!, 'upgrade');
  socket.resetAndDestroy();
  await came(connections, 1);
  expect(connections).toEqual([undefined]);
});

test('a peer that does not answer the close frame is waited for only so long', async () => {
  const { port, upgrades, connections } = await serving();
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n');
  socket.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
  socket.on('error', () => {}).resume();
  await came(connections, 1);
  await upgrades.close();
  expect(await connections[0]!.whenClosed).toMatchObject({ code: 1006 });
  socket.destroy();
});
