import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Inspect } from '../../model/index.ts';
import { splitDryRun } from './dry-run.ts';
import { refuse } from './inspected.ts';

const body = Type.Object(
  { name: Type.String(), dry_run: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
);

/** Both names stand for the one log of each shard. */
const SPOOLS = new Set(['data', 'meta']);

/**
 * POST /api/admin/spool-compact/v1 (operations.md 3): the spool gives back what space it can; answered when that is
 * done. 500 when there is no such spool.
 */
export function spoolCompact(app: FastifyInstance, inspect: Inspect): void {
  const path = '/api/admin/spool-compact/v1';
  app.post<{ Body: Static<typeof body> }>(path, { schema: { body } }, async (request, reply) => {
    const { name } = request.body;
    if (!SPOOLS.has(name)) return refuse(reply, 500, `no such spool ${name}: expected data or meta`);
    if (!splitDryRun(request.body).dryRun) await inspect('compact-spool', undefined);
    return reply.code(200).send();
  });
}
