import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { RebindRequest } from '../../flow/scheduled-queue/index.ts';
import { type Inspect, parseTransferTarget, type QueueSelector, transferTarget } from '../../model/index.ts';
import { describePreview } from './dry-run.ts';
import { QueryError, refuse } from './inspected.ts';

const body = Type.Object(
  {
    campaign: Type.Optional(Type.String()),
    tenant: Type.Optional(Type.String()),
    domain: Type.Optional(Type.String()),
    routing_domain: Type.Optional(Type.String()),
    queue_names: Type.Optional(Type.Array(Type.String())),
    reason: Type.String(),
    target: Type.String(),
    dry_run: Type.Boolean({ default: false }),
  },
  { additionalProperties: false },
);

const cancelBody = Type.Object(
  { queue_name: Type.String(), reason: Type.String(), dry_run: Type.Boolean({ default: false }) },
  { additionalProperties: false },
);

/** What these endpoints need of the process. */
interface XferParts {
  rebind: (request: RebindRequest) => Promise<void>;
  inspect: Inspect;
}

/**
 * POST /api/admin/xfer/v1 and /api/admin/xfer/cancel/v1 (operations.md 5.7): messages go to another node, or those
 * that wait for it come back into their queues. Answered `{}` when every shard has begun. `dry_run` is ours.
 */
export function xfer(app: FastifyInstance, parts: XferParts): void {
  app.post<{ Body: Static<typeof body> }>('/api/admin/xfer/v1', { schema: { body } }, async (request) => {
    const { campaign, tenant, domain, routing_domain, queue_names, reason, dry_run } = request.body;
    const selector = { campaign, tenant, domain, routing_domain, queue_names };
    const to = targetOf(request.body.target);
    if (dry_run) return describePreview(await parts.inspect('preview', { kind: 'scheduled', selector }));
    await parts.rebind(transferRequest(selector, reason, { to }));
    return {};
  });
  const schema = { body: cancelBody };
  app.post<{ Body: Static<typeof cancelBody> }>(
    '/api/admin/xfer/cancel/v1',
    { schema },
    async (request, reply) => {
      const { queue_name: name, reason, dry_run } = request.body;
      if (transferTarget(name) === undefined) return refuse(reply, 400, `${name} is not an xfer queue`);
      const queue = await parts.inspect('inspect-queue', { name, limit: 0, wantBody: false });
      if (queue === undefined) return refuse(reply, 404, `no such queue ${name}`);
      const selector = { queue_names: [name] };
      if (dry_run) return describePreview(await parts.inspect('preview', { kind: 'scheduled', selector }));
      await parts.rebind(transferRequest(selector, reason, 'cancel'));
      return {};
    },
  );
}

function targetOf(text: string): string {
  try {
    return parseTransferTarget(text);
  } catch (error) {
    throw new QueryError((error as Error).message);
  }
}

function transferRequest(
  selector: QueueSelector,
  reason: string,
  transfer: NonNullable<RebindRequest['transfer']>,
): RebindRequest {
  const unused = { data: {}, triggerEvent: false, alwaysFlush: false };
  return { selector, reason, transfer, suppressLogging: false, ...unused };
}
