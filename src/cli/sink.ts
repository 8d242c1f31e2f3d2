import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import {
  SMTPServer,
  type SMTPServerDataStream,
  type SMTPServerOptions,
  type SMTPServerSession,
} from 'smtp-server';
import { deliverToMaildir } from '../io/maildir/index.ts';
import { formatHostPort, parseHostPort } from '../protocol/ip/index.ts';
import { SinkConnection } from './sink-connection.ts';
import {
  type FaultAction,
  FaultDice,
  type FaultStep,
  parseListener,
  type SinkListener,
  seededRandom,
} from './sink-faults.ts';
import { HEAD, idIn, RecordFile, type SinkEnd, type SinkVisit, timeNow } from './sink-record.ts';

export type { SinkEnd, SinkVisit } from './sink-record.ts';

/** Refuses recipients that match a glob (`*` any text, `?` one character, case does not matter). */
export interface FailRule {
  pattern: string;
  /** 400 to 599; 421 also closes the connection. */
  code: number;
}

export interface SinkOptions {
  /** `IP:PORT`, with faults as parseListener has them. */
  listen: readonly (string | SinkListener)[];
  /** Of the dice that faults are thrown with; default 1. */
  seed?: number;
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
  /** Called for every message whose end has come, whatever became of it. */
  onEnd?: (end: SinkEnd) => void;
  /** Called for every connection that is over, if its peer has greeted. */
  onConnection?: (connection: SinkVisit) => void;
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
  /** What went wrong on purpose, as `STEP=ACTION`. */
  faults: Record<string, number>;
}

export interface Sink {
  /** As bound. */
  addresses: { address: string; port: number }[];
  counts(): SinkCounts;
  /** Closes the listeners and all connections. */
  stop(): Promise<void>;
}

/** A peer that is left waiting is, for so long, ms. */
const LONGEST_SILENCE = 3_600_000;

/** Starts a receiving server for trying out policies. Rejects when an address cannot be bound. */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const counts: SinkCounts = {
    connections: 0,
    messages: 0,
    recipients: 0,
    bytes: 0,
    rejected: {},
    faults: {},
  };
  const servers: SinkServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map(stopServer));
  };
  try {
    for (const [index, given] of options.listen.entries()) {
      const listener = typeof given === 'string' ? parseListener(given) : given;
      const server = new SinkServer(options, listener, (options.seed ?? 1) * 1000 + index, counts);
      servers.push(server);
      await server.begin();
    }
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
  readonly #listener: SinkListener;
  readonly #dice: FaultDice;
  readonly #counts: SinkCounts;
  readonly #onConnection: SinkOptions['onConnection'];

  constructor(options: SinkOptions, listener: SinkListener, seed: number, counts: SinkCounts) {
    super(serverOptions(options, listener, counts, () => this));
    this.#listener = listener;
    this.#dice = new FaultDice(listener.faults, seededRandom(seed));
    this.#counts = counts;
    this.#onConnection = options.onConnection;
    this.on('error', () => {});
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async begin(): Promise<void> {
    const { address } = this.#listener;
    const target = parseHostPort(address);
    if (target?.port === undefined) throw new Error(`--listen ${address}: give it as IP:PORT`);
    this.listen(target.port, target.address);
    await once(this.server, 'listening');
  }

  override connect(...[socket, options]: Parameters<SMTPServer['connect']>): void {
    const connection = new SinkConnection(this, socket, options);
    connection.dice = this.#dice;
    connection.onFault = (step, action) => this.#count(step, action);
    connection.onGreeted = (client) => this.#visit(connection.localPort, client);
    this.connections.add(connection);
    // A peer that goes away is what a sink is tried with.
    connection.on('error', () => {});
    connection.init();
  }

  /** What goes wrong at a step that smtp-server takes by itself, and the connection it goes wrong on. */
  stumble(
    step: FaultStep,
    session: SMTPServerSession,
  ): { action: FaultAction; on: SinkConnection } | undefined {
    const action = this.#dice.roll(step);
    if (action === undefined) return undefined;
    const on = [...(this.connections as Set<SinkConnection>)].find((each) => each.belongsTo(session));
    if (on === undefined) return undefined;
    this.#count(step, action);
    return { action, on };
  }

  #visit(port: number, client: string): () => void {
    const begun = timeNow();
    return () => this.#onConnection?.({ port, client, begun, ended: timeNow() });
  }

  #count(step: FaultStep, action: FaultAction): void {
    const key = `${step}=${action}`;
    this.#counts.faults[key] = (this.#counts.faults[key] ?? 0) + 1;
  }
}

async function stopServer(server: SMTPServer): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const connection of server.connections) connection._socket.destroy();
  await closed;
}

function serverOptions(
  options: SinkOptions,
  listener: SinkListener,
  counts: SinkCounts,
  server: () => SinkServer,
): SMTPServerOptions {
  const { hide = [], delay = 0, maildir } = options;
  const tls = listener.tls ? options.tls : undefined;
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
    socketTimeout: LONGEST_SILENCE,
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
      const cut = server().stumble('body', session);
      if (cut?.on.suffer(cut.action, () => {}) === true) return;
      const wanted = maildir !== undefined || options.onMessage !== undefined;
      const { mailFrom, rcptTo } = session.envelope;
      collect(stream, wanted ? Infinity : options.onEnd === undefined ? 0 : HEAD, (body, size) => {
        const end = (fault: FaultAction | null): void =>
          options.onEnd?.({
            port: server().port,
            at: timeNow(),
            client: session.hostNameAppearsAs || '',
            id: idIn(body),
            sender: mailFrom === false ? '' : mailFrom.address,
            recipients: rcptTo.map(({ address }) => address),
            size,
            secure: session.secure,
            fault,
          });
        const last = server().stumble('dot', session);
        if (last !== undefined) {
          end(last.action);
          if (typeof last.action === 'number' && last.action !== 421) {
            return callback(Object.assign(new Error('fault of this sink'), { responseCode: last.action }));
          }
          if (last.on.suffer(last.action, () => {})) return;
        }
        const accept = (): void => {
          if (last === undefined) end(null);
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

/** Keeps chunks until there are `wanted` octets or more. */
function collect(
  stream: SMTPServerDataStream,
  wanted: number,
  done: (body: Buffer, size: number) => void,
): void {
  const chunks: Buffer[] = [];
  let kept = 0;
  stream.on('data', (chunk: Buffer) => {
    if (kept >= wanted) return;
    chunks.push(chunk);
    kept += chunk.length;
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

export function formatCounts(counts: SinkCounts): string {
  const { connections, messages, recipients, bytes, rejected, faults } = counts;
  const listed = (entries: Record<string, number>): string =>
    Object.entries(entries)
      .map(([what, count]) => `${what}: ${count}`)
      .join(', ');
  return (
    `received ${messages} messages for ${recipients} recipients, ${bytes} bytes, over ${connections} connections; ` +
    `rejected ${listed(rejected) || 'none'}${Object.keys(faults).length === 0 ? '' : `; faults ${listed(faults)}`}`
  );
}

interface SinkFlags {
  listen: SinkListener[];
  seed: number;
  cert?: string;
  key?: string;
  record?: string;
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
    .requiredOption(
      '--listen <addr>',
      'IP:PORT to listen on, perhaps with what goes wrong there: ,STEP=ACTION@PERCENT% with a step of connect, ehlo, starttls, mail, rcpt, data, body, dot and a code, reset, close, hang or drip (one octet a second); ,no-tls; may be repeated',
      gather(parseListener),
    )
    .option('--seed <n>', 'other numbers have other things go wrong', parseWhole, 1)
    .option('--cert <file>', 'certificate for STARTTLS, PEM; with --key')
    .option('--key <file>', 'its private key, PEM')
    .option(
      '--record <file>',
      'append a line of JSON for every message whose end came, and for every connection that ended',
    )
    .option(
      '--fail <pattern:code>',
      "refuse recipients, such as 'bob@*:451'; may be repeated",
      gather(parseFailRule),
      [],
    )
    .option(
      '--delay <ms>',
      'wait so many milliseconds before the reply to the end of each message',
      parseWhole,
      0,
    )
    .option('--maildir <dir>', 'keep the messages in this maildir')
    .option('--json', 'print the counts as one line of JSON')
    .action(runSink);
}

function parseWhole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}

async function runSink({ json, cert, key, record, ...options }: SinkFlags): Promise<void> {
  if ((cert === undefined) !== (key === undefined)) throw new Error('give --cert and --key together');
  const file = record === undefined ? undefined : new RecordFile(record);
  const sink = await startSink({
    ...options,
    ...(cert !== undefined && { tls: { cert: readFileSync(cert, 'utf8'), key: readFileSync(key!, 'utf8') } }),
    ...(file !== undefined && { onEnd: file.write, onConnection: file.write }),
  });
  for (const { address, port } of sink.addresses) {
    process.stderr.write(`sink listener on ${formatHostPort(address, port)}\n`);
  }
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const counts = sink.counts();
  await sink.stop();
  file?.close();
  process.stdout.write(`${json === true ? JSON.stringify(counts) : formatCounts(counts)}\n`);
}
