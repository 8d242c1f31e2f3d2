import type { Command } from 'commander';
import { print, printJson } from './output.ts';
import { naturally } from './queue-rows.ts';
import { wholeNumber } from './selector.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';
import { ServerMetrics } from './server-metrics.ts';
import { formatCount, formatTable } from './table.ts';

interface ProviderFlags extends ServerFlags {
  byPool?: boolean;
  limit?: number;
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
}

/** `moonpost provider-summary` */
export function providerSummaryCommand(): Command {
  const command = serverCommand('provider-summary', 'what was sent to each provider, the busiest first')
    .option('--by-pool', 'each egress pool apart')
    .option('--limit <count>', 'rows at most', wholeNumber);
  return asks<ProviderFlags>(command, async (server, { json, byPool, limit }) => {
    const rows = providerRows(await ServerMetrics.of(server), byPool === true).slice(0, limit);
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
  ];
  const cells = rows.map((row) => [
    row.provider,
    ...(byPool ? [row.pool ?? ''] : []),
    ...[row.delivered, row.transient, row.failed, row.connections, row.queued].map(formatCount),
  ]);
  return formatTable(columns, cells);
}
