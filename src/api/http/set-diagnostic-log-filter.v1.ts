import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Inspect } from '../../model/index.ts';

const body = Type.Object({ filter: Type.String() }, { additionalProperties: false });

/**
 * POST /api/admin/set_diagnostic_log_filter/v1 (operations.md 3): which diagnostic lines every thread writes from now
 * on. 500 with what is wrong with the filter.
 */
export function setDiagnosticLogFilter(app: FastifyInstance, inspect: Inspect): void {
  const path = '/api/admin/set_diagnostic_log_filter/v1';
  app.post<{ Body: Static<typeof body> }>(path, { schema: { body } }, async (request, reply) => {
    await inspect('set-log-filter', request.body.filter);
    return reply.code(200).send();
  });
}
