import {
  type Candidate,
  type ClientTrace,
  connectSmtp,
  type PeerSecurity,
  type SmtpPathOptions,
  type SmtpSession,
} from '../../../src/flow/delivery/index.ts';
import type { TlsClientOptions, TlsInfo } from '../../../src/model/index.ts';
import { defaultEgressPathOptions } from '../../../src/model/options/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';
import { type MemoryTransport, transportPair } from '../../kit/memory-transport.ts';
import { testSecurity } from '../../kit/peer-security.ts';

/** A reply line without CRLF (`\n` between lines), 'silence', or 'hangup'. Commands come without CRLF, the dot as '.'. */
export type Answers = (command: string) => string;

/** The server's end of a conversation in memory. */
export class ScriptedServer {
  readonly commands: string[] = [];
  /** Each write of the client as it came. */
  readonly writes: string[] = [];
  readonly bodies: Buffer[] = [];
  closed = false;
  answers: Answers;
  readonly transport: MemoryTransport;
  #input = Buffer.alloc(0);
  #inData = false;
  #silent = false;

  constructor(transport: MemoryTransport, answers: Answers) {
    this.transport = transport;
    this.answers = answers;
    transport.receive({
      data: (chunk) => this.#arrived(chunk),
      end: () => {},
      closed: () => {
        this.closed = true;
      },
    });
  }

  say(answer: string): void {
    if (answer === 'hangup') this.transport.end();
    else if (answer !== 'silence') this.transport.write(`${answer.replaceAll('\n', '\r\n')}\r\n`);
  }

  #arrived(chunk: Buffer): void {
    this.writes.push(chunk.toString('latin1'));
    this.#input = Buffer.concat([this.#input, chunk]);
    for (;;) {
      if (this.#inData) {
        const end =
          this.#input.subarray(0, 3).toString() === '.\r\n' ? 0 : this.#input.indexOf('\r\n.\r\n') + 2;
        if (end === 1) return;
        this.bodies.push(this.#input.subarray(0, end));
        this.#input = this.#input.subarray(end + 3);
        this.#inData = false;
        this.#hear('.');
        continue;
      }
      const end = this.#input.indexOf('\r\n');
      if (end < 0) return;
      const line = this.#input.toString('utf8', 0, end);
      this.#input = this.#input.subarray(end + 2);
      this.#hear(line);
    }
  }

  #hear(command: string): void {
    this.commands.push(command);
    const answer = this.#silent ? 'silence' : this.answers(command);
    // Replies come in order, so after one that never comes there is none.
    if (answer === 'silence') this.#silent = true;
    if (command === 'DATA' && answer.startsWith('354')) this.#inData = true;
    this.say(answer);
  }
}

/** Answers of a server that takes everything. `offers` are the lines of its EHLO reply. */
export function accepting(...offers: string[]): Answers {
  return (command) => {
    if (command.startsWith('EHLO') || command.startsWith('LHLO')) {
      return ['mx.example greets you', ...offers]
        .map((line, index, all) => `250${index === all.length - 1 ? ' ' : '-'}${line}`)
        .join('\n');
    }
    if (command === 'DATA') return '354 go ahead';
    if (command === 'STARTTLS') return '220 2.0.0 ready';
    if (command === 'QUIT') return '221 2.0.0 bye';
    return command === '.' ? '250 2.0.0 queued as 1' : '250 2.1.0 ok';
  };
}

/** The answers of `base`, except for commands that start with a key of `special`. */
export function except(base: Answers, special: Record<string, string>): Answers {
  return (command) => {
    const key = Object.keys(special).find(
      (start) => command === start || (start !== '.' && command.startsWith(start)),
    );
    return key === undefined ? base(command) : special[key]!;
  };
}

export const everything = accepting('PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES');

export interface Conversation {
  clock: FakeClock;
  /** One for each connection, in their order. */
  servers: ScriptedServer[];
  connecting: Promise<SmtpSession>;
}

export interface ConversationOptions {
  answers?: Answers;
  banner?: string;
  path?: Partial<SmtpPathOptions>;
  secure?: (options: TlsClientOptions) => Promise<TlsInfo>;
  candidate?: Partial<Candidate>;
  clock?: FakeClock;
  trace?: ClientTrace;
  /** Default: one of this conversation's own. */
  security?: PeerSecurity;
}

/** Begins to connect to a scripted server. */
export function converse(options: ConversationOptions = {}): Conversation {
  const clock = options.clock ?? new FakeClock();
  const servers: ScriptedServer[] = [];
  const connecting = connectSmtp({
    candidate: { name: 'mx.example', address: '192.0.2.1', port: 25, ...options.candidate },
    path: { ...defaultEgressPathOptions(), enable_tls: 'Disabled', ...options.path },
    source: { name: 'unspecified', source_address: undefined },
    ehloName: 'client.example',
    clock,
    security: options.security ?? testSecurity({ clock }),
    queue: 'unspecified->mx.example@smtp_client',
    ...(options.trace !== undefined && { trace: options.trace }),
    dial: async () => {
      const { client, server } = transportPair();
      if (options.secure !== undefined) Object.assign(client, { secure: options.secure });
      const scripted = new ScriptedServer(server, options.answers ?? everything);
      servers.push(scripted);
      scripted.say(options.banner ?? '220 mx.example ESMTP');
      return client;
    },
  });
  connecting.catch(() => {});
  return { clock, servers, connecting };
}

/** A session that is ready for messages. */
export async function connected(
  options: ConversationOptions = {},
): Promise<{ session: SmtpSession; server: ScriptedServer; clock: FakeClock }> {
  const { connecting, servers, clock } = converse(options);
  const session = await connecting;
  return { session, server: servers.at(-1)!, clock };
}

export const address = (text: string): EnvelopeAddress => EnvelopeAddress.parse(text)!;

export function message(recipients: string[] = ['b@example.org'], body = 'Subject: hi\r\n\r\nhello\r\n') {
  return { sender: address('a@example.org'), recipients: recipients.map(address), body: Buffer.from(body) };
}

export { settle };
