import type { Command } from 'commander';
import type { Server } from './endpoint.ts';
import { print, printJson } from './output.ts';
import {
  askForQueues,
  naturally,
  type QueueAnswers,
  type ReadyRow,
  readyRows,
  type ScheduledRow,
  scheduledRows,
  volumeOf,
} from './queue-rows.ts';
import type { EgressPathAnswer } from './resolve-egress-path.ts';
import { wholeNumber } from './selector.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';
import { formatCount, formatTable } from './table.ts';

interface SummaryFlags extends ServerFlags {
  limit?: number;
  byVolume?: boolean;
  domain?: string;
}

/** `moonpost queue-summary` */
export function queueSummaryCommand(): Command {
  const command = serverCommand('queue-summary', 'ready queues, scheduled queues, and what holds them up')
    .option('--limit <count>', 'queues at most, of each kind', wholeNumber)
    .option('--by-volume', 'the busiest first, instead of by name')
    .option('--domain <name>', 'queues of this domain, and the ready queues of its site');
  return asks<SummaryFlags>(command, async (server, flags) => {
    const { domain, json } = flags;
    const sites = domain === undefined ? undefined : await sitesOf(server, domain);
    const { ready, scheduled } = summarize(await askForQueues(server), flags, sites);
    if (json === true) printJson({ ready, scheduled: scheduled.map(({ parts: _, ...row }) => row) });
    else print(formatSummary(ready, scheduled));
  });
}

/** The domain itself, and the site that it has for the server. */
async function sitesOf(server: Server, domain: string): Promise<Set<string>> {
  const query = { domain };
  const { site_name } = await server.getJson<EgressPathAnswer>('/api/admin/resolve-egress-path/v1', {
    query,
  });
  return new Set([domain, site_name]);
}

/** The queues to show. `sites`: those of the domain that is asked for. */
export function summarize(
  answers: QueueAnswers,
  { limit, byVolume, domain }: SummaryFlags,
  sites: ReadonlySet<string> | undefined,
): { ready: ReadyRow[]; scheduled: ScheduledRow[] } {
  const ready = readyRows(answers).filter(({ site }) => sites === undefined || sites.has(site));
  const scheduled = scheduledRows(answers).filter(
    ({ parts }) => domain === undefined || parts.domain === domain || parts.routingDomain === domain,
  );
  ready.sort((a, b) => (byVolume === true && volumeOf(b) - volumeOf(a)) || naturally(a.name, b.name));
  scheduled.sort((a, b) => (byVolume === true && b.count - a.count) || naturally(a.queue, b.queue));
  return { ready: ready.slice(0, limit), scheduled: scheduled.slice(0, limit) };
}

const READY_COLUMNS = [
  { title: 'SITE' },
  { title: 'SOURCE' },
  { title: 'PROTO' },
  { title: 'D', right: true },
  { title: 'T', right: true },
  { title: 'C', right: true },
  { title: 'Q', right: true },
  { title: '' },
];

const SCHEDULED_COLUMNS = [{ title: 'SCHEDULED QUEUE' }, { title: 'COUNT', right: true }, { title: '' }];

/** D delivered, T transient failures, C connections, Q queued. */
export function formatSummary(ready: readonly ReadyRow[], scheduled: readonly ScheduledRow[]): string {
  const readyCells = ready.map(
    ({ site, source, protocol, delivered, transient, connections, queued, status }) => [
      site,
      source,
      protocol,
      ...[delivered, transient, connections, queued].map(formatCount),
      status.join(', '),
    ],
  );
  const scheduledCells = scheduled.map(({ queue, count, status }) => [
    queue,
    formatCount(count),
    status.join(', '),
  ]);
  return `${formatTable(READY_COLUMNS, readyCells)}\n${formatTable(SCHEDULED_COLUMNS, scheduledCells)}`;
}
