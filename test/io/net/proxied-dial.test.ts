import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { TestResolver } from '../../../src/io/dns/index.ts';
import { type DialError, proxiedDial } from '../../../src/io/net/index.ts';
import type { Transport } from '../../../src/model/index.ts';
import { parseProxyHeader } from '../../../src/protocol/proxy/index.ts';
import { SocksServer, type SocksServerOptions } from '../../kit/socks-server.ts';

const servers: { stop(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

/** Listens on a port of 127.0.0.1 for connections that `serve` takes care of. */
async function listening(serve: (socket: Socket) => void): Promise<{ port: number; server: string }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  servers.push({
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, server: `127.0.0.1:${port}` };
}

async function socksServer(options: SocksServerOptions = {}): Promise<SocksServer> {
  const server = await SocksServer.start(options);
  servers.push(server);
  return server;
}

const resolver = new TestResolver([
  '$ORIGIN example.\nproxy 60 A 127.0.0.2\nproxy 60 A 127.0.0.1\nsix 60 AAAA ::1\n',
]);
const dialThrough = proxiedDial(resolver);
const greeter = () => listening((socket) => socket.write('220 here\r\n'));
const destination = (port: number) => ({ address: '127.0.0.1', port });

/** The first octets that arrive; what was there before `receive` is not lost. */
const firstOf = (transport: Transport): Promise<string> =>
  new Promise((resolve) => {
    transport.receive({
      data: (chunk) => {
        resolve(String(chunk));
        transport.destroy();
      },
      end: () => {},
      closed: () => resolve(''),
    });
  });

async function failure(dialing: Promise<Transport>): Promise<DialError> {
  const result = await dialing.then(
    (transport) => {
      transport.destroy();
      return 'connected';
    },
    (error: DialError) => error,
  );
  expect(result).toBeInstanceOf(Error);
  return result as DialError;
}

describe('SOCKS5', () => {
  const socks = (proxy: { port: number }, more: object = {}) => ({
    protocol: 'socks5' as const,
    server: { address: '127.0.0.1', port: proxy.port },
    source: '127.0.0.7',
    ...more,
  });

  test('the destination sees the address that was named; both ends are known', async () => {
    const proxy = await socksServer();
    let from = '';
    const target = await listening((socket) => {
      from = `${socket.remoteAddress}:${socket.remotePort}`;
      socket.write('220 here\r\n');
    });
    const transport = await dialThrough({
      ...destination(target.port),
      localAddress: '127.0.0.3',
      timeout: 10_000,
      proxy: socks(proxy),
    });
    expect(await firstOf(transport)).toBe('220 here\r\n');
    expect(`${transport.local.address}:${transport.local.port}`).toBe(from);
    expect(from).toMatch(/^127\.0\.0\.7:\d+$/);
    expect(transport.remote).toEqual({ address: '127.0.0.1', port: target.port });
    expect(transport.proxy).toEqual({
      protocol: 'socks5',
      server: { address: '127.0.0.1', port: proxy.port },
    });
  });

  test('username and password', async () => {
    const credentials = { username: 'mail', password: 'geheim' };
    const proxy = await socksServer({ credentials });
    const target = { ...destination((await greeter()).port), timeout: 10_000 };
    const transport = await dialThrough({ ...target, proxy: socks(proxy, { credentials }) });
    expect(await firstOf(transport)).toBe('220 here\r\n');
    const wrong = { credentials: { username: 'mail', password: 'falsch' } };
    const refused = await failure(dialThrough({ ...target, proxy: socks(proxy, wrong) }));
    expect(refused).toMatchObject({ kind: 'proxy' });
    expect(refused.message).toBe(`proxy ${proxy.server}: username and password were refused`);
    const none = await failure(dialThrough({ ...target, proxy: socks(proxy) }));
    expect(none.message).toContain('none of our authentication methods');
    const long = { credentials: { username: 'x'.repeat(256), password: 'x' } };
    expect(await failure(dialThrough({ ...target, proxy: socks(proxy, long) }))).toMatchObject({
      kind: 'failed',
      message: 'username and password of the proxy must have 1 to 255 octets',
    });
  });

  test('the name of a proxy is looked up, and each of its addresses is tried', async () => {
    const proxy = await socksServer();
    const target = await greeter();
    const named = (name: string) => ({
      ...destination(target.port),
      timeout: 10_000,
      proxy: socks(proxy, { server: { address: name, port: proxy.port } }),
    });
    // Nobody listens on 127.0.0.2, so that the second address is the one.
    expect((await dialThrough(named('proxy.example'))).proxy?.server.address).toBe('127.0.0.1');
    const unknown = await failure(dialThrough(named('nobody.example')));
    expect(unknown.kind).toBe('proxy');
    expect(unknown.message).toMatch(/^proxy nobody\.example:\d+: /);
    const other = await failure(dialThrough({ ...named('six.example'), localAddress: '127.0.0.3' }));
    expect(other).toMatchObject({ kind: 'proxy' });
    expect(other.message).toContain('the name has no address');
  });

  test('what fails is told from one another', async () => {
    const proxy = await socksServer({ plumbed: ['127.0.0.7'] });
    const closed = await socksServer();
    closed.stop();
    const to = (proxied: object, more: object = {}) =>
      failure(
        dialThrough({ ...destination(closed.port), timeout: 10_000, proxy: socks(proxy, proxied), ...more }),
      );
    expect(await to({})).toMatchObject({
      kind: 'refused',
      message: `proxy ${proxy.server}: CONNECT: connection refused`,
    });
    expect(await to({ source: '127.0.0.8' })).toMatchObject({
      kind: 'proxy-unplumbed',
      message: `proxy ${proxy.server}: BIND 127.0.0.8: general SOCKS server failure`,
    });
    expect(await to({ server: { address: '127.0.0.1', port: closed.port } })).toMatchObject({
      kind: 'proxy',
    });
    expect(await to({}, { localAddress: '192.0.2.55' })).toMatchObject({ kind: 'unplumbed' });
    expect(await to({ source: '::1' })).toMatchObject({
      kind: 'family',
      message: 'socks5_proxy_source_address ::1 is IPv6 and cannot reach IPv4',
    });
    expect(await to({}, { localAddress: '::1' })).toMatchObject({
      kind: 'family',
      message: 'source_address ::1 is IPv6 and cannot reach IPv4',
    });
  });

  test('without a proxy, too, families must agree', async () => {
    const dialing = dialThrough({ address: '::1', port: 25, localAddress: '127.0.0.1', timeout: 1000 });
    expect(await failure(dialing)).toMatchObject({
      kind: 'family',
      message: 'source_address 127.0.0.1 is IPv4 and cannot reach IPv6',
    });
  });

  const method = Buffer.from([5, 0]);
  const bound = Buffer.from([5, 0, 0, 1, 127, 0, 0, 7, 0, 0]);
  const hugeName = Buffer.concat([
    Buffer.from([5, 0, 0, 3, 255]),
    Buffer.alloc(255, 'x'),
    Buffer.from([0, 25]),
  ]);
  /** Answers each thing that the client says with the next of these. */
  const saying =
    (...answers: (Buffer | 'close' | 'drip')[]) =>
    (socket: Socket): void => {
      let next = 0;
      socket.on('data', () => {
        const answer = answers[next++];
        if (answer === 'close') socket.destroy();
        else if (answer === 'drip') {
          let sent = 0;
          const timer = setInterval(() => socket.write(hugeName.subarray(sent, ++sent)), 20);
          socket.on('close', () => clearInterval(timer));
        } else if (answer !== undefined) socket.write(answer);
      });
    };

  test.each<[string, (socket: Socket) => void, string, string]>([
    ['closes at once', (socket) => socket.destroy(), 'proxy', ''],
    ['closes after the greeting', saying('close'), 'proxy', ''],
    ['closes after BIND', saying(method, 'close'), 'proxy', 'BIND 127.0.0.7: '],
    ['closes after CONNECT', saying(method, bound, 'close'), 'proxy', 'CONNECT: '],
    [
      'speaks HTTP',
      saying(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
      'proxy',
      'the answer is not SOCKS5',
    ],
    ['speaks first', (socket) => socket.write('220 smtp.example ESMTP\r\n'), 'proxy', 'not SOCKS5'],
    ['sends a megabyte', saying(Buffer.alloc(1 << 20, 5)), 'proxy', 'more than its answer'],
    ['says nothing', () => {}, 'proxy', 'no answer in time'],
    ['says nothing to BIND', saying(method), 'proxy', 'BIND 127.0.0.7: no answer in time'],
    ['says nothing to CONNECT', saying(method, bound), 'timeout', 'CONNECT: no answer in time'],
    ['answers with a long name', saying(method, hugeName), 'timeout', 'CONNECT: no answer in time'],
    ['drips', saying(method, 'drip'), 'proxy', 'BIND 127.0.0.7: no answer in time'],
    ['does not know BIND', saying(method, Buffer.from([5, 7])), 'proxy', 'command not supported'],
  ])('a proxy that %s', async (_, serve, kind, text) => {
    const proxy = await listening(serve);
    const error = await failure(dialThrough({ ...destination(25), timeout: 500, proxy: socks(proxy) }));
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(`proxy ${proxy.server}: `);
    expect(error.message).toContain(text);
  });
});

describe('the PROXY header', () => {
  test.each([undefined, 1, 2] as const)('goes ahead of everything: version %s', async (headerVersion) => {
    let heard = Buffer.alloc(0);
    const proxy = await listening((socket) => {
      socket.on('data', (chunk) => {
        heard = Buffer.concat([heard, chunk]);
        const header = parseProxyHeader(heard);
        if (header.kind === 'header' && heard.length > header.length)
          socket.write(heard.subarray(header.length));
      });
    });
    const transport = await dialThrough({
      address: '192.0.2.9',
      port: 25,
      timeout: 10_000,
      proxy: {
        protocol: 'haproxy',
        server: { address: '127.0.0.1', port: proxy.port },
        source: '198.51.100.7',
        ...(headerVersion !== undefined && { headerVersion }),
      },
    });
    transport.write('EHLO x\r\n');
    expect(await firstOf(transport)).toBe('EHLO x\r\n');
    expect(parseProxyHeader(heard)).toMatchObject({
      addresses: {
        source: { address: '198.51.100.7', port: 0 },
        destination: { address: '192.0.2.9', port: 25 },
      },
    });
    expect(heard.toString('latin1').startsWith('PROXY ')).toBe(headerVersion === 1);
    expect(transport.local).toEqual({ address: '198.51.100.7', port: 0 });
    expect(transport.remote).toEqual({ address: '192.0.2.9', port: 25 });
  });

  test('a proxy that is not there', async () => {
    const gone = await socksServer();
    gone.stop();
    const proxy = {
      protocol: 'haproxy' as const,
      server: { address: '127.0.0.1', port: gone.port },
      source: '198.51.100.7',
    };
    const error = await failure(dialThrough({ address: '192.0.2.9', port: 25, timeout: 10_000, proxy }));
    expect(error).toMatchObject({ kind: 'proxy' });
    expect(error.message).toContain('ECONNREFUSED');
  });
});
