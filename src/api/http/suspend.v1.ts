import type { FastifyInstance } from 'fastify';
import { adminSuspendOptions } from '../../model/options/index.ts';
import { type RuleParts, ruleEndpoint } from './admin-rules.ts';

/** /api/admin/suspend/v1 (operations.md 5.2): nothing of the selected scheduled queues is delivered for a while. */
export function suspend(app: FastifyInstance, parts: RuleParts, now: () => number): void {
  const endpoint = {
    path: '/api/admin/suspend/v1',
    kind: 'suspend' as const,
    noun: 'suspend',
    options: adminSuspendOptions,
    sweep: false,
    answer: (id: string) => ({ id }),
  };
  ruleEndpoint(app, endpoint, parts, now);
}
