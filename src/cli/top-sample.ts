import type { PolicyStatus } from '../model/index.ts';
import type { Server } from './endpoint.ts';
import { askForQueues, type ReadyRow, readyRows, type ScheduledRow, scheduledRows } from './queue-rows.ts';
import { isReadyQueue, type ServerMetrics, sumOf } from './server-metrics.ts';

/** What `moonpost top` shows rates of: messages since the start of the server. */
export const FLOWS = ['received', 'delivered', 'deferred', 'failed', 'rejected'] as const;
export type Flow = (typeof FLOWS)[number];

/** A server at one moment. */
export interface TopSample {
  /** Monotonic ms. */
  at: number;
  totals: Record<Flow, number>;
  messages: number;
  scheduled: number;
  ready: number;
  connectionsIn: number;
  connectionsOut: number;
  /** Bytes; undefined when it is not measured. */
  memory: number | undefined;
  suspensions: number;
  bounces: number;
  readySuspensions: number;
  /** Ready queues that a limit or a rate holds up. */
  heldUp: number;
  readyQueues: ReadyRow[];
  scheduledQueues: ScheduledRow[];
  generation: number;
  /** What is on disk does not serve. */
  policyFailed: boolean;
}

export async function takeSample(server: Server): Promise<TopSample> {
  const [answers, policy] = await Promise.all([
    askForQueues(server),
    server.getJson<PolicyStatus>('/api/admin/policy-status/v1'),
  ]);
  const { metrics, suspensions, bounces, readySuspensions, states } = answers;
  const connections = metrics.byLabel('connection_count');
  return {
    at: performance.now(),
    totals: totalsOf(metrics),
    messages: metrics.number('message_count') ?? 0,
    scheduled: metrics.number('scheduled_count_total') ?? 0,
    ready: sumOf(metrics.byLabel('ready_count'), isReadyQueue),
    connectionsIn: connections.get('esmtp_listener') ?? 0,
    connectionsOut: sumOf(connections, (service) => !isReadyQueue(service) && !isListener(service)),
    memory: metrics.number('memory_usage'),
    suspensions: suspensions.length,
    bounces: bounces.length,
    readySuspensions: readySuspensions.length,
    heldUp: Object.keys(states.states_by_ready_queue).length,
    readyQueues: readyRows(answers),
    scheduledQueues: scheduledRows(answers),
    generation: policy.generation,
    policyFailed: policy.failure !== null,
  };
}

function totalsOf(metrics: ServerMetrics): Record<Flow, number> {
  const total = (name: string): number => sumOf(metrics.byLabel(name), (service) => !isReadyQueue(service));
  return {
    received: total('total_messages_received'),
    delivered: total('total_messages_delivered'),
    deferred: total('total_messages_transfail'),
    failed: total('total_messages_fail'),
    rejected: metrics.byLabel('smtp_server_rejections').get('total') ?? 0,
  };
}

function isListener(service: string): boolean {
  return service === 'esmtp_listener' || service === 'http_listener';
}

/** Per second, between two samples; 0 when the server has been started anew between them. */
export function ratesBetween(before: TopSample, now: TopSample): Record<Flow, number> {
  const seconds = Math.max(now.at - before.at, 1) / 1000;
  const rates = FLOWS.map((flow) => [flow, Math.max(0, now.totals[flow] - before.totals[flow]) / seconds]);
  return Object.fromEntries(rates) as Record<Flow, number>;
}
