import type { FastifyInstance } from 'fastify';
import type { Inspect } from '../../model/index.ts';
import { checkQuery, QueryError, refuse } from './inspected.ts';

/** Of task-dump, ms. */
const TIMEOUT = 5000;
const LONGEST_TIMEOUT = 60_000;

/** GET /api/machine-info (operations.md 5.11): the machine and the node. 503 until that is known. */
export function machineInfo(app: FastifyInstance, inspect: Inspect): void {
  app.get('/api/machine-info', async (request, reply) => {
    checkQuery(request.query, []);
    const machine = await inspect('machine', undefined);
    return machine ?? refuse(reply, 503, 'machine info is not known yet');
  });
}

/** GET /api/admin/memory/stats (operations.md 3): text for people, of no stable form. */
export function memoryStats(app: FastifyInstance, inspect: Inspect): void {
  app.get('/api/admin/memory/stats', async (request, reply) => {
    checkQuery(request.query, []);
    return reply.type('text/plain; charset=utf-8').send(await inspect('memory-stats', undefined));
  });
}

/** GET /api/admin/task-dump (operations.md 3): what every thread is busy with, as text of no stable form. */
export function taskDump(app: FastifyInstance, inspect: Inspect): void {
  app.get('/api/admin/task-dump', async (request, reply) => {
    const { timeout = String(TIMEOUT / 1000) } = checkQuery(request.query, ['timeout']);
    if (typeof timeout !== 'string' || !/^\d{1,6}$/.test(timeout) || Number(timeout) === 0) {
      throw new QueryError("parameter 'timeout' must be a number of seconds");
    }
    const text = await inspect('task-dump', Math.min(Number(timeout) * 1000, LONGEST_TIMEOUT));
    return reply.type('text/plain; charset=utf-8').send(text);
  });
}
