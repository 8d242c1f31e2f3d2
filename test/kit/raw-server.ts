import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Issued } from './certificates.ts';

/** What to do with one connection; the socket is destroyed when it ends or throws. */
export type RawScript = (peer: RawPeer) => Promise<void>;

/** The peer has gone while something was awaited of it. */
export class PeerGone extends Error {}

/** The server's end of one connection, octet by octet. */
export class RawPeer {
  #socket: Socket;
  readonly #server: RawServer;
  #input = '';
  #gone = false;
  /** We have ended it: what is still to be read does not count. */
  #left = false;
  #wake: () => void = () => {};

  constructor(socket: Socket, server: RawServer) {
    this.#socket = socket;
    this.#server = server;
    this.#listen(socket);
  }

  #listen(socket: Socket): void {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#input += text;
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#gone = true;
      this.#wake();
    });
  }

  /** The next line without its CRLF. Rejects with PeerGone when there will be none. */
  async line(): Promise<string> {
    const end = await this.#find('\r\n');
    const line = this.#input.slice(0, end);
    this.#input = this.#input.slice(end + 2);
    return line;
  }

  /** What comes after a 354, up to the dot. */
  async body(): Promise<string> {
    const end = await this.#find('\r\n.\r\n');
    const body = this.#input.slice(0, end + 2);
    this.#input = this.#input.slice(end + 5);
    this.#server.bodies.push(body);
    return body;
  }

  /** Waits until something has come that was not read yet. */
  async something(): Promise<void> {
    while (this.#input === '') await this.#more();
  }

  async #find(text: string): Promise<number> {
    for (;;) {
      if (this.#left) throw new PeerGone();
      const at = this.#input.indexOf(text);
      if (at >= 0) return at;
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    if (this.#gone || this.#left) throw new PeerGone();
    await new Promise<void>((wake) => {
      this.#wake = wake;
    });
  }

  /** Writes the octets as they are. Resolves when the peer keeps up. Rejects with PeerGone when it has left. */
  async write(octets: string | Buffer): Promise<void> {
    if (this.#gone) throw new PeerGone();
    if (this.#socket.write(octets)) return;
    await Promise.race([once(this.#socket, 'drain'), this.closed()]).catch(() => {});
  }

  say(...lines: string[]): Promise<void> {
    return this.write(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** One octet at a time. */
  async drip(octets: string, every: number): Promise<void> {
    for (const octet of octets) {
      await this.write(octet);
      await new Promise((done) => setTimeout(done, every));
    }
  }

  /** Says nothing more until the peer leaves. */
  async closed(): Promise<void> {
    if (!this.#gone) await once(this.#socket, 'close');
  }

  /** Reads nothing more, so that what the peer sends stays with it. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** An orderly end. */
  close(): void {
    this.#left = true;
    this.#socket.end();
  }

  /** An RST. */
  reset(): void {
    this.#left = true;
    this.#socket.resetAndDestroy();
  }

  /** The TLS handshake; gives the plain socket below. Rejects when it fails. */
  async secure({ key, cert }: Issued): Promise<Socket> {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const secured = new TLSSocket(plain, { isServer: true, key, cert });
    this.#input = '';
    this.#socket = secured;
    this.#listen(secured);
    await once(secured, 'secure');
    return plain;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

const servers = new Set<RawServer>();

/** A server that says on the wire exactly what a script says, SMTP or not. */
export class RawServer {
  readonly port: number;
  /** What came after each 354, up to its dot. */
  readonly bodies: string[] = [];
  connections = 0;
  openNow = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(script: RawScript): Promise<RawServer> {
    const listening = createServer();
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const server = new RawServer(listening);
    listening.on('connection', (socket) => void server.#accept(socket, script));
    servers.add(server);
    return server;
  }

  /** Stops every server that was started; for afterEach and afterAll. */
  static stopAll(): void {
    for (const server of servers) server.stop();
    servers.clear();
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #accept(socket: Socket, script: RawScript): Promise<void> {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    this.connections++;
    this.openNow++;
    socket.on('close', () => {
      this.openNow--;
      this.#sockets.delete(socket);
    });
    const peer = new RawPeer(socket, this);
    try {
      await script(peer);
    } catch {
      // The peer left, or its handshake failed, which is what many scripts wait for.
    }
    peer.destroy();
  }
}

/** What to do at one step of a conversation in place of the usual answer. */
export type RawAction = (peer: RawPeer) => Promise<void> | void;

/** Steps: the first connection is `CONNECT`, commands are their verb, `BODY` what comes after 354, `.` its end. */
export interface PoliteOptions {
  at?: Record<string, RawAction>;
  offers?: string[];
}

/** A server that takes everything, but does as `at` says at the steps named there. */
export function polite({ at = {}, offers = [] }: PoliteOptions = {}): RawScript {
  return async (peer) => {
    const answer = async (step: string, ...lines: string[]): Promise<boolean> => {
      const action = at[step];
      if (action === undefined) await peer.say(...lines);
      else await action(peer);
      return action === undefined;
    };
    await answer('CONNECT', '220 raw.test ESMTP');
    for (;;) {
      const line = await peer.line();
      const verb = line.split(' ')[0]!.toUpperCase();
      if (verb === 'EHLO' || verb === 'LHLO') {
        const lines = ['raw.test', ...offers];
        await answer(
          verb,
          ...lines.map((text, index) => `250${index < lines.length - 1 ? '-' : ' '}${text}`),
        );
      } else if (verb === 'DATA') {
        if (!(await answer(verb, '354 go on'))) continue;
        if (at.BODY !== undefined) await at.BODY(peer);
        await peer.body();
        await answer('.', '250 2.0.0 taken');
      } else if (verb === 'QUIT') {
        await answer(verb, '221 bye');
        return;
      } else await answer(verb, '250 2.0.0 fine');
    }
  };
}
