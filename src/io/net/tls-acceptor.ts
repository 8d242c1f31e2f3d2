import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { TlsIdentity } from '../../model/index.ts';

interface Handshake {
  done: (socket: TLSSocket) => void;
}

/**
 * The server side of TLS handshakes over connections that are there already. A tls.Server that does not listen: it
 * keeps the keys, the session tickets and the rule about client certificates, which a bare TLSSocket does not know.
 */
class TlsAcceptor {
  readonly #server: Server;
  readonly #running = new Map<string, Handshake>();

  constructor(identity: TlsIdentity) {
    this.#server = createServer(
      {
        cert: identity.certificate,
        key: identity.privateKey,
        ...(identity.clientCa !== undefined && {
          ca: identity.clientCa,
          requestCert: true,
          rejectUnauthorized: true,
        }),
      },
      (secured) => {
        const handshake = this.#running.get(nameOf(secured));
        if (handshake === undefined) secured.destroy();
        else handshake.done(secured);
      },
    );
    // Whatever went wrong closes the connection, which is what the handshake looks at.
    this.#server.on('tlsClientError', () => {});
  }

  /** Rejects when the handshake fails or takes longer than `timeout` ms; the connection is closed then. */
  accept(plain: Socket, timeout: number): Promise<TLSSocket> {
    const name = nameOf(plain);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => plain.destroy(), Math.min(timeout, 2 ** 31 - 1));
      const end = (): void => {
        clearTimeout(timer);
        this.#running.delete(name);
        plain.removeListener('close', closed);
      };
      const closed = (): void => {
        end();
        reject(new Error('the TLS handshake failed'));
      };
      const done = (secured: TLSSocket): void => {
        end();
        resolve(secured);
      };
      this.#running.set(name, { done });
      plain.once('close', closed);
      this.#server.emit('connection', plain);
    });
  }
}

/** The four numbers that tell a connection from all others. */
function nameOf(socket: Socket): string {
  return `${socket.localAddress} ${socket.localPort} ${socket.remoteAddress} ${socket.remotePort}`;
}

const ACCEPTORS = new WeakMap<TlsIdentity, TlsAcceptor>();

/** Made once per identity. Throws when certificate and key cannot be read or do not belong together. */
export function acceptorOf(identity: TlsIdentity): TlsAcceptor {
  let acceptor = ACCEPTORS.get(identity);
  if (acceptor === undefined) {
    acceptor = new TlsAcceptor(identity);
    ACCEPTORS.set(identity, acceptor);
  }
  return acceptor;
}

/** Throws when TLS cannot be served with it. */
export function checkIdentity(identity: TlsIdentity): void {
  acceptorOf(identity);
}
