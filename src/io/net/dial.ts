import { connect, type Socket } from 'node:net';
import type { Endpoint, ProxyHop, Transport } from '../../model/index.ts';
import { SocketTransport } from './socket-transport.ts';

/**
 * Why no connection came about. `unplumbed`: the local address is not one of this machine. `refused`: nobody
 * listens there. `timeout`: no answer in time. `unreachable`: no route to it. `family`: the local address and the
 * remote one are not both IPv4 or both IPv6. `proxy`: the proxy cannot be reached or does not do its work;
 * `proxy-unplumbed`: it does not send from the address that it was told. `shortage`: this machine has no descriptor or
 * port left for a connection. `failed`: anything else.
 */
export type DialFailureKind =
  | 'unplumbed'
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'family'
  | 'proxy'
  | 'proxy-unplumbed'
  | 'shortage'
  | 'failed';

export class DialError extends Error {
  readonly kind: DialFailureKind;
  constructor(kind: DialFailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface DialTarget {
  /** IP address; names are not looked up here. */
  address: string;
  port: number;
  /** Address of this machine to connect from; the system's choice when absent. */
  localAddress?: string | undefined;
  /** Milliseconds, for everything up to the connection with the target. */
  timeout: number;
  /** Through whom; directly when absent. */
  proxy?: ProxyRoute | undefined;
}

export interface ProxyRoute extends ProxyHop {
  /** IP address or host name. */
  server: Endpoint;
  /** IP address that the proxy connects from. */
  source: string;
  /** RFC 1929, for SOCKS5. */
  credentials?: { username: string; password: string } | undefined;
  /** Of the PROXY header; default 2. */
  headerVersion?: 1 | 2;
}

export type Dial = (target: DialTarget) => Promise<Transport>;

/** Opens a TCP connection, without regard to `proxy`. Rejects with DialError. */
export const dial: Dial = async (target) => new SocketTransport(await openSocket(target));

/** A connected socket that nobody hears yet; what is done with it must follow in the same turn. */
export async function openSocket({ address, port, localAddress, timeout }: DialTarget): Promise<Socket> {
  if (localAddress !== undefined) requireSameFamily('source_address', localAddress, address);
  return new Promise((resolve, reject) => {
    let socket: Socket;
    try {
      socket = connect({ host: address, port, localAddress, allowHalfOpen: false });
    } catch (error) {
      const kind = isShortage(error as NodeJS.ErrnoException) ? 'shortage' : 'failed';
      reject(new DialError(kind, (error as Error).message));
      return;
    }
    const timer = setTimeout(
      () => {
        socket.destroy();
        reject(new DialError('timeout', `no answer within ${timeout / 1000}s`));
      },
      Math.min(timeout, 2 ** 31 - 1),
    );
    const failed = (error: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new DialError(failureKind(error, localAddress !== undefined), error.message));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      // The transport has its own listener from here on; between the two nothing can happen.
      socket.removeListener('error', failed);
      resolve(socket);
    });
  });
}

/** IPv4 does not reach IPv6, nor the other way round. Throws DialError; `option` names what `source` is from. */
export function requireSameFamily(option: string, source: string, target: string): void {
  const [ours, theirs] = [familyOf(source), familyOf(target)];
  if (ours === theirs) return;
  throw new DialError('family', `${option} ${source} is IPv${ours} and cannot reach IPv${theirs}`);
}

/** By how it is written: an IPv4 address mapped into IPv6 is one of an IPv6 socket. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function failureKind(error: NodeJS.ErrnoException, bound: boolean): DialFailureKind {
  if (isShortage(error)) return 'shortage';
  switch (error.code) {
    case 'EADDRNOTAVAIL':
      // Without a local address it means that no free port was left.
      return bound ? 'unplumbed' : 'shortage';
    case 'ECONNREFUSED':
      return 'refused';
    case 'ETIMEDOUT':
      return 'timeout';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'unreachable';
    default:
      return 'failed';
  }
}

/** Nothing is wrong with the target: there is no more of something here. */
function isShortage({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOBUFS' || code === 'ENOMEM';
}
