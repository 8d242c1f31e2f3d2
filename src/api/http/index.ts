import fastify, { type FastifyInstance } from 'fastify';
import type { RegistrySnapshot } from '../../io/metrics/index.ts';
import type { HttpListenerOptions } from '../../model/options/index.ts';
import { CidrSet } from '../../protocol/ip/index.ts';
import { liveness } from './liveness.v1.ts';
import { metrics } from './metrics.ts';

export interface HttpParts {
  /** Why no mail can be taken now; undefined when it can. */
  refusal: () => string | undefined;
  /** The metrics of every shard, added up. */
  collectMetrics: () => Promise<RegistrySnapshot>;
}

export interface HttpServer {
  close(): Promise<void>;
}

/** Endpoints that anybody may ask (operations.md 2.4); the others are for trusted hosts. */
const OPEN_PATHS = new Set(['/api/check-liveness/v1']);

/** Node's listen options that fastify passes on; its types know only some of them. */
const SHARED_PORT: object = { reusePort: true };

/**
 * Serves the HTTP API on one listener. Every shard does, on the same port. Rejects when the port cannot be had.
 */
export async function serveHttp(options: HttpListenerOptions, parts: HttpParts): Promise<HttpServer> {
  const app = fastify({ logger: false, forceCloseConnections: true });
  guard(app, new CidrSet(options.trusted_hosts));
  liveness(app, parts.refusal);
  metrics(app, parts.collectMetrics);
  const { address, port } = options.listen;
  await app.listen({ host: address, port, ...SHARED_PORT });
  return { close: () => app.close() };
}

function guard(app: FastifyInstance, trusted: CidrSet): void {
  app.addHook('onRequest', async (request, reply) => {
    const path = request.url.split('?')[0]!;
    if (OPEN_PATHS.has(path) || trusted.has(request.ip)) return;
    await reply.code(403).type('text/plain; charset=utf-8').send('Error: not allowed from this address');
  });
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    const code = error.statusCode ?? 500;
    await reply.code(code).type('text/plain; charset=utf-8').send(`Error: ${error.message}`);
  });
}
