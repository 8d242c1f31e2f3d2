import { once } from 'node:events';
import { type AddressInfo, connect as connectTo, createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type SinkMessage, startSink } from '../../../src/cli/sink.ts';
import { ConnectFailure, connectSmtp, type SmtpSourceOptions } from '../../../src/flow/delivery/index.ts';
import { systemClock } from '../../../src/io/clock/index.ts';
import { TestResolver } from '../../../src/io/dns/index.ts';
import { proxiedDial } from '../../../src/io/net/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { defaultEgressPathOptions, egressSourceOptions } from '../../../src/model/options/index.ts';
import { parseProxyHeader } from '../../../src/protocol/proxy/index.ts';
import { issue } from '../../kit/certificates.ts';
import { testSecurity } from '../../kit/peer-security.ts';
import { SocksServer, type SocksServerOptions } from '../../kit/socks-server.ts';
import { message } from './scripted-server.ts';

// The client through a proxy to smtp-server, over sockets on the loopback.
let ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended) await end();
  ended = [];
});

async function sink(): Promise<{ address: { address: string; port: number }; received: SinkMessage[] }> {
  const received: SinkMessage[] = [];
  const tls = await issue({ name: 'mx.test' });
  const onMessage = (one: SinkMessage): void => void received.push(one);
  const started = await startSink({ listen: ['127.0.0.1:0'], tls, onMessage });
  ended.push(() => started.stop());
  return { address: started.addresses[0]!, received };
}

async function socksServer(options: SocksServerOptions = {}): Promise<SocksServer> {
  const server = await SocksServer.start(options);
  ended.push(() => server.stop());
  return server;
}

/** What stands behind haproxy: it takes the header off and passes the rest on. */
async function haproxy(target: {
  address: string;
  port: number;
}): Promise<{ server: string; heads: unknown[]; versions: (1 | 2)[] }> {
  const heads: unknown[] = [];
  const versions: (1 | 2)[] = [];
  const server = createServer((socket) => {
    socket.once('data', (chunk) => {
      const header = parseProxyHeader(chunk);
      heads.push(header);
      versions.push(chunk.toString('latin1', 0, 6) === 'PROXY ' ? 1 : 2);
      if (header.kind !== 'header') return void socket.destroy();
      const upstream = connectTo(target.port, target.address);
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
      upstream.write(chunk.subarray(header.length));
      socket.pipe(upstream).pipe(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ended.push(() => server.close());
  return { server: `127.0.0.1:${(server.address() as AddressInfo).port}`, heads, versions };
}

const session = async (address: { address: string; port: number }, source: object) => {
  const options: SmtpSourceOptions = parseOptions(egressSourceOptions, { name: 's', ...source });
  const made = await connectSmtp({
    candidate: { name: 'mx.test', ...address },
    path: { ...defaultEgressPathOptions(), enable_tls: 'RequiredInsecure' },
    source: options,
    ehloName: 'client.test',
    dial: proxiedDial(new TestResolver([])),
    clock: systemClock,
    security: testSecurity({ clock: systemClock }),
    queue: 'q',
  });
  ended.unshift(() => made.quit());
  return made;
};

const credentials = { username: 'mail', password: 'geheim' };
const named = {
  socks5_proxy_source_address: '127.0.0.7',
  socks5_proxy_username: 'mail',
  socks5_proxy_password: { key_data: 'geheim' },
};

test('messages over TLS through SOCKS5', async () => {
  const { address, received } = await sink();
  const proxy = await socksServer({ credentials });
  const through = await session(address, { ...named, socks5_proxy_server: proxy.server });
  for (let time = 0; time < 2; time++) {
    const result = await through.attempt(message());
    expect(result.outcomes.map(({ outcome }) => outcome.kind)).toEqual(['delivered']);
    expect(result.sourceAddress).toEqual({
      address: expect.stringMatching(/^127\.0\.0\.7:\d+$/),
      server: proxy.server,
      protocol: 'socks5',
    });
    expect(result.tls?.protocolVersion).toBe('TLSv1.3');
  }
  expect(received.map(({ secure }) => secure)).toEqual([true, true]);
  expect(proxy.connections).toEqual([
    { source: '127.0.0.7', destination: `${address.address}:${address.port}` },
  ]);
});

test('the PROXY header has the version of the source', async () => {
  const { address } = await sink();
  const proxy = await haproxy(address);
  for (const version of [undefined, 1, 2]) {
    const through = await session(address, {
      ha_proxy_server: proxy.server,
      ha_proxy_source_address: '127.0.0.9',
      ...(version && { ha_proxy_header_version: version }),
    });
    await through.attempt(message());
  }
  expect(proxy.versions).toEqual([2, 1, 2]);
});

test('haproxy beats SOCKS5', async () => {
  const { address, received } = await sink();
  const proxy = await haproxy(address);
  const unused = await socksServer();
  const through = await session(address, {
    ...named,
    socks5_proxy_server: unused.server,
    ha_proxy_server: proxy.server,
    ha_proxy_source_address: '127.0.0.9',
  });
  const result = await through.attempt(message());
  expect(result.sourceAddress).toEqual({
    address: '127.0.0.9:0',
    server: proxy.server,
    protocol: 'haproxy',
  });
  expect(received).toHaveLength(1);
  expect(unused.clients).toBe(0);
  expect(proxy.heads).toMatchObject([
    { addresses: { source: { address: '127.0.0.9', port: 0 }, destination: address } },
  ]);
});

test('a proxy without its source address is not used', async () => {
  const { address, received } = await sink();
  const unused = await socksServer();
  const options = { socks5_proxy_server: unused.server, ha_proxy_server: unused.server };
  const direct = await session(address, options);
  await direct.attempt(message());
  expect(received).toHaveLength(1);
  expect(unused.clients).toBe(0);
});

test.each<[string, SocksServerOptions, object, string, RegExp]>([
  [
    'does not have the address',
    { plumbed: [] },
    { socks5_proxy_source_address: '127.0.0.7' },
    'proxy-unplumbed',
    /connect: proxy 127\.0\.0\.1:\d+: BIND 127\.0\.0\.7: general SOCKS server failure$/,
  ],
  [
    'refuses the password',
    { credentials },
    { ...named, socks5_proxy_password: { key_data: 'falsch' } },
    'proxy',
    /connect: proxy 127\.0\.0\.1:\d+: username and password were refused$/,
  ],
  [
    'has no password to be told',
    { credentials },
    { ...named, socks5_proxy_password: '/nonexistent/password' },
    'dial',
    /connect: socks5_proxy_password: no such file$/,
  ],
  [
    'is of the other family',
    {},
    { socks5_proxy_source_address: '::1' },
    'family',
    /connect: socks5_proxy_source_address ::1 is IPv6 and cannot reach IPv4$/,
  ],
])('a proxy that %s fails the candidate', async (_, options, source, kind, text) => {
  const { address } = await sink();
  const proxy = await socksServer(options);
  const failure = await session(address, { ...source, socks5_proxy_server: proxy.server }).catch(
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ConnectFailure);
  expect(failure).toMatchObject({ kind, text: expect.stringMatching(text) });
});
