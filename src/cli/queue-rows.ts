import { parseQueueName, type QueueNameParts, selectsQueue } from '../model/index.ts';
import type { Entry } from './admin-entries.ts';
import type { BounceEntry } from './bounce-list.ts';
import type { Server } from './endpoint.ts';
import { ServerMetrics } from './server-metrics.ts';
import type { ReadyEntry } from './suspend-ready-q-list.ts';

/** As GET /api/admin/ready-q-states/v1 answers. */
interface ReadyStates {
  states_by_ready_queue: Record<string, Record<string, { context: string; since: string }>>;
}

/** What a server says of its queues at one moment. */
export interface QueueAnswers {
  metrics: ServerMetrics;
  suspensions: Entry[];
  bounces: BounceEntry[];
  readySuspensions: ReadyEntry[];
  states: ReadyStates;
}

export async function askForQueues(server: Server): Promise<QueueAnswers> {
  const [metrics, suspensions, bounces, readySuspensions, states] = await Promise.all([
    ServerMetrics.of(server, ASKED),
    server.getJson<Entry[]>('/api/admin/suspend/v1'),
    server.getJson<BounceEntry[]>('/api/admin/bounce/v1'),
    server.getJson<ReadyEntry[]>('/api/admin/suspend-ready-q/v1'),
    server.getJson<ReadyStates>('/api/admin/ready-q-states/v1'),
  ]);
  return { metrics, suspensions, bounces, readySuspensions, states };
}

/** What summaries and the live view are made of. */
const ASKED = [
  'connection_count',
  'memory_usage',
  'message_count',
  'ready_count',
  'scheduled_count',
  'scheduled_count_total',
  'smtp_server_rejections',
  'total_messages_delivered',
  'total_messages_fail',
  'total_messages_received',
  'total_messages_transfail',
];

/** A ready queue, as summaries show it. */
export interface ReadyRow {
  name: string;
  site: string;
  source: string;
  protocol: string;
  delivered: number;
  transient: number;
  connections: number;
  queued: number;
  status: string[];
}

/** A scheduled queue, as summaries show it. */
export interface ScheduledRow {
  queue: string;
  parts: QueueNameParts;
  count: number;
  status: string[];
}

const COUNTED = {
  total_messages_delivered: 'delivered',
  total_messages_transfail: 'transient',
  connection_count: 'connections',
  ready_count: 'queued',
} as const;

/** Every ready queue that a metric knows. A series without a colon is the total of a protocol. */
export function readyRows({ metrics, readySuspensions, states }: QueueAnswers): ReadyRow[] {
  const rows = new Map<string, ReadyRow>();
  for (const [metric, column] of Object.entries(COUNTED)) {
    for (const [service, value] of metrics.byLabel(metric)) {
      const colon = service.indexOf(':');
      const name = service.slice(colon + 1);
      // Listeners have such series too.
      if (colon < 0 || !name.includes('->')) continue;
      let row = rows.get(name);
      if (row === undefined) {
        row = {
          ...splitReadyName(name),
          name,
          delivered: 0,
          transient: 0,
          connections: 0,
          queued: 0,
          status: [],
        };
        rows.set(name, row);
      }
      row[column] += value;
    }
  }
  for (const { name, reason } of readySuspensions) rows.get(name)?.status.push(`🛑suspend: ${reason}`);
  for (const [name, own] of Object.entries(states.states_by_ready_queue)) {
    for (const [state, { context, since }] of Object.entries(own)) {
      rows.get(name)?.status.push(`${state}: ${context} @ ${since}`);
    }
  }
  return [...rows.values()];
}

/** The parts of `SOURCE->SITE@PROTO` (operations.md 5.3). */
function splitReadyName(name: string): { source: string; site: string; protocol: string } {
  const arrow = name.indexOf('->');
  const at = name.lastIndexOf('@');
  const end = at > arrow ? at : name.length;
  return { source: name.slice(0, arrow), site: name.slice(arrow + 2, end), protocol: name.slice(end + 1) };
}

/** Every scheduled queue with messages, and what administrators want of it. */
export function scheduledRows({ metrics, suspensions, bounces }: QueueAnswers): ScheduledRow[] {
  const rows: ScheduledRow[] = [];
  for (const [queue, count] of metrics.byLabel('scheduled_count')) {
    if (count === 0) continue;
    const named = { name: queue, parts: parseQueueName(queue) };
    const selects = (entry: Entry): boolean => selectsQueue(withoutNull(entry), named);
    const suspended = suspensions.filter(selects).map(({ reason }) => `🛑suspend: ${reason}`);
    const bounced = bounces.filter(selects).map(({ reason }) => `🗑️ bounce: ${reason}`);
    rows.push({ queue, parts: named.parts, count, status: [...suspended, ...bounced] });
  }
  return rows;
}

function withoutNull({ campaign, tenant, domain, routing_domain, queue_names }: Entry) {
  return {
    campaign: campaign ?? undefined,
    tenant: tenant ?? undefined,
    domain: domain ?? undefined,
    routing_domain: routing_domain ?? undefined,
    queue_names,
  };
}

/** What a ready queue has to do with, for sorting. */
export function volumeOf({ delivered, transient, connections, queued }: ReadyRow): number {
  return delivered + transient + connections + queued;
}

const natural = new Intl.Collator('en', { numeric: true });

/** The order of names in which mx2 comes before mx10. */
export function naturally(a: string, b: string): number {
  return natural.compare(a, b);
}
