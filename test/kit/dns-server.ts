import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  AUTHENTIC_DATA,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  type ResourceRecord,
  TRUNCATED_RESPONSE,
} from 'dns-packet';

export interface DnsQuery {
  question: Question;
  /** As it was sent. */
  packet: Packet;
  transport: 'udp' | 'tcp';
}

/** What to answer. `packet` changes anything else, such as the id or the question. */
export interface DnsReply {
  rcode?: 'NOERROR' | 'FORMERR' | 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED';
  answers?: ResourceRecord[];
  authorities?: ResourceRecord[];
  additionals?: ResourceRecord[];
  authentic?: boolean;
  truncated?: boolean;
  packet?: Partial<Packet>;
  /** Sent from another port than the one that was asked. */
  elsewhere?: boolean;
  /** These bytes after the id instead of a packet. */
  raw?: Buffer;
}

/** Several replies are sent one after the other; none at all is a server that keeps silent. */
export type DnsScript = (query: DnsQuery) => DnsReply | DnsReply[] | undefined;

const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };

/** A DNS server on a port of the loopback, UDP and TCP, that answers by script and remembers what it was asked. */
export class FakeDnsServer {
  readonly queries: DnsQuery[] = [];
  script: DnsScript;
  readonly #udp: UdpSocket;
  /** For replies that come from elsewhere. */
  readonly #other: UdpSocket;
  readonly #tcp: Server;
  #stopped = false;
  readonly #connections = new Set<Socket>();
  readonly #waiters: { count: number; resolve: () => void }[] = [];

  static async start(script: DnsScript): Promise<FakeDnsServer> {
    for (;;) {
      const server = new FakeDnsServer(script);
      if (await server.#listen()) return server;
      await server.stop();
    }
  }

  private constructor(script: DnsScript) {
    this.script = script;
    this.#udp = createSocket('udp4');
    this.#other = createSocket('udp4');
    this.#tcp = createServer((socket) => this.#accept(socket));
    this.#udp.on('message', (bytes, from) => this.#datagram(bytes, from));
  }

  get port(): number {
    return this.#udp.address().port;
  }

  /** Resolves when it has been asked `count` times in all. */
  asked(count: number): Promise<void> {
    if (this.queries.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ count, resolve }));
  }

  /** The second call does nothing. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const socket of this.#connections) socket.destroy();
    await new Promise<void>((resolve) => this.#udp.close(resolve));
    await new Promise<void>((resolve) => this.#other.close(resolve));
    if (this.#tcp.listening) await new Promise((resolve) => this.#tcp.close(resolve));
  }

  /** UDP picks the port; false when TCP does not get the same. */
  async #listen(): Promise<boolean> {
    this.#udp.bind(0, '127.0.0.1');
    await once(this.#udp, 'listening');
    return new Promise((resolve) => {
      this.#tcp.once('error', () => resolve(false));
      this.#tcp.listen(this.port, '127.0.0.1', () => resolve(true));
    });
  }

  #datagram(bytes: Buffer, from: RemoteInfo): void {
    for (const { bytes: reply, elsewhere } of this.#replies(bytes, 'udp')) {
      (elsewhere ? this.#other : this.#udp).send(reply, from.port, from.address);
    }
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      for (const { bytes: reply } of this.#replies(bytes.subarray(2), 'tcp')) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        // In pieces, as a network may deliver them.
        socket.write(length.subarray(0, 1));
        socket.write(Buffer.concat([length.subarray(1), reply]));
      }
    });
  }

  #replies(bytes: Buffer, transport: 'udp' | 'tcp'): { bytes: Buffer; elsewhere: boolean }[] {
    const packet = decode(bytes);
    const query = { question: packet.questions[0]!, packet, transport };
    this.queries.push(query);
    const scripted = this.script(query) ?? [];
    for (const waiter of this.#waiters) if (this.queries.length >= waiter.count) waiter.resolve();
    return (Array.isArray(scripted) ? scripted : [scripted]).map((reply) => ({
      bytes: encoded(query, reply),
      elsewhere: reply.elsewhere ?? false,
    }));
  }
}

function encoded(query: DnsQuery, reply: DnsReply): Buffer {
  if (reply.raw !== undefined) {
    const id = Buffer.alloc(2);
    id.writeUInt16BE(query.packet.id);
    return Buffer.concat([id, reply.raw]);
  }
  return encode({
    id: query.packet.id,
    type: 'response',
    flags:
      RECURSION_AVAILABLE |
      RCODES[reply.rcode ?? 'NOERROR'] |
      (reply.authentic ? AUTHENTIC_DATA : 0) |
      (reply.truncated ? TRUNCATED_RESPONSE : 0),
    questions: [query.question],
    answers: reply.answers ?? [],
    authorities: reply.authorities ?? [],
    additionals: reply.additionals ?? [],
    ...reply.packet,
  });
}
