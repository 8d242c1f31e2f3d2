import type { FastifyInstance } from 'fastify';
import { type Inspect, withoutSecrets } from '../../model/index.ts';
import {
  checkQuery,
  describeMessage,
  flag,
  type Query,
  QueryError,
  refuse,
  requiredText,
} from './inspected.ts';

/** The most messages in one answer, whatever is asked for. */
const MOST_MESSAGES = 10_000;

/**
 * GET /api/admin/inspect-sched-q/v1 (operations.md 5.5): a scheduled queue with its configuration and at most `limit`
 * of its messages. 404 when there is no such queue. `now` in ms since the epoch.
 */
export function inspectScheduledQueue(app: FastifyInstance, inspect: Inspect, now: () => number): void {
  app.get('/api/admin/inspect-sched-q/v1', async (request, reply) => {
    const query = checkQuery(request.query, ['queue_name', 'want_body', 'limit']);
    const name = requiredText(query, 'queue_name');
    const asked = { name, limit: limitIn(query), wantBody: flag(query, 'want_body') };
    const queue = await inspect('inspect-queue', asked);
    if (queue === undefined) return refuse(reply, 404, `no such queue ${name}`);
    const messages = queue.messages.map((message) => ({
      id: message.id,
      message: {
        ...describeMessage(message),
        ...(message.due > 0 && { due: new Date(message.due).toISOString() }),
        num_attempts: message.attempts,
      },
    }));
    return {
      queue_name: name,
      messages,
      num_scheduled: queue.size,
      queue_config: withoutSecrets(queue.config),
      delayed_metric: queue.size,
      now: new Date(now()).toISOString(),
      last_changed: new Date(queue.lastChanged).toISOString(),
    };
  });
}

function limitIn({ limit }: Query): number {
  if (limit === undefined) return MOST_MESSAGES;
  if (typeof limit !== 'string' || !/^\d{1,15}$/.test(limit)) {
    throw new QueryError("parameter 'limit' must be a whole number");
  }
  return Math.min(Number(limit), MOST_MESSAGES);
}
