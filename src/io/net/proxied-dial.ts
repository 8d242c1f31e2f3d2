import type { Socket } from 'node:net';
import type { Endpoint, Resolver, Transport } from '../../model/index.ts';
import { formatHostPort, isIpAddress } from '../../protocol/ip/index.ts';
import { formatProxyHeader, Socks5Client, type Socks5Step } from '../../protocol/proxy/index.ts';
import {
  type Dial,
  DialError,
  type DialFailureKind,
  type DialTarget,
  dial,
  familyOf,
  openSocket,
  type ProxyRoute,
  requireSameFamily,
} from './dial.ts';
import { SocketTransport } from './socket-transport.ts';

/** Addresses of one proxy that are tried. */
const MAX_ADDRESSES = 16;

/**
 * Opens TCP connections, through a proxy where the target names one: with a PROXY header, or over SOCKS5. The names of
 * proxies are looked up with `resolver`; the time-out of the target is shared by the addresses found.
 */
export function proxiedDial(resolver: Pick<Resolver, 'a' | 'aaaa'>): Dial {
  return (target) =>
    target.proxy === undefined ? dial(target) : throughProxy(target, target.proxy, resolver);
}

async function throughProxy(
  target: DialTarget,
  route: ProxyRoute,
  resolver: Pick<Resolver, 'a' | 'aaaa'>,
): Promise<Transport> {
  const option = route.protocol === 'socks5' ? 'socks5_proxy_source_address' : 'ha_proxy_source_address';
  requireSameFamily(option, route.source, target.address);
  requireCredentials(route);
  const deadline = performance.now() + target.timeout;
  const addresses = await within(target.timeout, addressesOf(route, target.localAddress, resolver), route);
  const failures: DialError[] = [];
  for (const [index, address] of addresses.entries()) {
    const left = deadline - performance.now();
    if (left <= 0) break;
    const share = Math.max(1, left / (addresses.length - index));
    try {
      return await throughAddress(target, route, address, { share, deadline });
    } catch (error) {
      if (!(error instanceof DialError) || !isOfProxy(error)) throw error;
      failures.push(error);
    }
  }
  throw summed(failures, route);
}

/** Before the dial: what cannot be sent is nothing that the proxy could help. */
function requireCredentials(route: ProxyRoute): void {
  const lengths = Object.values(route.credentials ?? {}).map((text) => Buffer.byteLength(text));
  if (lengths.every((length) => length >= 1 && length <= 255)) return;
  throw new DialError('failed', 'username and password of the proxy must have 1 to 255 octets');
}

const isOfProxy = ({ kind }: DialError): boolean =>
  kind === 'proxy' || kind === 'proxy-unplumbed' || kind === 'family';

function summed(failures: readonly DialError[], route: ProxyRoute): DialError {
  if (failures.length === 0) return proxyError(route.server, 'no answer in time');
  // When the addresses fail in different ways, the proxy as a whole is what failed.
  const kinds = new Set(failures.map(({ kind }) => kind));
  const kind = kinds.size === 1 ? failures[0]!.kind : 'proxy';
  return new DialError(kind, failures.map(({ message }) => message).join(', '));
}

/** The addresses of a proxy; those that the local address cannot reach are left out when there are others. */
async function addressesOf(
  { server }: ProxyRoute,
  localAddress: string | undefined,
  resolver: Pick<Resolver, 'a' | 'aaaa'>,
): Promise<string[]> {
  if (isIpAddress(server.address)) return [server.address];
  const wants = (family: 4 | 6): boolean => localAddress === undefined || familyOf(localAddress) === family;
  const answers = await Promise.allSettled([
    ...(wants(4) ? [resolver.a(server.address)] : []),
    ...(wants(6) ? [resolver.aaaa(server.address)] : []),
  ]);
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.records : []));
  if (found.length > 0) return found.slice(0, MAX_ADDRESSES);
  const failure = answers.find((answer) => answer.status === 'rejected');
  throw proxyError(server, (failure?.reason as Error | undefined)?.message ?? 'the name has no address');
}

interface Patience {
  /** Milliseconds until the proxy must have bound its address. */
  share: number;
  /** When the connection must be there; monotonic ms. */
  deadline: number;
}

async function throughAddress(
  target: DialTarget,
  route: ProxyRoute,
  address: string,
  patience: Patience,
): Promise<Transport> {
  const server: Endpoint = { address, port: route.server.port };
  const began = performance.now();
  const { localAddress } = target;
  let socket: Socket;
  try {
    socket = await openSocket({ address, port: server.port, localAddress, timeout: patience.share });
  } catch (error) {
    const { kind, message } = error as DialError;
    const isOurs = kind === 'unplumbed' || kind === 'family' || kind === 'shortage';
    throw isOurs ? error : proxyError(server, message);
  }
  const remote: Endpoint = { address: target.address, port: target.port };
  const proxy = { protocol: route.protocol, server };
  if (route.protocol === 'haproxy') {
    const local = { address: route.source, port: 0 };
    const transport = new SocketTransport(socket, { remote, local, proxy });
    transport.write(formatProxyHeader({ source: local, destination: remote }, route.headerVersion ?? 2));
    return transport;
  }
  const share = patience.share - (performance.now() - began);
  const { source, rest } = await converse(socket, { ...route, server }, remote, { ...patience, share });
  // The handler of whoever gets the transport hears first what came with the last answer.
  if (rest.length > 0) socket.unshift(rest);
  const transport = new SocketTransport(socket, { remote, local: source, proxy });
  socket.resume();
  return transport;
}

type Connected = Extract<Socks5Step, { kind: 'connected' }>;

/** Asks a SOCKS5 proxy for the connection. The socket is paused when it is there, and destroyed when it is not. */
function converse(
  socket: Socket,
  { server, source, credentials }: ProxyRoute,
  destination: Endpoint,
  { share, deadline }: Patience,
): Promise<Connected> {
  return new Promise((resolve, reject) => {
    const client = new Socks5Client({ source, destination, credentials });
    const fail = (kind: DialFailureKind, text: string, phase = client.phase): void => {
      settled();
      socket.on('error', () => {});
      socket.destroy();
      const step = { method: '', auth: '', bind: `BIND ${source}: `, connect: 'CONNECT: ', over: '' }[phase];
      reject(proxyError(server, step + text, kind));
    };
    const late = (): void => fail(client.phase === 'connect' ? 'timeout' : 'proxy', 'no answer in time');
    let timer = setTimeout(late, Math.min(share, 2 ** 31 - 1));
    const onError = (error: Error): void => fail('proxy', error.message);
    const onClose = (): void => fail('proxy', 'the proxy closed the connection');
    const onData = (octets: Buffer): void => {
      const { phase } = client;
      const step = client.take(octets);
      if (step.kind === 'send') socket.write(step.octets);
      else if (step.kind === 'failed') fail(kindOf(step), step.text, step.phase);
      else if (step.kind === 'connected') {
        settled();
        socket.pause();
        resolve(step);
      }
      if (phase === 'bind' && client.phase === 'connect') {
        // From here on it is the destination that is waited for.
        clearTimeout(timer);
        timer = setTimeout(late, Math.min(deadline - performance.now(), 2 ** 31 - 1));
      }
    };
    const settled = (): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('end', onClose).off('close', onClose);
    };
    socket.on('data', onData).on('error', onError).on('end', onClose).on('close', onClose);
    socket.write(client.greeting());
  });
}

/** What a refusal says of the proxy, its address, or the destination. */
function kindOf({ phase, code }: Extract<Socks5Step, { kind: 'failed' }>): DialFailureKind {
  // A proxy that does not know BIND (7) is none that could be used.
  if (phase === 'bind') return code === undefined || code === 7 ? 'proxy' : 'proxy-unplumbed';
  if (phase !== 'connect' || code === undefined || code === 7) return 'proxy';
  if (code === 3 || code === 4) return 'unreachable';
  if (code === 5) return 'refused';
  return code === 6 ? 'timeout' : 'failed';
}

function proxyError(server: Endpoint, text: string, kind: DialFailureKind = 'proxy'): DialError {
  return new DialError(kind, `proxy ${formatHostPort(server.address, server.port)}: ${text}`);
}

async function within<T>(timeout: number, work: Promise<T>, { server }: ProxyRoute): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(proxyError(server, 'its name was not looked up in time'));
    const timer = setTimeout(late, Math.min(timeout, 2 ** 31 - 1));
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
