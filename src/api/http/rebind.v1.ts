import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { RebindRequest } from '../../flow/scheduled-queue/index.ts';
import type { Inspect } from '../../model/index.ts';
import { describePreview } from './dry-run.ts';

const body = Type.Object(
  {
    campaign: Type.Optional(Type.String()),
    tenant: Type.Optional(Type.String()),
    domain: Type.Optional(Type.String()),
    routing_domain: Type.Optional(Type.String()),
    queue_names: Type.Optional(Type.Array(Type.String())),
    reason: Type.String(),
    data: Type.Record(Type.String(), Type.String()),
    suppress_logging: Type.Boolean({ default: false }),
    trigger_rebind_event: Type.Boolean({ default: false }),
    always_flush: Type.Boolean({ default: false }),
    dry_run: Type.Boolean({ default: false }),
  },
  { additionalProperties: false },
);

/** What this endpoint needs of the process. */
interface RebindParts {
  rebind: (request: RebindRequest) => Promise<void>;
  inspect: Inspect;
}

/**
 * POST /api/admin/rebind/v1 (operations.md 5.6): queued messages are put where changed metadata, or the event
 * rebind_message, says. Answers `{}` when every shard has begun. `queue_names` and `dry_run` are ours.
 */
export function rebind(app: FastifyInstance, parts: RebindParts): void {
  app.post<{ Body: Static<typeof body> }>('/api/admin/rebind/v1', { schema: { body } }, async (request) => {
    const { campaign, tenant, domain, routing_domain, queue_names, ...asked } = request.body;
    const selector = { campaign, tenant, domain, routing_domain, queue_names };
    if (asked.dry_run)
      return describePreview(await parts.inspect('preview', { kind: 'scheduled', selector }));
    await parts.rebind({
      selector,
      reason: asked.reason,
      data: asked.data,
      triggerEvent: asked.trigger_rebind_event,
      alwaysFlush: asked.always_flush,
      suppressLogging: asked.suppress_logging,
    });
    return {};
  });
}
