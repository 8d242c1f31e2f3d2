import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions } from 'smtp-server';
import { deliverToMaildir } from '../io/maildir/index.ts';
import { formatHostPort, parseHostPort } from '../protocol/ip/index.ts';
import { SinkConnection } from './sink-connection.ts';

/** Refuses recipients that match a glob (`*` any text, `?` one character, case does not matter). */
export interface FailRule {
  pattern: string;
  /** 400 to 599; 421 also closes the connection. */
  code: number;
}

export interface SinkOptions {
  /** `IP:PORT`; port 0 takes a free one. */
  listen: readonly string[];
  fail?: readonly FailRule[];
  /** Milliseconds before the reply to the end of a message. */
  delay?: number;
  /** Where to keep the messages; they are dropped without it. */
  maildir?: string | undefined;
  /** PEM key and certificate for STARTTLS, which is not offered without them. */
  tls?: { key: string; cert: string };
  /** Not to offer PIPELINING, 8BITMIME or SMTPUTF8. */
  hide?: readonly ('PIPELINING' | '8BITMIME' | 'SMTPUTF8')[];
  /** Called for every accepted message; without `maildir` and this, bodies are only counted. */
  onMessage?: (message: SinkMessage) => void;
}

export interface SinkMessage {
  sender: string;
  recipients: string[];
  body: Buffer;
  secure: boolean;
}

export interface SinkCounts {
  connections: number;
  messages: number;
  recipients: number;
  /** Of message bodies. */
  bytes: number;
  /** Refused recipients by reply code. */
  rejected: Record<string, number>;
}

export interface Sink {
  /** As bound. */
  addresses: { address: string; port: number }[];
  counts(): SinkCounts;
  /** Closes the listeners and all connections. */
  stop(): Promise<void>;
}

/** Starts a receiving server for trying out policies. Rejects when an address cannot be bound. */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const counts: SinkCounts = { connections: 0, messages: 0, recipients: 0, bytes: 0, rejected: {} };
  const settings = serverOptions(options, counts);
  const servers: SMTPServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map(stopServer));
  };
  try {
    for (const address of options.listen) servers.push(await listen(address, settings));
  } catch (error) {
    await stop();
    throw error;
  }
  const addresses = servers.map((server) => {
    const { address, port } = server.server.address() as AddressInfo;
    return { address, port };
  });
  return { addresses, counts: () => structuredClone(counts), stop };
}

/** smtp-server without the parts that only cost: its wait before the greeting, and commands nobody sends. */
class SinkServer extends SMTPServer {
  override connect(...[socket, options]: Parameters<SMTPServer['connect']>): void {
    const connection = new SinkConnection(this, socket, options);
    this.connections.add(connection);
    // A peer that goes away is what a sink is tried with.
    connection.on('error', () => {});
    connection.init();
  }
}

async function listen(listenAddress: string, options: SMTPServerOptions): Promise<SMTPServer> {
  const target = parseHostPort(listenAddress);
  if (target?.port === undefined) throw new Error(`--listen ${listenAddress}: give it as IP:PORT`);
  const server = new SinkServer(options);
  server.on('error', () => {});
  server.listen(target.port, target.address);
  await once(server.server, 'listening');
  return server;
}

async function stopServer(server: SMTPServer): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const connection of server.connections) connection._socket.destroy();
  await closed;
}

function serverOptions(options: SinkOptions, counts: SinkCounts): SMTPServerOptions {
  const { tls, hide = [], delay = 0, maildir } = options;
  const rules = (options.fail ?? []).map(({ pattern, code }) => ({ code, matches: globMatcher(pattern) }));
  return {
    ...tls,
    authOptional: true,
    disabledCommands: tls === undefined ? ['AUTH', 'STARTTLS'] : ['AUTH'],
    disableReverseLookup: true,
    lenientAddressParsing: true,
    hidePIPELINING: hide.includes('PIPELINING'),
    hide8BITMIME: hide.includes('8BITMIME'),
    hideSMTPUTF8: hide.includes('SMTPUTF8'),
    logger: false,
    onConnect(_session, callback) {
      counts.connections += 1;
      callback();
    },
    onSecure: (_socket, _session, callback) => callback(),
    onMailFrom: (_address, _session, callback) => callback(),
    onRcptTo({ address }, _session, callback) {
      const rule = rules.find(({ matches }) => matches(address));
      if (rule === undefined) return callback();
      counts.rejected[rule.code] = (counts.rejected[rule.code] ?? 0) + 1;
      callback(Object.assign(new Error(`refused by --fail`), { responseCode: rule.code }));
    },
    onData(stream, session, callback) {
      const wanted = maildir !== undefined || options.onMessage !== undefined;
      const { mailFrom, rcptTo } = session.envelope;
      collect(stream, wanted, (body, size) => {
        const accept = (): void => {
          counts.messages += 1;
          counts.recipients += rcptTo.length;
          counts.bytes += size;
          const sender = mailFrom === false ? '' : mailFrom.address;
          const recipients = rcptTo.map(({ address }) => address);
          options.onMessage?.({ sender, recipients, body, secure: session.secure });
          callback(null);
        };
        const kept = (): void => {
          if (delay > 0) setTimeout(accept, delay);
          else accept();
        };
        if (maildir === undefined) return kept();
        deliverToMaildir({ path: maildir, dirMode: 0o700, fileMode: 0o600, body }).then(
          kept,
          (error: Error) => callback(Object.assign(error, { responseCode: 452 })),
        );
      });
    },
  };
}

function collect(
  stream: SMTPServerDataStream,
  wanted: boolean,
  done: (body: Buffer, size: number) => void,
): void {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => {
    if (wanted) chunks.push(chunk);
  });
  stream.on('end', () => done(Buffer.concat(chunks), stream.byteLength));
}

function globMatcher(pattern: string): (address: string) => boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.');
  const glob = new RegExp(`^${source}$`, 'is');
  return (address) => glob.test(address);
}

/** Parses `PATTERN:CODE`, such as `bob@*:451`. Throws InvalidArgumentError when the code is none of a refusal. */
export function parseFailRule(text: string): FailRule {
  const match = /^(.+):([45]\d\d)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('Give it as PATTERN:CODE with a code from 400 to 599.');
  return { pattern: match[1]!, code: Number(match[2]) };
}

export function formatCounts({ connections, messages, recipients, bytes, rejected }: SinkCounts): string {
  const codes = Object.entries(rejected).map(([code, count]) => `${code}: ${count}`);
  return (
    `received ${messages} messages for ${recipients} recipients, ${bytes} bytes, over ${connections} connections; ` +
    `rejected ${codes.length === 0 ? 'none' : codes.join(', ')}`
  );
}

interface SinkFlags {
  listen: string[];
  fail: FailRule[];
  delay: number;
  maildir?: string;
  json?: boolean;
}

/** `moonpost sink`: runs until SIGINT or SIGTERM, then prints what it received. */
export function sinkCommand(): Command {
  const gather =
    <T>(parse: (text: string) => T) =>
    (text: string, before: T[] = []): T[] => [...before, parse(text)];
  return new Command('sink')
    .description('receive mail and count it, for trying out policies')
    .requiredOption('--listen <addr>', 'IP:PORT to listen on; may be repeated', gather(String))
    .option(
      '--fail <pattern:code>',
      "refuse recipients, such as 'bob@*:451'; may be repeated",
      gather(parseFailRule),
      [],
    )
    .option('--delay <ms>', 'wait before the reply to the end of each message', parseDelay, 0)
    .option('--maildir <dir>', 'keep the messages in this maildir')
    .option('--json', 'print the counts as one line of JSON')
    .action(runSink);
}

function parseDelay(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Give it in whole milliseconds.');
  return Number(text);
}

async function runSink({ json, ...options }: SinkFlags): Promise<void> {
  const sink = await startSink(options);
  for (const { address, port } of sink.addresses) {
    process.stderr.write(`sink listener on ${formatHostPort(address, port)}\n`);
  }
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const counts = sink.counts();
  await sink.stop();
  process.stdout.write(`${json === true ? JSON.stringify(counts) : formatCounts(counts)}\n`);
}
