import { createRouting, type ReadyParts, ReadyQueues } from '../../src/flow/ready-queue/index.ts';
import { Reception, type ReceptionAnswer, type Transaction } from '../../src/flow/reception/index.ts';
import { ScheduledQueues } from '../../src/flow/scheduled-queue/index.ts';
import { TestResolver } from '../../src/io/dns/index.ts';
import { LocalCounters, LocalLeases, LocalThrottles } from '../../src/io/limits/index.ts';
import { DialError, type DialTarget } from '../../src/io/net/index.ts';
import { parseOptions } from '../../src/model/define/index.ts';
import {
  AdminActions,
  ConnectionMeta,
  type DeliveryEvent,
  type DeliveryLog,
  type MaybePromise,
  MessageStore,
  type MtaStsPolicies,
  PLENTY,
  type PolicyEvents,
  type PolicyResult,
  type Resolver,
  SourceHealth,
  type Transport,
} from '../../src/model/index.ts';
import {
  EgressPath,
  egressPathOptions,
  esmtpListenerOptions,
  QueueConfig,
  queueOptions,
} from '../../src/model/options/index.ts';
import { EnvelopeAddress } from '../../src/protocol/smtp/index.ts';
import { FakeClock } from './fake-clock.ts';
import { MemorySpool, type MemorySpoolContent } from './memory-spool.ts';
import { transportPair } from './memory-transport.ts';
import { testSecurity } from './peer-security.ts';

export type Handler = (...args: never[]) => MaybePromise<PolicyResult>;

/** Policy as a table of functions. */
export class TablePolicy implements PolicyEvents {
  readonly handlers: Record<string, Handler>;
  readonly fired: string[] = [];

  constructor(handlers: Record<string, Handler>) {
    this.handlers = handlers;
  }

  handles(event: string): boolean {
    return this.handlers[event] !== undefined;
  }

  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult> {
    this.fired.push(event);
    return this.handlers[event]?.(...(args as never[])) ?? { kind: 'absent' };
  }
}

export const returns = (...values: unknown[]): PolicyResult => ({ kind: 'values', values });
export const queueConfig = (options: object): PolicyResult =>
  returns(new QueueConfig(parseOptions(queueOptions, options)));
export const pathConfig = (options: object): PolicyResult =>
  returns(new EgressPath(parseOptions(egressPathOptions, options)));

/** A zone in which mail for `dest.example` goes to mx1, then mx2. */
const ZONE = `
$ORIGIN dest.example.
@ 600 IN MX 10 mx1
@ 600 IN MX 20 mx2
mx1 600 IN A 192.0.2.1
mx2 600 IN A 192.0.2.2
`;

/** A server at the end of every connection; `answer` gives its replies by command, default all good. */
export interface Peers {
  /** Commands heard, in order, over all connections. */
  commands: string[];
  bodies: string[];
  /** Connections that are open now, and the most at one time. */
  open: number;
  peak: number;
  answer: (command: string, address: string) => string | undefined;
  /** Addresses where nobody answers. */
  dead: Set<string>;
  /** This machine has no descriptors left. */
  isShort: boolean;
  /** Addresses of proxies that nobody answers at. */
  deadProxies: Set<string>;
  /** Addresses that connections were made from. */
  sources: string[];
  /** Local addresses that this machine does not have. */
  unplumbed: Set<string>;
  /** What was dialled, in order, whoever answered. */
  dials: DialTarget[];
  /** Says something unasked on every connection. */
  say(line: string): void;
}

export interface Rooms {
  clock: FakeClock;
  policy: TablePolicy;
  spool: MemorySpool;
  events: DeliveryEvent[];
  log: DeliveryLog;
  said: string[];
  peers: Peers;
  queues: ScheduledQueues;
  ready: ReadyQueues;
  reception: Reception;
  admin: AdminActions;
  newMessageId(): string;
  receive(recipients: string[], body?: string): Promise<ReceptionAnswer>;
  /** `TYPE CODE` of each record so far. */
  records(): string[];
}

/** The rooms from reception to delivery, on fakes: memory spool, fake clock, test zone, scripted peers. */
export function mailRooms(
  handlers: Record<string, Handler> | PolicyEvents = {},
  content?: MemorySpoolContent,
  clock = new FakeClock(),
  limits: Partial<
    Pick<ReadyParts, 'leases' | 'throttles' | 'counters' | 'shards' | 'memory' | 'generate' | 'transfers'>
  > = {},
  names: { resolver?: Resolver; mtaSts?: MtaStsPolicies } = {},
): Rooms {
  // What is no table of functions is asked itself; `policy.fired` is not kept then.
  const policy = isPolicy(handlers) ? (handlers as TablePolicy) : new TablePolicy(handlers);
  const spool = new MemorySpool(content);
  const store = new MessageStore(spool, limits.memory);
  const events: DeliveryEvent[] = [];
  const said: string[] = [];
  const say = (_target: string, text: string): void => void said.push(text);
  const peers: Peers = {
    commands: [],
    bodies: [],
    open: 0,
    peak: 0,
    answer: () => undefined,
    dead: new Set(),
    isShort: false,
    deadProxies: new Set(),
    sources: [],
    unplumbed: new Set(),
    dials: [],
    say: (line) => {
      for (const voice of voices.get(peers) ?? []) voice(line);
    },
  };
  const shared = {
    policy,
    store,
    clock,
    memory: limits.memory ?? PLENTY,
    diagnostics: { error: say, warn: say, info: () => {}, debug: () => {} },
    log: { write: (event: DeliveryEvent) => void events.push({ ...event }) },
    throttles: limits.throttles ?? new LocalThrottles(clock),
    random: () => 0.5,
    admin: new AdminActions(clock),
  };
  const { resolver = new TestResolver([ZONE]), mtaSts } = names;
  const counters = limits.counters ?? new LocalCounters();
  const ready = new ReadyQueues({
    ...shared,
    routing: createRouting(resolver, clock, () => 0, mtaSts === undefined ? {} : { mtaSts }),
    leases: new LocalLeases(),
    counters,
    dial: (target) => dialPeer(target, peers),
    security: testSecurity({ clock, said }),
    health: new SourceHealth({ clock, counters }),
    hostname: 'mta.example',
    nodeId: '00000000-0000-4000-8000-00000000000a',
    generate: async () => ({ kind: 'failed', text: 'there is no injection here' }),
    shards: 1,
    onReaped: () => {},
    ...limits,
  });
  const times = new Map([...(content?.keys() ?? [])].map((id) => [id, clock.now()]));
  const createdAt = (id: string): number => times.get(id) ?? 0;
  const queues = new ScheduledQueues({ ...shared, ready, createdAt });
  let ids = content?.size ?? 0;
  const newMessageId = (): string => {
    const id = String(ids++).padStart(32, '0');
    times.set(id, clock.now());
    return id;
  };
  const reception = new Reception({ ...shared, queues, newMessageId });
  return {
    clock,
    policy,
    spool,
    events,
    log: shared.log,
    said,
    peers,
    queues,
    ready,
    reception,
    admin: shared.admin,
    newMessageId,
    receive: (recipients, body = 'Subject: x\r\n\r\nhello\r\n') =>
      reception.receive(transaction(clock, recipients, body)),
    records: () => events.map(({ type, response }) => `${type} ${response.code}`),
  };
}

function isPolicy(handlers: object): handlers is PolicyEvents {
  return typeof (handlers as PolicyEvents).fire === 'function';
}

export function transaction(clock: FakeClock, recipients: string[], body: string): Transaction {
  return {
    sender: EnvelopeAddress.parse('sender@source.example')!,
    recipients: recipients.map((recipient) => EnvelopeAddress.parse(recipient)!),
    body: Buffer.from(body),
    meta: new ConnectionMeta({ reception_protocol: 'ESMTP' }),
    listener: parseOptions(esmtpListenerOptions, { trace_headers: { supplemental_header: false } }),
    hostname: 'mta.example',
    peer: { address: '198.51.100.7', port: 40000 },
    local: { address: '192.0.2.9', port: 25 },
    sessionId: 'session',
    ehloDomain: 'client.example',
    deadline: clock.monotonic() + 300_000,
  };
}

/** The writing ends of the connections that are open. */
const voices = new WeakMap<Peers, Set<(line: string) => void>>();

async function dialPeer(target: DialTarget, peers: Peers): Promise<Transport> {
  peers.dials.push(target);
  if (target.localAddress !== undefined && peers.unplumbed.has(target.localAddress)) {
    throw new DialError('unplumbed', 'bind EADDRNOTAVAIL');
  }
  if (peers.isShort) throw new DialError('shortage', 'connect EMFILE');
  if (peers.dead.has(target.address)) throw new DialError('refused', 'connect ECONNREFUSED');
  const { proxy } = target;
  if (proxy !== undefined && peers.deadProxies.has(proxy.server.address)) {
    throw new DialError('proxy', `proxy ${proxy.server.address}: connect ECONNREFUSED`);
  }
  peers.sources.push(proxy?.source ?? target.localAddress ?? '');
  const pair = transportPair(undefined, { address: target.address, port: target.port });
  const voice = (line: string): void => void pair.server.write(`${line}\r\n`);
  voices.set(peers, (voices.get(peers) ?? new Set()).add(voice));
  peers.open++;
  peers.peak = Math.max(peers.peak, peers.open);
  let input = '';
  let inData = false;
  const hear = (command: string): void => {
    peers.commands.push(command);
    const fallback = command.startsWith('DATA') ? '354 go on' : '250 2.0.0 OK';
    const answer = peers.answer(command, target.address) ?? fallback;
    if (answer.startsWith('354')) inData = true;
    if (answer === 'hangup') pair.server.end();
    else if (answer !== 'silence') pair.server.write(`${answer}\r\n`);
  };
  pair.server.receive({
    data: (chunk) => {
      input += chunk.toString('latin1');
      for (;;) {
        const end = inData ? input.indexOf('\r\n.\r\n') : input.indexOf('\r\n');
        if (end < 0) return;
        if (inData) {
          peers.bodies.push(input.slice(0, end + 2));
          inData = false;
          input = input.slice(end + 5);
          hear('.');
        } else {
          const command = input.slice(0, end);
          input = input.slice(end + 2);
          hear(command);
        }
      }
    },
    end: () => {},
    closed: () => {
      peers.open--;
      voices.get(peers)!.delete(voice);
    },
  });
  const banner = peers.answer('CONNECT', target.address) ?? '220 peer.example';
  if (banner !== 'silence') pair.server.write(`${banner}\r\n`);
  return pair.client;
}
