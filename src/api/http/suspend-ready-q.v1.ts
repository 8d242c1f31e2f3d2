import type { FastifyInstance } from 'fastify';
import type { AdminPort } from '../../model/index.ts';
import { adminSuspendReadyQueueOptions } from '../../model/options/index.ts';
import { ruleEndpoint } from './admin-rules.ts';

/** /api/admin/suspend-ready-q/v1 (operations.md 5.3): the mail of a ready queue goes by other sources for a while. */
export function suspendReadyQueue(app: FastifyInstance, port: AdminPort, now: () => number): void {
  const endpoint = {
    path: '/api/admin/suspend-ready-q/v1',
    kind: 'suspend-ready-q' as const,
    noun: 'suspend-ready-q',
    options: adminSuspendReadyQueueOptions,
    sweep: false,
    answer: (id: string) => ({ id }),
  };
  ruleEndpoint(app, endpoint, port, now);
}
