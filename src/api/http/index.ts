import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { RebindRequest } from '../../flow/scheduled-queue/index.ts';
import { systemClock } from '../../io/clock/index.ts';
import type { AdminPort, Inspect, PolicyStatus, ResolvePath } from '../../model/index.ts';
import type { HttpListenerOptions } from '../../model/options/index.ts';
import { CidrSet } from '../../protocol/ip/index.ts';
import { bounce } from './bounce.v1.ts';
import { bumpConfigEpoch } from './bump-config-epoch.ts';
import { explainEndpoint } from './explain.v1.ts';
import { type InjectionListener, inject } from './inject.v1.ts';
import { inspectMessage } from './inspect-message.v1.ts';
import { inspectReadyQueue } from './inspect-ready-q.v1.ts';
import { inspectScheduledQueue } from './inspect-sched-q.v1.ts';
import { liveness } from './liveness.v1.ts';
import { metrics, type ReadMetrics } from './metrics.ts';
import { policyStatus } from './policy-status.v1.ts';
import { readyQueueStates } from './ready-q-states.v1.ts';
import { rebind } from './rebind.v1.ts';
import { parseJson, TOO_LARGE, unpackBodies } from './request-body.ts';
import { resolveEgressPath } from './resolve-egress-path.v1.ts';
import { setDiagnosticLogFilter } from './set-diagnostic-log-filter.v1.ts';
import { spoolCompact } from './spool-compact.v1.ts';
import { suspend } from './suspend.v1.ts';
import { suspendReadyQueue } from './suspend-ready-q.v1.ts';

export interface HttpParts {
  /** Why no mail can be taken now; undefined when it can. */
  refusal: () => string | undefined;
  /** The metrics of every shard, added up. */
  readMetrics: ReadMetrics;
  policyStatus: () => Promise<PolicyStatus>;
  /** Begins the next epoch of the configuration. */
  bumpConfigEpoch: () => Promise<void>;
  /** Puts queued messages elsewhere; resolves when every shard has begun. */
  rebind: (request: RebindRequest) => Promise<void>;
  /** The rules of the administrators, in every shard. */
  admin: AdminPort;
  /** What is in the queues of every shard. */
  inspect: Inspect;
  /** How mail to a domain goes from a source. */
  resolvePath: ResolvePath;
  /** Makes messages of requests. */
  injection: InjectionListener['injection'];
  /** Name of this machine, for listeners that name none. */
  hostname: string;
  /** Milliseconds that a request may take to arrive. Default 60,000. */
  requestTimeout?: number;
}

/** A request that takes longer to arrive is answered 408, ms. */
const REQUEST_TIMEOUT = 60_000;

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
  // What is not as declared is an error, not something to drop or to bend in silence.
  const ajv = { customOptions: { removeAdditional: false, coerceTypes: false } as const };
  const { requestTimeout = REQUEST_TIMEOUT, hostname } = parts;
  const bodyLimit = options.request_body_limit;
  // Node looks for slow requests only so often, and takes the longer timeout for that of the body.
  const http = {
    connectionsCheckingInterval: Math.ceil(requestTimeout / 4),
    headersTimeout: requestTimeout,
    requestTimeout,
  };
  const app = fastify({ logger: false, forceCloseConnections: true, ajv, bodyLimit, requestTimeout, http });
  guard(app, new CidrSet(options.trusted_hosts));
  unpackBodies(app);
  parseJson(app);
  const { address, port } = options.listen;
  route(app, parts, { injection: parts.injection, via: address, hostname: options.hostname ?? hostname });
  await app.listen({ host: address, port, ...SHARED_PORT });
  return { close: () => app.close() };
}

function route(app: FastifyInstance, parts: HttpParts, listener: InjectionListener): void {
  liveness(app, parts.refusal);
  metrics(app, parts.readMetrics);
  policyStatus(app, parts.policyStatus);
  bumpConfigEpoch(app, parts.bumpConfigEpoch);
  rebind(app, parts);
  bounce(app, parts, systemClock.now);
  suspend(app, parts, systemClock.now);
  suspendReadyQueue(app, parts, systemClock.now);
  inspectMessage(app, parts.inspect);
  inspectScheduledQueue(app, parts.inspect, systemClock.now);
  inspectReadyQueue(app, parts, systemClock.now);
  readyQueueStates(app, parts.inspect);
  setDiagnosticLogFilter(app, parts.inspect);
  spoolCompact(app, parts.inspect);
  resolveEgressPath(app, parts.resolvePath);
  explainEndpoint(app, parts.inspect);
  inject(app, listener);
}

/** Every endpoint that is served. */
export function endpoints(): { method: string; path: string }[] {
  const app = fastify();
  const found: { method: string; path: string }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') found.push({ method: one, path: url });
  });
  const unused = (): never => {
    throw new Error('nobody asks a server that does not listen');
  };
  const parts = {
    refusal: unused,
    readMetrics: unused,
    policyStatus: unused,
    bumpConfigEpoch: unused,
    rebind: unused,
    admin: { put: unused, list: unused, delete: unused },
    inspect: unused,
    resolvePath: unused,
    injection: { post: unused },
    hostname: '',
  };
  route(app, parts, { ...parts, via: '' });
  return found;
}

function guard(app: FastifyInstance, trusted: CidrSet): void {
  app.addHook('onRequest', (request, reply, done) => {
    const path = request.url.split('?')[0]!;
    if (OPEN_PATHS.has(path) || trusted.has(request.ip)) done();
    else reply.code(403).type('text/plain; charset=utf-8').send('Error: not allowed from this address');
  });
  app.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'GET' || !isFromForeignPage(request.headers)) done();
    else reply.code(403).type('text/plain; charset=utf-8').send('Error: not allowed from a web page');
  });
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    const code = error.statusCode ?? 500;
    // Others match on the text (operations.md 2.2).
    if (code === 413) return reply.code(code).type('text/plain; charset=utf-8').send(TOO_LARGE);
    await reply.code(code).type('text/plain; charset=utf-8').send(`Error: ${error.message}`);
  });
}

/**
 * Whether a browser sent this for a page of somebody else. This machine is trusted, and a browser on it would do
 * what any page tells it to.
 */
function isFromForeignPage(headers: FastifyRequest['headers']): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin, host } = headers;
  return origin !== undefined && origin.replace(/^https?:\/\//, '') !== host;
}
