import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Inspect } from '../../model/index.ts';
import { refuse } from './inspected.ts';

const body = Type.Object(
  { queue_name: Type.String(), session_id: Type.String(), dry_run: Type.Boolean({ default: false }) },
  { additionalProperties: false },
);

/**
 * POST /api/admin/abort-ready-q-conn/v1 (operations.md 3): ends a connection at once. Messages that it had in hand go
 * back uncounted, and a new connection takes its place. 404 when there is no such queue or session.
 */
export function abortReadyQueueConnection(app: FastifyInstance, inspect: Inspect): void {
  const path = '/api/admin/abort-ready-q-conn/v1';
  app.post<{ Body: Static<typeof body> }>(path, { schema: { body } }, async (request, reply) => {
    const { queue_name: queue, dry_run } = request.body;
    const sessionId = request.body.session_id.toLowerCase();
    const result = dry_run
      ? await lookFor(inspect, queue, sessionId)
      : await inspect('abort-connection', { queue, sessionId });
    if (result === 'no-queue') return refuse(reply, 404, `no such queue ${queue}`);
    if (result === 'no-session')
      return refuse(reply, 404, `${queue} has no connection with session ${sessionId}`);
    const text = dry_run ? `would abort ${sessionId}` : `aborted ${sessionId}`;
    return reply.type('text/plain; charset=utf-8').send(text);
  });
}

async function lookFor(
  inspect: Inspect,
  name: string,
  sessionId: string,
): Promise<'found' | 'no-session' | 'no-queue'> {
  const queue = await inspect('inspect-ready-queue', { name, withQueues: false });
  if (queue === undefined) return 'no-queue';
  return queue.connections.some((one) => one.sessionId === sessionId) ? 'found' : 'no-session';
}
