import {
  type EffectiveOption,
  type ExplainedSetting,
  effectiveOptions,
  explainedSettings,
  formatThrottleSpec,
  type LimitFact,
  type MxResolution,
  type QueueNameParts,
  type RateFact,
  type ReadyFacts,
  type RouteFacts,
  type SharedFacts,
  type SharedFactsAsked,
  type SiteFacts,
  type SourceFacts,
} from '../../model/index.ts';
import {
  type EgressPathOptions,
  type EgressPoolOptions,
  type EgressSourceOptions,
  egressPathOptions,
  type QueueOptions,
} from '../../model/options/index.ts';
import { type EgressCatalog, EgressLookupError, UNSPECIFIED } from './egress-catalog.ts';
import { idealConnections } from './ideal-connections.ts';
import { luaSite } from './lua-queue.ts';
import type { ReadyParts } from './parts.ts';
import { limitsOf, type NamedRate } from './path-limits.ts';
import type { ReadyQueue } from './ready-queue.ts';
import type { Site } from './routing.ts';
import { watchdogTimeout } from './watchdog.ts';

/** Sources that are told of. */
const MOST_SOURCES = 8;
/** Ready queues looked at for who holds the slots of a limit. */
const LOOKED_AT = 5000;
/** Holders of a limit that are told of. */
const MOST_HOLDERS = 5;

/** What an explanation needs of the ready queues. */
export interface ExplainedRoom {
  readonly parts: ReadyParts;
  readonly catalog: EgressCatalog;
  /** The ready queue of that name, for mail that DNSSEC and MTA-STS protect like the site; undefined for none. */
  find(name: string, site: Site): ReadyQueue | undefined;
}

/**
 * The way that mail of a queue would take, and what holds it up there. Makes nothing and takes nothing. `source` is told
 * of first, wherever it is in the pool.
 */
export async function explainRoute(
  room: ExplainedRoom,
  names: QueueNameParts,
  options: QueueOptions,
  source?: string,
): Promise<RouteFacts> {
  const { protocol } = options;
  const name = options.egress_pool ?? UNSPECIFIED;
  const none = { pool: name, sources: [], sourceCount: 0 };
  if (protocol.kind !== 'smtp' && protocol.kind !== 'custom_lua') return none;
  let pool: EgressPoolOptions;
  try {
    pool = await room.catalog.pool(options.egress_pool);
  } catch (error) {
    return { ...none, poolError: why(error) };
  }
  const entries = pool.entries.filter(({ weight }) => weight > 0);
  const total = entries.reduce((sum, { weight }) => sum + weight, 0);
  const domain = names.routingDomain ?? names.domain;
  const { site, facts } = await siteOf(room.parts, domain, protocol);
  const sources: SourceFacts[] = [];
  const first = entries.filter(({ name: own }) => own === source);
  const others = entries.filter(({ name: own }) => own !== source);
  for (const { name: own, weight } of [...first, ...others].slice(0, MOST_SOURCES)) {
    const known = { name: own, weight, share: weight / total };
    sources.push({ ...known, ...(await sourceFacts(room, own, { domain, site, protocol })) });
  }
  return { pool: pool.name, site: facts, sources, sourceCount: entries.length };
}

type Sent = Extract<QueueOptions['protocol'], { kind: 'smtp' | 'custom_lua' }>;

async function siteOf(
  { routing }: ReadyParts,
  domain: string,
  protocol: Sent,
): Promise<{ site: Site | undefined; facts: SiteFacts }> {
  if (protocol.kind === 'custom_lua') return { site: luaSite(domain), facts: { domain, name: domain } };
  try {
    const site = await routing.site(domain, protocol);
    return { site, facts: { domain, name: site.name, ...(site.mx && { mx: mxFacts(site.mx) }) } };
  } catch (error) {
    return { site: undefined, facts: { domain, error: (error as Error).message } };
  }
}

function mxFacts({ groups, isMx, isNullMx, mtaSts, ttl }: MxResolution): SiteFacts['mx'] {
  return { groups, isMx, isNullMx, mtaSts, ttl };
}

interface Way {
  domain: string;
  site: Site | undefined;
  protocol: Sent;
}

async function sourceFacts(room: ExplainedRoom, name: string, way: Way): Promise<Partial<SourceFacts>> {
  const { health } = room.parts;
  let facts: Partial<SourceFacts> = {};
  try {
    const source = await room.catalog.source(name);
    const proxy = source.ha_proxy_server ?? source.socks5_proxy_server;
    const left = health.leftOutFor(source);
    const because = health.made().find((found) => found.source === name)?.why;
    facts = {
      ...(source.source_address !== undefined && { address: source.source_address }),
      ...(proxy !== undefined && { proxy: `${proxy.address}:${proxy.port}` }),
      ...(source.ehlo_domain !== undefined && { ehlo: source.ehlo_domain }),
      ...(left > 0 && { leftOut: { for: left, ...(because !== undefined && { why: because }) } }),
    };
    return way.site === undefined ? facts : { ...facts, ready: await readyFacts(room, source, way) };
  } catch (error) {
    return { ...facts, error: why(error) };
  }
}

async function readyFacts(room: ExplainedRoom, source: EgressSourceOptions, way: Way): Promise<ReadyFacts> {
  const { parts, catalog } = room;
  const site = way.site!;
  const proto = way.protocol.kind === 'smtp' ? 'smtp_client' : `lua:${way.protocol.constructor}`;
  const name = `${source.name}->${site.name}@${proto}`;
  const live = room.find(name, site);
  const path = live?.path ?? (await catalog.path(way.domain, source.name, site.name));
  const limits = live?.limits ?? limitsOf(name, source.name, path);
  const options = await explainedPath(parts, [way.domain, source.name, site.name], path);
  const rates = (list: readonly NamedRate[], own: string, table: string): Promise<RateFact[]> =>
    Promise.all(
      list.map((rate) =>
        rateFact(parts, rate, rate.key.startsWith('kumomta.') ? own : `${table}.${rate.key}`),
      ),
    );
  const suspension = parts.admin.rules['suspend-ready-q'].matchName(name, parts.clock.now())?.rule;
  const connectionRate =
    limits.connectionRate && (await rateFact(parts, limits.connectionRate, 'max_connection_rate'));
  // Without DANE, whose look-ups are counted.
  const plan =
    way.protocol.kind === 'smtp' ? await site.plan({ ...path, enable_dane: false }, source) : undefined;
  return {
    name,
    isLive: live !== undefined,
    length: live?.length ?? 0,
    capacity: Math.max(1, Math.ceil(path.max_ready / parts.shards)),
    connections: live?.connections ?? 0,
    ideal: live === undefined ? 0 : idealConnections(live.connectionLimit, live.length),
    ...(suspension !== undefined && {
      suspension: { id: suspension.id, reason: suspension.reason, expires: suspension.expires },
    }),
    states: live?.states ?? {},
    failures: parts.counters.get(`connection-failures ${name}`),
    failuresAllowed: path.consecutive_connection_failures_before_delay,
    limits: limits.connections.map(({ key, limit }): LimitFact => {
      const isOwn = key.startsWith('kumomta.connection_limit.');
      const option = isOwn ? 'connection_limit' : `additional_connection_limits.${key}`;
      return { option, key, limit: limit.limit, held: parts.leases.look?.(key) ?? 0, holders: [] };
    }),
    ...(connectionRate && { connectionRate }),
    messageRates: await rates(limits.messageRates, 'max_message_rate', 'additional_message_rate_throttles'),
    selectionRates: await rates(
      limits.selectionRates,
      'source_selection_rate',
      'additional_source_selection_rates',
    ),
    idleTimeout: path.idle_timeout,
    watchdog: watchdogTimeout(path),
    options,
    ...(plan !== undefined && { plan }),
  };
}

/** A rate as full as it is; nothing is taken from it. */
export async function rateFact(
  { throttles }: Pick<ReadyParts, 'throttles'>,
  { key, spec }: NamedRate,
  option: string,
): Promise<RateFact> {
  const fill = await throttles.look?.(key, spec);
  return {
    option,
    key,
    rate: formatThrottleSpec(spec),
    capacity: fill?.capacity ?? spec.limit,
    remaining: fill?.remaining ?? spec.limit,
    clearsIn: fill?.clearsIn ?? 0,
  };
}

/** An event of the helpers that says where options come from; without an answer nothing is known. */
export async function askOrigins(
  { policy }: Pick<ReadyParts, 'policy'>,
  event: 'explain_egress_path_config' | 'explain_queue_config',
  args: readonly unknown[],
): Promise<ExplainedSetting[]> {
  if (!policy.handles(event)) return [];
  const result = await policy.fire(event, args);
  return result.kind === 'values' ? explainedSettings(result.values[0]) : [];
}

async function explainedPath(
  parts: ReadyParts,
  args: readonly [string, string, string],
  path: EgressPathOptions,
): Promise<EffectiveOption[]> {
  return effectiveOptions(
    egressPathOptions,
    path,
    await askOrigins(parts, 'explain_egress_path_config', args),
  );
}

/** What a shard has of the ready queues and limits that an explanation is about. */
export function sharedFacts(live: Iterable<ReadyQueue>, asked: SharedFactsAsked): SharedFacts {
  const names = new Set(asked.readyQueues);
  const keys = new Set(asked.limits);
  const readyQueues: Map<string, { length: number; connections: number; states: ReadyQueue['states'] }> =
    new Map();
  const holders = new Map<string, { queue: string; connections: number }[]>();
  let looked = 0;
  for (const { name, length, connections, states, limits } of live) {
    if (looked++ >= LOOKED_AT) break;
    if (names.has(name)) {
      const before = readyQueues.get(name);
      readyQueues.set(name, {
        length: length + (before?.length ?? 0),
        connections: connections + (before?.connections ?? 0),
        states: { ...before?.states, ...states },
      });
    }
    if (connections === 0) continue;
    for (const { key } of limits.connections) {
      if (!keys.has(key)) continue;
      holders.set(key, [...(holders.get(key) ?? []), { queue: name, connections }]);
    }
  }
  for (const [key, list] of holders) holders.set(key, mostFirst(list));
  return { readyQueues, holders };
}

function mostFirst(list: { queue: string; connections: number }[]): typeof list {
  return list.sort((one, other) => other.connections - one.connections).slice(0, MOST_HOLDERS);
}

function why(error: unknown): string {
  if (error instanceof EgressLookupError) return error.message;
  throw error;
}
