import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Transport } from '../../model/index.ts';
import { SocketTransport } from './socket-transport.ts';

export interface ListenOptions {
  /** IP address; '::' is every address of both families. */
  address: string;
  /** 0 lets the system choose. */
  port: number;
  /** Lets other threads listen on the same port and share its connections. Default false. */
  reusePort?: boolean;
  /** Connections that may wait to be accepted. Default 511. */
  backlog?: number;
}

export interface Listening {
  readonly address: string;
  /** The port that is bound, also when 0 was asked for. */
  readonly port: number;
  /** Accepts no more. What was accepted lives on. */
  close(): Promise<void>;
}

/** The port cannot be had; the message names it and says why. */
export class ListenError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Listens on TCP. Connections are half-open on purpose: a client may send all its commands and close its side
 * before it reads the replies. Rejects with ListenError when the port cannot be had. `onAcceptError` hears of
 * connections that could not be accepted, such as for want of file descriptors.
 */
export function listen(
  options: ListenOptions,
  onTransport: (transport: Transport) => void,
  onAcceptError: (error: Error) => void = () => {},
): Promise<Listening> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // A peer that is gone already has no address any more.
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    onTransport(new SocketTransport(socket));
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(describe(error, options)));
    server.once('listening', () => {
      server.removeAllListeners('error');
      server.on('error', onAcceptError);
      resolve(new SocketListening(server));
    });
    server.listen({
      host: options.address,
      port: options.port,
      backlog: options.backlog ?? 511,
      reusePort: options.reusePort ?? false,
      exclusive: true,
    });
  });
}

class SocketListening implements Listening {
  readonly address: string;
  readonly port: number;
  readonly #server: Server;

  constructor(server: Server) {
    const bound = server.address() as AddressInfo;
    this.address = bound.address;
    this.port = bound.port;
    this.#server = server;
  }

  /** The socket is closed at once; the callback of `close` would wait for every connection to end. */
  close(): Promise<void> {
    if (this.#server.listening) this.#server.close();
    return Promise.resolve();
  }
}

function describe(error: NodeJS.ErrnoException, options: ListenOptions): ListenError {
  const code = error.code ?? 'UNKNOWN';
  const place = options.address.includes(':')
    ? `[${options.address}]:${options.port}`
    : `${options.address}:${options.port}`;
  return new ListenError(code, `cannot listen on ${place}: ${REASONS[code] ?? error.message}`);
}

const REASONS: Record<string, string> = {
  EADDRINUSE: 'another process listens there',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'permission denied (ports below 1024 need privileges)',
};
