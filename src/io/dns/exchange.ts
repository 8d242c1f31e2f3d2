import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { AUTHENTIC_DATA, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet';
import { type Clock, DnsError } from '../../model/index.ts';
import type { RecordType } from './record-resolver.ts';
import type { NameServer } from './resolv-conf.ts';
import { sameName } from './response.ts';

/** One question to one server. */
export interface Inquiry {
  name: string;
  type: RecordType;
  server: NameServer;
  /** Milliseconds for the whole, TCP included. */
  timeout: number;
  edns: boolean;
  recursionDesired: boolean;
  caseRandomization: boolean;
  tcpOnError: boolean;
}

/** A question as it was sent. */
export interface Query {
  id: number;
  /** With the letter case that was sent. */
  name: string;
  type: RecordType;
  exactCase: boolean;
  bytes: Buffer;
}

/** The DNS flag day 2020 size: fits the usual path without fragments. */
const PAYLOAD_SIZE = 1232;

/**
 * Asks over UDP, and over TCP when the answer was cut short. What does not answer the question that was asked (id,
 * name, type) is ignored. Rejects with DnsError 'timeout', 'refused' (nobody listens) or 'malformed'.
 */
export async function inquire(inquiry: Inquiry, clock: Clock): Promise<Packet> {
  const started = clock.monotonic();
  const query = makeQuery(inquiry);
  const left = (): number => Math.max(1, inquiry.timeout - (clock.monotonic() - started));
  if (inquiry.server.protocol === 'tcp') return overTcp(query, inquiry.server, left(), clock);
  let packet: Packet;
  try {
    packet = await overUdp(query, inquiry.server, left(), clock);
  } catch (error) {
    if (!inquiry.tcpOnError || inquiry.server.protocol === 'udp') throw error;
    return overTcp(query, inquiry.server, inquiry.timeout, clock);
  }
  if (!packet.flag_tc) return packet;
  if (inquiry.server.protocol === 'udp') throw new DnsError('malformed', 'the answer is cut short');
  return overTcp(query, inquiry.server, left(), clock);
}

function makeQuery(inquiry: Inquiry): Query {
  const id = randomBytes(2).readUInt16BE();
  const name = inquiry.caseRandomization ? shuffledCase(inquiry.name) : inquiry.name;
  const bytes = encode({
    id,
    type: 'query',
    // RFC 6840 §5.7: AD in a query asks for AD in the answer.
    flags: (inquiry.recursionDesired ? RECURSION_DESIRED : 0) | AUTHENTIC_DATA,
    questions: [{ name, type: inquiry.type, class: 'IN' }],
    additionals: inquiry.edns ? [{ name: '.', type: 'OPT', udpPayloadSize: PAYLOAD_SIZE, flags: 0 }] : [],
  });
  return { id, name, type: inquiry.type, exactCase: inquiry.caseRandomization, bytes };
}

function shuffledCase(name: string): string {
  const bits = randomBytes(name.length);
  return [...name].map((char, n) => (bits[n]! & 1 ? char.toUpperCase() : char)).join('');
}

/** The packet if it answers the query; undefined for anybody else's. Throws when ours makes no sense. */
export function answerTo(query: Query, bytes: Buffer): Packet | undefined {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== query.id || (bytes[2]! & 0x80) === 0) return undefined;
  let packet: Packet;
  try {
    packet = decode(bytes);
  } catch (error) {
    // A truncated answer may end in the middle of a record; TCP has the whole.
    if ((bytes[2]! & 0x02) !== 0) return { flag_tc: true } as Packet;
    throw new DnsError('malformed', `the answer cannot be decoded: ${(error as Error).message}`);
  }
  const [question] = packet.questions;
  if (question === undefined || packet.questions.length !== 1) {
    // Some servers leave the question out when they refuse.
    return packet.questions.length === 0 && packet.rcode !== 'NOERROR' ? packet : undefined;
  }
  const sameQuestion = query.exactCase ? question.name === query.name : sameName(question.name, query.name);
  return sameQuestion && question.type === query.type && question.class === 'IN' ? packet : undefined;
}

/** A socket of its own per query: the system picks a random port, and drops what others than the server send. */
function overUdp(query: Query, server: NameServer, timeout: number, clock: Clock): Promise<Packet> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
    const settle = (outcome: Packet | Error): void => {
      timer.cancel();
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.close();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const timer = clock.after(timeout, () => settle(timedOut(server)));
    socket.on('error', (error) => settle(unreachable(server, error)));
    socket.on('message', (bytes) => {
      try {
        const packet = answerTo(query, bytes);
        if (packet !== undefined) settle(packet);
      } catch (error) {
        settle(error as Error);
      }
    });
    // dgram hands a failure to connect to this callback, though its types do not say so.
    const connected = (error?: Error | null): void => {
      if (error) settle(unreachable(server, error));
      else socket.send(query.bytes);
    };
    const ask = (): void => socket.connect(server.port, server.address, connected);
    if (server.bindAddress === undefined) ask();
    else socket.bind({ address: server.bindAddress }, ask);
  });
}

/** RFC 7766: a two-octet length before each message. */
function overTcp(query: Query, server: NameServer, timeout: number, clock: Clock): Promise<Packet> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.address, port: server.port, localAddress: server.bindAddress });
    let received: Buffer = Buffer.alloc(0);
    const settle = (outcome: Packet | Error): void => {
      timer.cancel();
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.destroy();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const timer = clock.after(timeout, () => settle(timedOut(server)));
    socket.on('error', (error) => settle(unreachable(server, error)));
    socket.on('close', () => settle(new DnsError('servfail', `${named(server)} closed the connection`)));
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.bytes.length);
      socket.write(Buffer.concat([length, query.bytes]));
    });
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      try {
        const packet = answerTo(query, received.subarray(2, 2 + received.readUInt16BE(0)));
        settle(packet ?? new DnsError('malformed', `${named(server)} answered another question`));
      } catch (error) {
        settle(error as Error);
      }
    });
  });
}

function named(server: NameServer): string {
  return server.address.includes(':')
    ? `[${server.address}]:${server.port}`
    : `${server.address}:${server.port}`;
}

function timedOut(server: NameServer): DnsError {
  return new DnsError('timeout', `no answer from ${named(server)}`);
}

function unreachable(server: NameServer, error: Error): DnsError {
  return new DnsError('refused', `cannot ask ${named(server)}: ${error.message}`);
}
