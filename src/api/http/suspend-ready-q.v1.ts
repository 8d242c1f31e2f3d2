import type { FastifyInstance } from 'fastify';
import { adminSuspendReadyQueueOptions } from '../../model/options/index.ts';
import { type RuleParts, ruleEndpoint } from './admin-rules.ts';

/** /api/admin/suspend-ready-q/v1 (operations.md 5.3): the mail of a ready queue goes by other sources for a while. */
export function suspendReadyQueue(app: FastifyInstance, parts: RuleParts, now: () => number): void {
  const endpoint = {
    path: '/api/admin/suspend-ready-q/v1',
    kind: 'suspend-ready-q' as const,
    noun: 'suspend-ready-q',
    options: adminSuspendReadyQueueOptions,
    sweep: false,
    answer: (id: string) => ({ id }),
  };
  ruleEndpoint(app, endpoint, parts, now);
}
