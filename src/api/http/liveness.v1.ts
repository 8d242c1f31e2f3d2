import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { type Refusal, refusalOfLiveness } from '../../model/index.ts';

/** GET /api/check-liveness/v1: 200 `OK`, or 503 with why no mail can be taken (operations.md 14). */
export function liveness(app: FastifyInstance, refusal: () => Refusal | undefined): void {
  const schema = { response: { 200: Type.String(), 503: Type.String() } };
  app.get('/api/check-liveness/v1', { schema }, async (_request, reply) => {
    const reason = refusal();
    void reply.type('text/plain; charset=utf-8');
    return reason === undefined ? 'OK' : reply.code(503).send(refusalOfLiveness(reason));
  });
}
