import type { FastifyInstance } from 'fastify';

/**
 * POST /api/admin/bump-config-epoch: the policy is read again although no file changed (operations.md 3). 200 and
 * nothing else, at once: what comes of it is in the policy status.
 */
export function bumpConfigEpoch(app: FastifyInstance, bump: () => Promise<void>): void {
  app.post('/api/admin/bump-config-epoch', async (_request, reply) => {
    await bump();
    return reply.code(200).send();
  });
}
