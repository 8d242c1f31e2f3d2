import type { FastifyInstance } from 'fastify';
import { adminBounceOptions } from '../../model/options/index.ts';
import { type RuleParts, ruleEndpoint } from './admin-rules.ts';

/**
 * /api/admin/bounce/v1 (operations.md 5.1): messages of the selected queues bounce. What waits is looked for in the
 * background, so the answer counts none; the list does.
 */
export function bounce(app: FastifyInstance, parts: RuleParts, now: () => number): void {
  const endpoint = {
    path: '/api/admin/bounce/v1',
    kind: 'bounce' as const,
    noun: 'bounce',
    options: adminBounceOptions,
    sweep: true,
    answer: (id: string) => ({ id, bounced: {}, total_bounced: 0 }),
  };
  ruleEndpoint(app, endpoint, parts, now);
}
