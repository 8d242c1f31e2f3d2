import type { FastifyInstance } from 'fastify';
import type { Inspect, ReadyState } from '../../model/index.ts';
import { checkQuery } from './inspected.ts';

/**
 * GET /api/admin/ready-q-states/v1 (operations.md 5.8): what holds up ready queues, all of them or those of `queues`,
 * which may be given several times.
 */
export function readyQueueStates(app: FastifyInstance, inspect: Inspect): void {
  app.get('/api/admin/ready-q-states/v1', async (request) => {
    const { queues } = checkQuery(request.query, ['queues']);
    const names = queues === undefined ? undefined : new Set([queues].flat());
    const states: Record<string, object> = {};
    for (const [name, own] of await inspect('ready-states', undefined)) {
      if (names !== undefined && !names.has(name)) continue;
      const shown = Object.entries(own as Record<string, ReadyState>).map(([state, { context, since }]) => [
        state,
        { context, since: new Date(since).toISOString() },
      ]);
      states[name] = Object.fromEntries(shown);
    }
    return { states_by_ready_queue: states };
  });
}
