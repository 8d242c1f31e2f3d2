import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type {
  Endpoint,
  ProxyHop,
  TlsClientOptions,
  TlsInfo,
  TlsServerOptions,
  Transport,
  TransportHandler,
} from '../../model/index.ts';
import { acceptorOf } from './tls-acceptor.ts';
import { connectorOf, subjectOf } from './tls-connector.ts';

/** The ends of a connection that goes through a proxy. */
export interface ProxiedEnds {
  remote: Endpoint;
  local: Endpoint;
  proxy: ProxyHop;
}

/** A TCP socket, in plain text or after a TLS handshake. */
export class SocketTransport implements Transport {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly proxy: ProxyHop | undefined;
  #socket: Socket | TLSSocket;
  #handler: TransportHandler | undefined;
  #early: Buffer[] = [];
  #closed = false;

  /** `proxied`: what both ends are, when the socket only leads to a proxy. */
  constructor(socket: Socket, proxied?: ProxiedEnds) {
    this.#socket = socket;
    this.remote = proxied?.remote ?? {
      address: unmapped(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    };
    this.local = proxied?.local ?? {
      address: unmapped(socket.localAddress ?? ''),
      port: socket.localPort ?? 0,
    };
    this.proxy = proxied?.proxy;
    socket.setNoDelay(true);
    this.#attach(socket);
  }

  receive(handler: TransportHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) handler.data(chunk);
  }

  write(chunk: Buffer | string): boolean {
    return this.#socket.write(chunk);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async secure(options: TlsClientOptions): Promise<TlsInfo> {
    const plain = this.#detached();
    try {
      const secured = await connectorOf(options.settings).secure(plain, options);
      const { socket, subject, resumed, verified } = secured;
      this.#socket = socket;
      this.#attach(socket);
      return { ...describe(socket, subject), resumed, verified };
    } catch (error) {
      plain.destroy();
      this.#gone(error as Error);
      throw error;
    }
  }

  async secureAsServer(options: TlsServerOptions): Promise<TlsInfo> {
    const plain = this.#detached();
    try {
      const secured = await acceptorOf(options.identity).accept(plain, options.timeout);
      this.#socket = secured;
      this.#attach(secured);
      return inRustlsNames(describe(secured, subjectOf(secured)));
    } catch (error) {
      plain.destroy();
      this.#gone(error as Error);
      throw error;
    }
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The plain socket, heard by nobody; what it said before TLS is forgotten (CVE-2011-0411). */
  #detached(): Socket {
    const plain = this.#socket;
    this.#early = [];
    for (const event of ['data', 'end', 'close', 'error']) plain.removeAllListeners(event);
    plain.on('error', () => {});
    return plain;
  }

  #attach(socket: Socket): void {
    let failure: Error | undefined;
    socket.on('data', (chunk: Buffer) => {
      if (this.#handler === undefined) this.#early.push(chunk);
      else this.#handler.data(chunk);
    });
    socket.on('end', () => this.#handler?.end());
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => this.#gone(failure));
  }

  #gone(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handler?.closed(error);
  }
}

function describe(socket: TLSSocket, peerSubjectName: string[]): TlsInfo {
  return {
    cipher: socket.getCipher().standardName,
    protocolVersion: socket.getProtocol() ?? '',
    peerSubjectName,
  };
}

function inRustlsNames({ cipher, protocolVersion, peerSubjectName }: TlsInfo): TlsInfo {
  return {
    cipher: protocolVersion === 'TLSv1.3' ? cipher.replace(/^TLS_/, 'TLS13_') : cipher,
    protocolVersion: protocolVersion.replace('.', '_'),
    peerSubjectName,
  };
}

/** A dual-stack socket shows IPv4 peers as ::ffff:1.2.3.4; everything else in the house wants 1.2.3.4. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
