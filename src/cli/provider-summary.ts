import type { Command } from 'commander';
import { parseQueueName } from '../model/index.ts';
import type { Server } from './endpoint.ts';
import { note, print, printJson } from './output.ts';
import { naturally } from './queue-rows.ts';
import type { EgressPathAnswer } from './resolve-egress-path.ts';
import { wholeNumber } from './selector.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';
import { ServerMetrics } from './server-metrics.ts';
import { formatCount, formatTable } from './table.ts';

interface ProviderFlags extends ServerFlags {
  byPool?: boolean;
  limit?: number;
  showDomains?: boolean;
}

/** What went to a provider. `undefined`: the server does not measure it. */
export interface ProviderRow {
  provider: string;
  pool?: string;
  delivered?: number;
  transient?: number;
  failed?: number;
  connections?: number;
  queued?: number;
  /** That have queued mail, by name. */
  domains?: string[];
}

/** Domains that the server is asked about for one summary, and how many at a time. */
const MOST_DOMAINS = 1000;
const AT_A_TIME = 8;

/** `moonpost provider-summary` */
export function providerSummaryCommand(): Command {
  const command = serverCommand('provider-summary', 'what was sent to each provider, the busiest first')
    .option('--by-pool', 'each egress pool apart')
    .option('--show-domains', 'the domains of each that have queued mail')
    .option('--limit <count>', 'rows at most', wholeNumber);
  return asks<ProviderFlags>(command, async (server, { json, byPool, limit, showDomains }) => {
    const metrics = await ServerMetrics.of(server, [
      ...(byPool === true ? BY_POOL : BY_PROVIDER).map(([, name]) => name),
      ...(showDomains === true ? ['scheduled_count'] : []),
    ]);
    const rows = providerRows(metrics, byPool === true).slice(0, limit);
    if (showDomains === true) await addDomains(rows, metrics, server);
    if (json === true) printJson(rows);
    else print(formatProviders(rows, byPool === true));
  });
}

type Counted = 'delivered' | 'transient' | 'failed' | 'connections' | 'queued';

const BY_PROVIDER: readonly (readonly [Counted, string])[] = [
  ['delivered', 'total_messages_delivered_by_provider'],
  ['transient', 'total_messages_transfail_by_provider'],
  ['failed', 'total_messages_fail_by_provider'],
  ['connections', 'connection_count_by_provider'],
  ['queued', 'queued_count_by_provider'],
];

const BY_POOL: readonly (readonly [Counted, string])[] = [
  ['delivered', 'total_messages_delivered_by_provider_and_source'],
  ['transient', 'total_messages_transfail_by_provider_and_source'],
  ['failed', 'total_messages_fail_by_provider_and_source'],
  ['connections', 'connection_count_by_provider_and_pool'],
  ['queued', 'queued_count_by_provider_and_pool'],
];

/** By descending volume. */
export function providerRows(metrics: ServerMetrics, byPool: boolean): ProviderRow[] {
  const measured = (byPool ? BY_POOL : BY_PROVIDER).filter(([, name]) => metrics.has(name));
  const none = Object.fromEntries(measured.map(([column]) => [column, 0]));
  const rows = new Map<string, ProviderRow>();
  for (const [column, name] of measured) {
    for (const { labels, value } of metrics.series(name)) {
      const { provider = '', pool = '' } = labels;
      const key = JSON.stringify([provider, pool]);
      const row = rows.get(key) ?? { provider, ...(byPool && { pool }), ...none };
      row[column] = (row[column] ?? 0) + (value as number);
      rows.set(key, row);
    }
  }
  return [...rows.values()].sort(
    (a, b) =>
      volumeOf(b) - volumeOf(a) || naturally(a.provider, b.provider) || naturally(a.pool ?? '', b.pool ?? ''),
  );
}

/** Asks the server for the provider of each domain with queued mail, those with the most first. */
async function addDomains(
  rows: readonly ProviderRow[],
  metrics: ServerMetrics,
  server: Server,
): Promise<void> {
  const counts = new Map<string, number>();
  for (const [queue, count] of metrics.byLabel('scheduled_count')) {
    const { domain, routingDomain = domain } = parseQueueName(queue);
    if (count > 0) counts.set(routingDomain, (counts.get(routingDomain) ?? 0) + count);
  }
  const domains = [...counts.keys()].sort((a, b) => counts.get(b)! - counts.get(a)!);
  if (domains.length > MOST_DOMAINS) {
    note(
      `of ${formatCount(domains.length)} domains the ${formatCount(MOST_DOMAINS)} with the most mail are shown`,
    );
  }
  const byProvider = new Map<string, string[]>();
  const left = domains.slice(0, MOST_DOMAINS);
  const askOne = async (): Promise<void> => {
    for (let domain = left.shift(); domain !== undefined; domain = left.shift()) {
      const provider = await providerOf(domain, server);
      byProvider.set(provider, [...(byProvider.get(provider) ?? []), domain]);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, askOne));
  for (const row of rows) row.domains = (byProvider.get(row.provider) ?? []).sort(naturally);
}

async function providerOf(domain: string, server: Server): Promise<string> {
  const query = { domain };
  const answer = await server.getJson<EgressPathAnswer>('/api/admin/resolve-egress-path/v1', { query });
  const { provider_name: ofPath } = answer.path_config;
  return typeof ofPath === 'string' ? ofPath : answer.site_name;
}

function volumeOf({
  delivered = 0,
  transient = 0,
  failed = 0,
  connections = 0,
  queued = 0,
}: ProviderRow): number {
  return delivered + transient + failed + connections + queued;
}

/** D delivered, T transient failures, F failures, C connections, Q queued. */
export function formatProviders(rows: readonly ProviderRow[], byPool: boolean): string {
  const columns = [
    { title: 'PROVIDER' },
    ...(byPool ? [{ title: 'POOL' }] : []),
    ...['D', 'T', 'F', 'C', 'Q'].map((title) => ({ title, right: true })),
    ...(rows.some(({ domains }) => domains !== undefined) ? [{ title: 'DOMAINS' }] : []),
  ];
  const cells = rows.map((row) => [
    row.provider,
    ...(byPool ? [row.pool ?? ''] : []),
    ...[row.delivered, row.transient, row.failed, row.connections, row.queued].map(formatCount),
    ...(row.domains === undefined ? [] : [row.domains.join(', ')]),
  ]);
  return formatTable(columns, cells);
}
