import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { formatJson, formatPrometheus, type RegistrySnapshot } from '../../io/metrics/index.ts';

/** GET /metrics and /metrics.json (operations.md 7). `collect` adds up the metrics of every shard. */
export function metrics(app: FastifyInstance, collect: () => Promise<RegistrySnapshot>): void {
  const schema = {
    querystring: Type.Object({ prefix: Type.Optional(Type.String({ pattern: '^[A-Za-z_:]*$' })) }),
  };
  app.get<{ Querystring: { prefix?: string } }>('/metrics', { schema }, async (request, reply) => {
    void reply.type('text/plain; charset=utf-8');
    return formatPrometheus(await collect(), request.query.prefix ?? '');
  });
  app.get('/metrics.json', async (_request, reply) => {
    void reply.type('application/json; charset=utf-8');
    return formatJson(await collect());
  });
}
