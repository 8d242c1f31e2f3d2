import type { FastifyInstance } from 'fastify';
import {
  type AdminPort,
  describeRule,
  formatDuration,
  type Inspect,
  type InspectedConnection,
  type Json,
  type ReadyState,
  withoutSecrets,
} from '../../model/index.ts';
import { checkQuery, flag, refuse, requiredText } from './inspected.ts';

/**
 * GET /api/admin/inspect-ready-q/v1 (operations.md 5.9): a ready queue with its connections, its path and what limits
 * it. 404 when there is none of that name. `now` in ms since the epoch.
 */
export function inspectReadyQueue(
  app: FastifyInstance,
  { inspect, admin }: { inspect: Inspect; admin: AdminPort },
  now: () => number,
): void {
  app.get('/api/admin/inspect-ready-q/v1', async (request, reply) => {
    const query = checkQuery(request.query, ['queue_name', 'include_scheduled_queues']);
    const name = requiredText(query, 'queue_name');
    const withQueues =
      query.include_scheduled_queues === undefined || flag(query, 'include_scheduled_queues');
    const queue = await inspect('inspect-ready-queue', { name, withQueues });
    if (queue === undefined) return refuse(reply, 404, `no such queue ${name}`);
    const rules = await admin.list('suspend-ready-q');
    const rule = rules.find((one) => one.rule.selector.queue_names?.includes(name));
    const { states } = queue;
    return {
      queue_name: name,
      mx: null,
      egress_source: queue.source,
      egress_pool: queue.pool,
      protocol: name.includes('@lua:') ? 'lua' : 'smtp_client',
      state: {
        ready_count: queue.ready,
        connection_count: queue.connections.length,
        connection_rate_throttled: stateOrNull(states.connection_rate_throttled),
        connection_limited: stateOrNull(states.connection_limited),
        suspended: rule === undefined ? null : describeRule('suspend-ready-q', rule, now()),
        watchdog_threshold: formatDuration(queue.patience),
      },
      path_config: withoutSecrets(queue.path),
      constraints: queue.ceilings,
      ...(withQueues && { scheduled_queue_names: queue.queues }),
      dispatchers: queue.connections.map((one) => describeConnection(one, now())),
      now: new Date(now()).toISOString(),
    };
  });
}

function stateOrNull(state: ReadyState | undefined): Json {
  return state === undefined ? null : { context: state.context, since: new Date(state.since).toISOString() };
}

function describeConnection(connection: InspectedConnection, now: number): { [key: string]: Json } {
  const age = Math.max(0, now - connection.startedAt);
  return {
    session_id: connection.sessionId,
    started_at: new Date(connection.startedAt).toISOString(),
    age: formatDuration(age),
    phase: connection.phase,
    detail: null,
    time_in_current_phase: formatDuration(Math.max(0, now - connection.phaseSince)),
    messages_delivered: connection.delivered,
    messages_transfailed: connection.transfailed,
    messages_failed: connection.failed,
    delivered_this_connection: connection.deliveredHere,
    overall_rate_per_sec: age === 0 ? 0 : connection.delivered / (age / 1000),
  };
}
