import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { RebindRequest } from '../../flow/scheduled-queue/index.ts';

const body = Type.Object(
  {
    campaign: Type.Optional(Type.String()),
    tenant: Type.Optional(Type.String()),
    domain: Type.Optional(Type.String()),
    routing_domain: Type.Optional(Type.String()),
    reason: Type.String(),
    data: Type.Record(Type.String(), Type.String()),
    suppress_logging: Type.Boolean({ default: false }),
    trigger_rebind_event: Type.Boolean({ default: false }),
    always_flush: Type.Boolean({ default: false }),
  },
  { additionalProperties: false },
);

/**
 * POST /api/admin/rebind/v1 (operations.md 5.6): queued messages are put where changed metadata, or the event
 * rebind_message, says. Answers `{}` when every shard has begun.
 */
export function rebind(app: FastifyInstance, begin: (request: RebindRequest) => Promise<void>): void {
  app.post<{ Body: Static<typeof body> }>('/api/admin/rebind/v1', { schema: { body } }, async (request) => {
    const { campaign, tenant, domain, routing_domain, ...asked } = request.body;
    await begin({
      selector: { campaign, tenant, domain, routing_domain },
      reason: asked.reason,
      data: asked.data,
      triggerEvent: asked.trigger_rebind_event,
      alwaysFlush: asked.always_flush,
      suppressLogging: asked.suppress_logging,
    });
    return {};
  });
}
