import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyServerOptions,
} from 'fastify';
import type { RebindRequest } from '../../flow/scheduled-queue/index.ts';
import { systemClock } from '../../io/clock/index.ts';
import { asksForWebSocket } from '../../io/websocket/index.ts';
import type {
  AdminPort,
  Inspect,
  OpenTraceOf,
  PolicyStatus,
  Refusal,
  ResolvePath,
  TlsIdentity,
} from '../../model/index.ts';
import type { HttpListenerOptions } from '../../model/options/index.ts';
import { formatHostPort } from '../../protocol/ip/index.ts';
import { abortReadyQueueConnection } from './abort-ready-q-conn.v1.ts';
import { type AccessParts, guardAccess } from './access-guard.ts';
import { bounce } from './bounce.v1.ts';
import { bumpConfigEpoch } from './bump-config-epoch.ts';
import { compressAnswers } from './compressed-answers.ts';
import { limitConnections } from './connection-limits.ts';
import { explainEndpoint } from './explain.v1.ts';
import { refuseForeignPages } from './foreign-page.ts';
import { type InjectionListener, inject } from './inject.v1.ts';
import { inspectMessage } from './inspect-message.v1.ts';
import { inspectReadyQueue } from './inspect-ready-q.v1.ts';
import { inspectScheduledQueue } from './inspect-sched-q.v1.ts';
import { liveness } from './liveness.v1.ts';
import { machineInfo, memoryStats, taskDump } from './machine.ts';
import { metrics, type ReadMetrics } from './metrics.ts';
import { apiDocument, describeEndpoints, type Endpoint } from './openapi.ts';
import { policyStatus } from './policy-status.v1.ts';
import { explorer } from './rapidoc.ts';
import { readyQueueStates } from './ready-q-states.v1.ts';
import { rebind } from './rebind.v1.ts';
import { parseJson, TOO_LARGE, unpackBodies } from './request-body.ts';
import { resolveEgressPath } from './resolve-egress-path.v1.ts';
import { setDiagnosticLogFilter } from './set-diagnostic-log-filter.v1.ts';
import { spoolCompact } from './spool-compact.v1.ts';
import { suspend } from './suspend.v1.ts';
import { suspendReadyQueue } from './suspend-ready-q.v1.ts';
import { traceSmtpClient } from './trace-smtp-client.v1.ts';
import { traceSmtpServer } from './trace-smtp-server.v1.ts';
import { xfer } from './xfer.v1.ts';
import { xferInject } from './xfer-inject.v1.ts';

export interface HttpParts {
  /** Why no mail can be taken now; undefined when it can. */
  refusal: () => Refusal | undefined;
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
  /** Shows the sessions of every shard. */
  openTrace: OpenTraceOf;
  /** Makes messages of requests. */
  injection: InjectionListener['injection'];
  /** Who may ask what. */
  access: AccessParts;
  /** For a listener with TLS: what it shows to clients from now on. Rejects with why there is none. */
  identity?: (() => Promise<TlsIdentity>) | undefined;
  /** Name of this machine, for listeners that name none. */
  hostname: string;
  /** Milliseconds that a request may take to arrive. Default 60,000. */
  requestTimeout?: number;
}

/** A request that takes longer to arrive is answered 408, ms; its headers have to be there sooner. */
const REQUEST_TIMEOUT = 60_000;
const HEADERS_TIMEOUT = 15_000;

export interface HttpServer {
  close(): Promise<void>;
}

/** Node's listen options that fastify passes on; its types know only some of them. */
const SHARED_PORT: object = { reusePort: true };

/**
 * Serves the HTTP API on one listener. Every shard does, on the same port. Rejects when the port cannot be had.
 */
export async function serveHttp(options: HttpListenerOptions, parts: HttpParts): Promise<HttpServer> {
  const { address: host, port } = options.listen;
  const app = await makeHttp(options, parts);
  await app.listen({ host, port, ...SHARED_PORT });
  return { close: () => app.close() };
}

/** The HTTP API of one listener, before it listens. Rejects when its certificate cannot be had. */
export async function makeHttp(options: HttpListenerOptions, parts: HttpParts): Promise<FastifyInstance> {
  const { hostname } = parts;
  const identity = await parts.identity?.();
  const app = makeServer(options, parts, identity);
  const names = [options.hostname ?? hostname, hostname].map((name) => name.toLowerCase());
  const { address, port } = options.listen;
  limitConnections(app, options.trusted_hosts);
  refuseForeignPages(app, names);
  const listener = { name: formatHostPort(address, port), trustedHosts: options.trusted_hosts };
  guardAccess(app, parts.access, listener);
  answerErrors(app);
  unpackBodies(app);
  parseJson(app);
  compressAnswers(app);
  route(app, parts, { injection: parts.injection, via: address, hostname: options.hostname ?? hostname });
  if (identity !== undefined) renewIdentity(app, parts, identity);
  return app;
}

function makeServer(
  { request_body_limit: bodyLimit }: HttpListenerOptions,
  { requestTimeout = REQUEST_TIMEOUT }: HttpParts,
  identity: TlsIdentity | undefined,
): FastifyInstance {
  // Node looks for slow requests only so often.
  const timeouts = {
    connectionsCheckingInterval: Math.ceil(requestTimeout / 4),
    headersTimeout: Math.min(HEADERS_TIMEOUT, requestTimeout),
    requestTimeout,
    handshakeTimeout: HEADERS_TIMEOUT,
    shouldUpgradeCallback: asksForWebSocket,
  };
  const options: FastifyServerOptions = {
    logger: false,
    forceCloseConnections: true,
    // What is not as declared is an error, not something to drop or to bend in silence.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    bodyLimit,
    requestTimeout,
    // Of what no endpoint is found for; the text of fastify would quote the request.
    frameworkErrors: (error, _request, reply) =>
      void (reply as FastifyReply)
        .code(error.statusCode ?? 400)
        .type('text/plain; charset=utf-8')
        .send('Error: invalid request'),
  };
  if (identity === undefined) return fastify({ ...options, http: timeouts });
  const https = { ...timeouts, ...secureContext(identity) };
  // The types of fastify tell servers with TLS from others; what is asked of them here is the same.
  return fastify({ ...options, https } as FastifyServerOptions);
}

function secureContext({ certificate, privateKey }: TlsIdentity): { cert: string; key: string } {
  return { cert: certificate, key: privateKey };
}

/** Certificates that change are shown to connections that come after; one that cannot be used leaves the last. */
function renewIdentity(app: FastifyInstance, { identity, access }: HttpParts, first: TlsIdentity): void {
  const server = app.server as typeof app.server & {
    setSecureContext(context: ReturnType<typeof secureContext>): void;
  };
  let shown = first;
  let told: string | undefined;
  server.on('connection', () => {
    const renew = async (): Promise<void> => {
      const wanted = await identity!();
      if (wanted !== shown) server.setSecureContext(secureContext(wanted));
      shown = wanted;
      told = undefined;
    };
    renew().catch(({ message }: Error) => {
      if (message !== told) access.diagnostics.error('http_server', message);
      told = message;
    });
  });
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
  abortReadyQueueConnection(app, parts.inspect);
  readyQueueStates(app, parts.inspect);
  machineInfo(app, parts.inspect);
  memoryStats(app, parts.inspect);
  taskDump(app, parts.inspect);
  setDiagnosticLogFilter(app, parts.inspect);
  spoolCompact(app, parts.inspect);
  resolveEgressPath(app, parts.resolvePath);
  explainEndpoint(app, parts.inspect);
  traceSmtpServer(app, parts.openTrace);
  traceSmtpClient(app, parts.openTrace);
  inject(app, listener);
  xfer(app, parts);
  xferInject(app, listener);
  apiDocument(app, openApi);
  explorer(app, openApi);
}

/** The OpenAPI document of every endpoint that is served. */
export function openApi(): object {
  return describeEndpoints(endpoints());
}

/** Every endpoint that is served. */
export function endpoints(): Endpoint[] {
  const app = fastify();
  const found: Endpoint[] = [];
  app.addHook('onRoute', ({ method, url, schema }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') found.push({ method: one, path: url, schema });
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
    openTrace: unused,
    injection: { post: unused, receiveTransfer: unused },
    access: {} as AccessParts,
    hostname: '',
  };
  route(app, parts, { ...parts, via: '' });
  return found;
}

function answerErrors(app: FastifyInstance): void {
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type('text/plain; charset=utf-8').send('Error: not found'),
  );
  app.setErrorHandler(async (error: FastifyError, _request, reply) => {
    // operations.md 2.2: JSON of the wrong shape is 422, a query of the wrong shape 400.
    const code = error.validationContext === 'body' ? 422 : (error.statusCode ?? 500);
    // Others match on the text (operations.md 2.2).
    if (code === 413) return reply.code(code).type('text/plain; charset=utf-8').send(TOO_LARGE);
    await reply.code(code).type('text/plain; charset=utf-8').send(`Error: ${error.message}`);
  });
}
