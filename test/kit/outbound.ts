import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SinkCounts, SinkEnd, SinkVisit } from '../../src/cli/sink.ts';
import type { LogRecord } from '../../src/model/index.ts';
import { issue } from './certificates.ts';
import { eventually } from './eventually.ts';
import { initLua, launcher } from './moonpost.ts';

export const RECEIVERS = 50;

/** What goes wrong at each receiver, by its number modulo their number. */
const FAULTS = [
  '',
  ',rcpt=451@10%',
  ',rcpt=550@5%',
  ',dot=421@5%',
  ',mail=421@5%',
  ',body=reset@3%',
  ',dot=hang@1%',
  ',connect=421@20%',
  ',dot=reset@2%',
  ',ehlo=421@5%,data=451@5%',
  ',starttls=454@20%,dot=452@5%',
  ',connect=drip@5%,rcpt=550@2%',
  ',data=close@2%,mail=550@1%',
];

/** Every fourth receiver has no TLS; mail to the others goes in the three modes that do not ask who the peer is. */
const MODES = ['OpportunisticInsecure', 'RequiredInsecure', 'Disabled', 'Opportunistic'];

/** The domain of receiver number `n`. */
export const domainOf = (n: number): string => `r${n}.example`;

/** `moonpost sink` as a process with a listener for each of the receivers, and what it recorded. */
export class Receivers {
  readonly ports: number[] = [];
  readonly #child: ChildProcess;
  readonly #record: string;
  readonly #exited: Promise<unknown>;
  #printed = '';

  private constructor(child: ChildProcess, record: string) {
    this.#child = child;
    this.#record = record;
    this.#exited = new Promise((done) => child.once('close', done));
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text;
    });
  }

  /** Its files go into `directory`. */
  static async start(directory: string, seed = 1): Promise<Receivers> {
    const { cert, key } = await issue({ name: 'mx.test' });
    writeFileSync(join(directory, 'cert.pem'), cert);
    writeFileSync(join(directory, 'key.pem'), key);
    const record = join(directory, 'received.jsonl');
    const listeners = Array.from({ length: RECEIVERS }, (_, n) => {
      const fault = FAULTS[n % FAULTS.length]!;
      return ['--listen', `127.0.0.1:0${fault}${n % 4 === 3 ? ',no-tls' : ''}`];
    });
    const child = spawn(
      process.execPath,
      [
        ...[launcher, 'sink', '--json', '--record', record, '--seed', String(seed)],
        ...['--cert', join(directory, 'cert.pem'), '--key', join(directory, 'key.pem')],
        ...listeners.flat(),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const receivers = new Receivers(child, record);
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const listening = /^sink listener on 127\.0\.0\.1:(\d+)$/gm;
    await eventually(() => ([...said.matchAll(listening)].length === RECEIVERS ? true : undefined), {
      what: () => `the sink does not listen: ${said}`,
    });
    receivers.ports.push(...[...said.matchAll(listening)].map(([, port]) => Number(port)));
    return receivers;
  }

  /** Ends it; gives what it counted. */
  async stop(): Promise<SinkCounts> {
    this.#child.kill('SIGTERM');
    await this.#exited;
    return JSON.parse(this.#printed) as SinkCounts;
  }

  /** Ends it if it is still there. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** The messages whose end has come, so far. */
  ends(): SinkEnd[] {
    return this.#lines().filter((line) => 'recipients' in line);
  }

  /** The connections that are over, so far. */
  visits(): SinkVisit[] {
    return this.#lines().filter((line) => 'begun' in line);
  }

  #lines(): (SinkEnd | SinkVisit)[] {
    if (!existsSync(this.#record)) return [];
    const lines = readFileSync(this.#record, 'utf8').split('\n');
    lines.pop();
    return lines.map((line) => JSON.parse(line) as SinkEnd | SinkVisit);
  }
}

/** How fast something may come: so many at once, and so many each second. */
interface Rate {
  burst: number;
  perSecond: number;
}

/** What the policy allows a provider. A site is a receiver, and each source has a limit of its own there. */
interface Provider {
  /** Connections of a source to a site. */
  connections: number;
  /** Connections of all sources to all sites of the provider. */
  connectionsTogether?: number;
  /** New connections of a source to a site. */
  connecting?: Rate;
  /** Messages of a source to a site. */
  messages?: Rate;
  /** Messages of all sources to all sites of the provider. */
  messagesTogether?: Rate;
  /** Further options, as Lua. */
  more?: string;
}

/** By the number of a receiver modulo their number. */
export const PROVIDERS: readonly Provider[] = [
  { connections: 2, more: 'max_deliveries_per_connection = 50' },
  { connections: 3, connectionsTogether: 12 },
  { connections: 3, messages: { burst: 5, perSecond: 10 } },
  { connections: 3, connecting: { burst: 5, perSecond: 20 }, more: 'max_deliveries_per_connection = 5' },
  { connections: 8, messagesTogether: { burst: 20, perSecond: 100 } },
];

function providerLua(provider: Provider, number: number): string {
  const { connections, connectionsTogether, connecting, messages, messagesTogether, more } = provider;
  const spec = ({ burst, perSecond }: Rate): string => `'${perSecond}/s,max_burst=${burst}'`;
  const shared = (option: string, value: unknown): string =>
    `${option} = { ['provider-${number}'] = ${value} }`;
  const options = [
    `connection_limit = ${connections}`,
    connectionsTogether && shared('additional_connection_limits', connectionsTogether),
    connecting && `max_connection_rate = ${spec(connecting)}`,
    messages && `max_message_rate = ${spec(messages)}`,
    messagesTogether && shared('additional_message_rate_throttles', spec(messagesTogether)),
    more,
  ];
  return `{ ${options.filter(Boolean).join(', ')} }`;
}

/**
 * An outbound policy: three sources in two pools, five providers with limits of their own, a TLS mode for each
 * receiver, and patience that is short.
 */
export function outboundPolicy(ports: readonly number[]): string {
  return `${initLua()}
local PORTS = { ${ports.join(', ')} }
local MODES = { '${MODES.join("', '")}' }
local POOLS = {
  bulk = { { name = 's1', weight = 3 }, { name = 's2', weight = 1 } },
  premium = { { name = 's2' }, { name = 's3' } },
}
local PROVIDERS = {
  [0] = ${PROVIDERS.map(providerLua).join(',\n  ')},
}
local function number_of(domain)
  return tonumber(domain:match '^r(%d+)%.example$')
end

kumo.on('get_queue_config', function(domain)
  local n = number_of(domain)
  return kumo.make_queue_config {
    egress_pool = n % 2 == 0 and 'bulk' or 'premium',
    retry_interval = '1s',
    max_retry_interval = '2s',
    max_age = '1d',
    protocol = { smtp = { mx_list = { { name = 'mx.test', addr = '127.0.0.1:' .. PORTS[n + 1] } } } },
  }
end)
kumo.on('get_egress_pool', function(name)
  return kumo.make_egress_pool { name = name, entries = POOLS[name] }
end)
kumo.on('get_egress_source', function(name)
  return kumo.make_egress_source { name = name, ehlo_domain = name .. '.source.example' }
end)
kumo.on('get_egress_path_config', function(domain, source, site)
  local n = number_of(domain)
  local options = {
    prohibited_hosts = {},
    provider_name = 'provider-' .. n % ${PROVIDERS.length},
    enable_tls = MODES[n % 4 + 1],
    idle_timeout = '2s',
    connect_timeout = '10s', banner_timeout = '10s', ehlo_timeout = '10s', starttls_timeout = '10s',
    mail_from_timeout = '10s', rcpt_to_timeout = '10s', data_timeout = '10s', data_dot_timeout = '10s',
  }
  for name, value in pairs(PROVIDERS[n % ${PROVIDERS.length}]) do options[name] = value end
  return kumo.make_egress_path(options)
end)
`;
}

export interface Account {
  accepted: number;
  delivered: number;
  bounced: number;
  /** Accepted, and neither delivered nor bounced so far. */
  queued: number;
  transient: number;
  /** Taken by a receiver more than once, because the answer to the end of the message was lost. */
  repeated: number;
  /** Each is something that must not be. */
  mismatches: string[];
}

/** Replies that we make up when the answer to the end of a message does not come. */
const LOST = /failed to send message/;

/** Holds the ids that were accepted against the log and against what the receivers recorded. */
export function account(
  accepted: Iterable<string>,
  records: readonly LogRecord[],
  ends: readonly SinkEnd[],
  ports: readonly number[],
): Account {
  const fates = new Map<string, Fate>();
  const fateOf = (id: string): Fate => {
    const known = fates.get(id);
    if (known !== undefined) return known;
    const made: Fate = {
      isAccepted: false,
      receptions: 0,
      deliveries: [],
      bounces: [],
      failures: [],
      taken: [],
    };
    fates.set(id, made);
    return made;
  };
  for (const id of accepted) fateOf(id).isAccepted = true;
  const mismatches: string[] = [];
  for (const record of records) {
    const fate = fateOf(record.id);
    if (record.type === 'Reception') fate.receptions++;
    else if (record.type === 'Delivery') fate.deliveries.push(record);
    else if (record.type === 'Bounce') fate.bounces.push(record);
    else if (record.type === 'TransientFailure') fate.failures.push(record);
    else if (record.type !== 'Delayed') mismatches.push(`${record.id}: unexpected record ${record.type}`);
  }
  for (const end of ends) {
    if (end.id === null) mismatches.push(`a message without id at port ${end.port}`);
    else if (end.fault === null) fateOf(end.id).taken.push(end);
  }
  const result: Account = {
    accepted: 0,
    delivered: 0,
    bounced: 0,
    queued: 0,
    transient: 0,
    repeated: 0,
    mismatches,
  };
  for (const [id, fate] of fates) {
    result.accepted++;
    result.transient += fate.failures.length;
    result.delivered += fate.deliveries.length;
    result.bounced += fate.bounces.length;
    if (fate.deliveries.length + fate.bounces.length === 0) result.queued++;
    if (fate.taken.length > 1) result.repeated++;
    mismatches.push(...wrongs(fate, ports).map((wrong) => `${id}: ${wrong}`));
  }
  return result;
}

interface Fate {
  isAccepted: boolean;
  receptions: number;
  deliveries: LogRecord[];
  bounces: LogRecord[];
  failures: LogRecord[];
  /** The receivers that took it. */
  taken: SinkEnd[];
}

function wrongs(
  { isAccepted, receptions, deliveries, bounces, failures, taken }: Fate,
  ports: readonly number[],
): string[] {
  const wrong: string[] = [];
  if (!isAccepted) wrong.push('was never accepted');
  if (receptions !== 1) wrong.push(`${receptions} receptions`);
  const finals = [...deliveries, ...bounces];
  if (finals.length > 1) wrong.push(`${deliveries.length} deliveries and ${bounces.length} bounces`);
  const lost = failures.filter(({ response }) => LOST.test(response.content)).length;
  if (taken.length < deliveries.length) wrong.push('delivered, but no receiver took it');
  if (taken.length > deliveries.length + lost) {
    wrong.push(`taken ${taken.length} times for ${deliveries.length} deliveries, ${lost} answers lost`);
  }
  // An attempt is counted when, and only when, its failure is on record.
  for (const { num_attempts, type } of finals) {
    if (num_attempts !== failures.length)
      wrong.push(`${type} after ${num_attempts} attempts, ${failures.length} recorded`);
  }
  for (const { recipient, port } of taken.map((end) => ({
    recipient: end.recipients.join(),
    port: end.port,
  }))) {
    const n = Number(/@r(\d+)\.example$/.exec(recipient)?.[1]);
    if (ports[n] !== port) wrong.push(`for ${recipient}, taken by the receiver at port ${port}`);
  }
  return wrong;
}
