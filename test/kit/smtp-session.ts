import { expect } from 'vitest';
import {
  type ReceivedTransaction,
  type ReceptionAnswer,
  type RejectionRecord,
  SmtpServer,
  type SmtpServerOptions,
  type SmtpServerParameters,
} from '../../src/flow/smtp-server/index.ts';
import type {
  DisconnectMode,
  MaybePromise,
  PolicyEvents,
  PolicyResult,
  TraceTap,
} from '../../src/model/index.ts';
import { reply } from '../../src/protocol/smtp/index.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { type MemoryTransport, transportPair } from './memory-transport.ts';

/** A handler for the tests: what it returns is what firing came to; nothing returned = handled, no value. */
export type TestHandler = (...args: unknown[]) => MaybePromise<PolicyResult | undefined>;

export class TablePolicy implements PolicyEvents {
  readonly handlers: Record<string, TestHandler>;
  readonly fired: string[] = [];

  constructor(handlers: Record<string, TestHandler> = {}) {
    this.handlers = handlers;
  }

  handles(event: string): boolean {
    return this.handlers[event] !== undefined;
  }

  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult> {
    this.fired.push(event);
    const result = this.handlers[event]!(...args);
    if (result instanceof Promise) return result.then((value) => value ?? { kind: 'values', values: [] });
    return result ?? { kind: 'values', values: [] };
  }
}

export function rejects(code: number, text: string, disconnect: DisconnectMode = 'If421'): PolicyResult {
  return { kind: 'reject', code, text, disconnect };
}

export function returns(...values: unknown[]): PolicyResult {
  return { kind: 'values', values };
}

export const fails: PolicyResult = { kind: 'error', message: 'policy.lua:7: attempt to index a nil value' };

export const listenerOptions: SmtpServerOptions = {
  allow_xclient: false,
  banner: 'Moonpost',
  batch_handling: 'BifurcateAlways',
  client_timeout: 60_000,
  data_processing_timeout: 300_000,
  deferred_queue: false,
  deferred_spool: false,
  hostname: 'mx.test',
  invalid_line_endings: 'Deny',
  line_length_hard_limit: 998,
  max_connections: 32_768,
  max_message_size: 20_971_520,
  max_messages_per_connection: 10_000,
  max_recipients_per_message: 1024,
  meta: {},
  peer: undefined,
  relay_hosts: ['127.0.0.1', '::1'],
  require_proxy_protocol: false,
  tls_certificate: undefined,
  tls_private_key: undefined,
  tls_required_client_ca: undefined,
  trace_headers: {
    received_header: true,
    supplemental_header: true,
    header_name: 'X-KumoRef',
    include_meta_names: [],
  },
  via: undefined,
};

export interface SmtpSessionSetup {
  options?: Partial<SmtpServerOptions>;
  policy?: Record<string, TestHandler>;
  /** In place of `policy`. */
  events?: PolicyEvents;
  clock?: FakeClock;
  relays?: boolean;
  offersTls?: boolean;
  refusal?: () => string | undefined;
  receive?: (transaction: ReceivedTransaction) => MaybePromise<ReceptionAnswer>;
  trace?: TraceTap;
}

/** A server on a fake clock whose reception only remembers. */
export class TestServer {
  readonly clock: FakeClock;
  readonly received: ReceivedTransaction[] = [];
  readonly rejections: RejectionRecord[] = [];
  readonly complaints: string[] = [];
  readonly policy: TablePolicy;
  readonly server: SmtpServer;
  readonly parameters: SmtpServerParameters;
  #ids = 0;
  #accepted = 0;

  constructor(setup: SmtpSessionSetup = {}) {
    this.clock = setup.clock ?? new FakeClock();
    this.policy = new TablePolicy(setup.policy);
    this.parameters = {
      options: {
        ...listenerOptions,
        ...(setup.relays === false && { relay_hosts: [] }),
        ...setup.options,
      },
      hostname: 'machine.test',
      clock: this.clock,
      diagnostics: {
        error: (_target, text) => this.complaints.push(text),
        warn: () => {},
        info: () => {},
        debug: () => {},
      },
      events: setup.events ?? this.policy,
      refusal: setup.refusal ?? (() => undefined),
      receive: (transaction) => {
        this.received.push(transaction);
        const content = `OK ids=id${++this.#accepted}`;
        return setup.receive?.(transaction) ?? { reply: reply(250, '', content), disconnect: 'If421' };
      },
      ...(setup.offersTls === true && {
        identity: () => Promise.resolve({ certificate: '', privateKey: '' }),
      }),
      onRejection: (record) => this.rejections.push(record),
      newMessageId: () => `message${++this.#ids}`,
      newSessionId: () => `session${++this.#ids}`,
      ...(setup.trace !== undefined && { trace: setup.trace }),
    };
    this.server = new SmtpServer(this.parameters);
  }

  connect(): TestClient {
    const pair = transportPair();
    const client = new TestClient(this, pair.client);
    this.server.accept(pair.server);
    return client;
  }
}

/** One client of a TestServer, which speaks SMTP line by line and reads whole replies. */
export class TestClient {
  readonly test: TestServer;
  readonly transport: MemoryTransport;
  closed = false;
  writes = 0;
  #text = '';

  constructor(test: TestServer, transport: MemoryTransport) {
    this.test = test;
    this.transport = transport;
    transport.receive({
      data: (chunk) => {
        this.writes += 1;
        this.#text += chunk.toString();
      },
      end: () => {},
      closed: () => {
        this.closed = true;
      },
    });
  }

  get received(): ReceivedTransaction[] {
    return this.test.received;
  }

  /** Sends octets as they are. */
  async send(octets: string | Buffer): Promise<void> {
    this.transport.write(typeof octets === 'string' ? Buffer.from(octets, 'utf8') : octets);
    await settle();
  }

  /** The next line of what the server said, without CRLF; undefined when it said no more. */
  line(): string | undefined {
    const end = this.#text.indexOf('\r\n');
    if (end < 0) return undefined;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 2);
    return line;
  }

  /** The next whole reply, its lines joined by `\n`. */
  reply(): string | undefined {
    const lines: string[] = [];
    for (let line = this.line(); line !== undefined; line = this.line()) {
      lines.push(line);
      if (line.charAt(3) !== '-') return lines.join('\n');
    }
    return undefined;
  }

  /** Reads one reply and asserts on its start. */
  async expect(prefix: string): Promise<void> {
    await settle();
    const got = this.reply();
    expect(got ?? '(nothing)').toSatisfy(
      (text: string) => text.startsWith(prefix),
      `${got} starts with ${prefix}`,
    );
  }

  async command(line: string, prefix: string): Promise<void> {
    await this.send(`${line}\r\n`);
    await this.expect(prefix);
  }

  ehlo(domain = 'client.example', prefix = '250'): Promise<void> {
    return this.command(`EHLO ${domain}`, prefix);
  }

  mailFrom(address: string, prefix = '250'): Promise<void> {
    return this.command(`MAIL FROM:<${address}>`, prefix);
  }

  rcptTo(address: string, prefix = '250'): Promise<void> {
    return this.command(`RCPT TO:<${address}>`, prefix);
  }

  /** Sends DATA and `body`, which brings its own CRLF and dots, then the final dot. */
  async data(body: string | Buffer, prefix = '250'): Promise<void> {
    await this.command('DATA', '354');
    await this.send(Buffer.concat([Buffer.from(body), Buffer.from('.\r\n')]));
    await this.expect(prefix);
  }

  /** Greeting, EHLO, MAIL, RCPT: ready for DATA or BDAT. */
  async envelope(): Promise<void> {
    await this.expect('220');
    await this.ehlo();
    await this.mailFrom('sender@example.org');
    await this.rcptTo('recipient@example.com');
  }

  async advance(duration: number): Promise<void> {
    await this.test.clock.advance(duration);
  }
}

/** A connected client whose greeting is still to be read. */
export function smtpSession(setup: SmtpSessionSetup = {}): TestClient {
  return new TestServer(setup).connect();
}
