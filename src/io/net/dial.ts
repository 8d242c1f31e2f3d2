import { connect, type Socket } from 'node:net';
import type { Transport } from '../../model/index.ts';
import { SocketTransport } from './socket-transport.ts';

/**
 * Why no connection came about. `unplumbed`: the local address is not one of this machine. `refused`: nobody
 * listens there. `timeout`: no answer in time. `unreachable`: no route to it. `failed`: anything else.
 */
export type DialFailureKind = 'unplumbed' | 'refused' | 'timeout' | 'unreachable' | 'failed';

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
  /** Milliseconds. */
  timeout: number;
}

export type Dial = (target: DialTarget) => Promise<Transport>;

/** Opens a TCP connection. Rejects with DialError. */
export const dial: Dial = (target) =>
  new Promise((resolve, reject) => {
    let socket: Socket;
    try {
      socket = connect({
        host: target.address,
        port: target.port,
        localAddress: target.localAddress,
        allowHalfOpen: false,
      });
    } catch (error) {
      reject(new DialError('failed', (error as Error).message));
      return;
    }
    const timer = setTimeout(
      () => {
        socket.destroy();
        reject(new DialError('timeout', `no answer within ${target.timeout / 1000}s`));
      },
      Math.min(target.timeout, 2 ** 31 - 1),
    );
    const failed = (error: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new DialError(failureKind(error, target.localAddress !== undefined), error.message));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      // The transport has its own listener from here on; between the two nothing can happen.
      socket.removeListener('error', failed);
      resolve(new SocketTransport(socket));
    });
  });

function failureKind(error: NodeJS.ErrnoException, bound: boolean): DialFailureKind {
  switch (error.code) {
    case 'EADDRNOTAVAIL':
      // Without a local address it means that no free port was left.
      return bound ? 'unplumbed' : 'failed';
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
