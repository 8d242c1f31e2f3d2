import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { formatIpOctets, ipOctets } from '../../src/protocol/ip/index.ts';

export interface SocksServerOptions {
  /** Default 127.0.0.1. */
  listen?: string;
  /** Wants these (RFC 1929). */
  credentials?: { username: string; password: string };
  /** Addresses that may be bound; default any. */
  plumbed?: readonly string[];
}

export interface ConnectionThroughProxy {
  source: string;
  destination: string;
}

/** Octets of a connection, as they are asked for. */
class Octets {
  readonly #iterator: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#iterator = socket[Symbol.asyncIterator]();
  }

  async take(count: number): Promise<Buffer> {
    while (this.#held.length < count) {
      const { value, done } = await this.#iterator.next();
      if (done === true) throw new Error('the client has gone');
      this.#held = Buffer.concat([this.#held, value]);
    }
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  /** Everything that comes from here on. */
  async *rest(): AsyncIterable<Buffer> {
    if (this.#held.length > 0) yield this.#held;
    for (;;) {
      const { value, done } = await this.#iterator.next();
      if (done === true) return;
      yield value;
    }
  }
}

/** A SOCKS5 proxy that connects from the address of an earlier BIND on the same connection. */
export class SocksServer {
  readonly #server: Server;
  readonly #options: SocksServerOptions;
  readonly #sockets = new Set<Socket>();
  /** Of each connection that was made. */
  readonly connections: ConnectionThroughProxy[] = [];
  /** Connections of clients, also those that came to nothing. */
  clients = 0;
  port = 0;

  private constructor(options: SocksServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.clients++;
      this.#track(socket);
      this.#serve(socket).catch(() => socket.destroy());
    });
  }

  static async start(options: SocksServerOptions = {}): Promise<SocksServer> {
    const server = new SocksServer(options);
    server.#server.listen(0, options.listen ?? '127.0.0.1');
    await once(server.#server, 'listening');
    server.port = (server.#server.address() as AddressInfo).port;
    return server;
  }

  /** `HOST:PORT`, for socks5_proxy_server. */
  get server(): string {
    return `${this.#options.listen ?? '127.0.0.1'}:${this.port}`;
  }

  /** Dies with all that goes through it. Its port refuses from then on. */
  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async #serve(socket: Socket): Promise<void> {
    const octets = new Octets(socket);
    if (!(await this.#greet(socket, octets))) return void socket.end();
    let source: string | undefined;
    for (;;) {
      const { command, address, port } = await request(octets);
      if (command === 2) {
        if (this.#options.plumbed?.includes(address) === false) return void socket.end(reply(1, address, 0));
        source = address;
        socket.write(reply(0, address, 0));
      } else if (command === 1) {
        return this.#relay(socket, octets, { source, address, port });
      } else return void socket.end(reply(7, address, 0));
    }
  }

  async #greet(socket: Socket, octets: Octets): Promise<boolean> {
    const [, count] = await octets.take(2);
    const methods = await octets.take(count!);
    const { credentials } = this.#options;
    const method = credentials === undefined ? 0 : 2;
    if (!methods.includes(method)) return socket.write(Buffer.from([5, 0xff])) && false;
    socket.write(Buffer.from([5, method]));
    if (credentials === undefined) return true;
    const [, userLength] = await octets.take(2);
    const username = String(await octets.take(userLength!));
    const [length] = await octets.take(1);
    const password = String(await octets.take(length!));
    const isRight = username === credentials.username && password === credentials.password;
    socket.write(Buffer.from([1, isRight ? 0 : 1]));
    return isRight;
  }

  async #relay(
    socket: Socket,
    octets: Octets,
    { source, address, port }: { source: string | undefined; address: string; port: number },
  ): Promise<void> {
    const upstream = connect({ host: address, port, localAddress: source });
    this.#track(upstream);
    try {
      await once(upstream, 'connect');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 5 : 4;
      return void socket.end(reply(code, address, 0));
    }
    this.connections.push({ source: source ?? '', destination: `${address}:${port}` });
    socket.write(reply(0, upstream.localAddress!, upstream.localPort!));
    upstream.on('close', () => socket.destroy());
    upstream.on('data', (chunk) => socket.write(chunk));
    for await (const chunk of octets.rest()) upstream.write(chunk);
    upstream.end();
  }
}

async function request(octets: Octets): Promise<{ command: number; address: string; port: number }> {
  const head = await octets.take(4);
  const address = formatIpOctets(await octets.take(head[3] === 1 ? 4 : 16));
  return { command: head[1]!, address, port: (await octets.take(2)).readUInt16BE(0) };
}

function reply(code: number, address: string, port: number): Buffer {
  const bound = ipOctets(address);
  const type = bound.length === 4 ? 1 : 4;
  return Buffer.concat([Buffer.from([5, code, 0, type]), bound, Buffer.from([port >> 8, port & 0xff])]);
}
