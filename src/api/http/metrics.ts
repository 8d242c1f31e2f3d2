import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { MetricsRequest } from '../../io/metrics/index.ts';

/** Reads the metrics of the process in pieces. What is begun and not wanted any more is given up by `return`. */
export type ReadMetrics = (request: MetricsRequest) => AsyncGenerator<Uint8Array>;

/** GET /metrics and /metrics.json (operations.md 7), of every shard, as a stream. */
export function metrics(app: FastifyInstance, read: ReadMetrics): void {
  const schema = {
    querystring: Type.Object({
      prefix: Type.Optional(Type.String({ pattern: '^([A-Za-z_:][A-Za-z0-9_:]*)?$' })),
      names: Type.Optional(Type.String({ pattern: '^[a-z_,]*$' })),
    }),
  };
  const forms = [
    { path: '/metrics', format: 'text', type: 'text/plain; charset=utf-8' },
    { path: '/metrics.json', format: 'json', type: 'application/json; charset=utf-8' },
  ] as const;
  for (const { path, format, type } of forms) {
    app.get<{ Querystring: { prefix?: string; names?: string } }>(path, { schema }, (request, reply) => {
      const { prefix = '', names } = request.query;
      return send(reply, type, read({ format, prefix, names: names?.split(',') }));
    });
  }
}

/** The first piece is waited for, so that a failure until then is an answer of its own. */
async function send(
  reply: FastifyReply,
  type: string,
  pieces: AsyncGenerator<Uint8Array>,
): Promise<FastifyReply> {
  const first = await pieces.next();
  const all = async function* (): AsyncGenerator<Uint8Array> {
    try {
      if (first.done !== true) yield first.value;
      yield* pieces;
    } finally {
      await pieces.return(undefined);
    }
  };
  return reply.type(type).send(Readable.from(all()));
}
