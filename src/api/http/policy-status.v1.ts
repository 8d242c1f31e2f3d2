import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { PolicyStatus } from '../../model/index.ts';

const status = Type.Object({
  generation: Type.Integer(),
  since: Type.String(),
  policy: Type.String(),
  files: Type.Array(Type.String()),
  events: Type.Array(Type.String()),
  monitored_globs: Type.Array(Type.String()),
  old_generations: Type.Array(Type.Object({ generation: Type.Integer(), running: Type.Integer() })),
  is_building: Type.Boolean(),
  failure: Type.Union([
    Type.Null(),
    Type.Object({ at: Type.String(), error: Type.String(), cause: Type.Array(Type.String()) }),
  ]),
  needs_restart: Type.Array(
    Type.Object({
      change: Type.Union([Type.Literal('added'), Type.Literal('removed'), Type.Literal('changed')]),
      declaration: Type.String(),
      where: Type.String(),
      options: Type.Optional(Type.Array(Type.String())),
    }),
  ),
});

/** GET /api/admin/policy-status/v1, an endpoint of ours: which generation of the policy serves, and what failed. */
export function policyStatus(app: FastifyInstance, ask: () => Promise<PolicyStatus>): void {
  app.get('/api/admin/policy-status/v1', { schema: { response: { 200: status } } }, () => ask());
}
