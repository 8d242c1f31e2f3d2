import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type AccessControl,
  AccessError,
  type AccessResource,
  type AccessVerdict,
  type AuditLog,
  describeAuth,
  httpResource,
  TRUSTED_GROUP,
} from '../../model/access/index.ts';
import type { AuthInfo, Clock, Diagnostics, PolicyEvents } from '../../model/index.ts';
import { CidrSet } from '../../protocol/ip/index.ts';
import { Authentication } from './authentication.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent it, once that is known. */
    auth: AuthInfo;
  }
}

export interface AccessParts {
  policy: PolicyEvents;
  clock: Pick<Clock, 'monotonic' | 'now'>;
  diagnostics: Diagnostics;
  /** Number of the configuration epoch. */
  epoch: () => number;
  control: AccessControl;
  /** Where decisions are written; undefined when nobody wants that. */
  audit?: AuditLog | undefined;
}

export interface GuardedListener {
  /** `IP:PORT`, as resources name it. */
  name: string;
  trustedHosts: readonly string[];
}

/**
 * Finds out who sends each request and whether that may be (operations.md 2.3, 2.4), before its body is read. What
 * decides is the path of the endpoint that would answer, however the request spells it.
 */
export function guardAccess(app: FastifyInstance, parts: AccessParts, listener: GuardedListener): void {
  const trusted = new CidrSet(listener.trustedHosts);
  const authentication = new Authentication(parts);
  const resourceOf = listenerResources(listener.name);
  app.decorateRequest('auth', null as unknown as AuthInfo);
  app.addHook('onRequest', async (request, reply) => {
    const peer = peerOf(request);
    const info: AuthInfo = {
      peer_address: peer,
      identities: [],
      groups: trusted.has(peer) ? [TRUSTED_GROUP] : [],
    };
    request.auth = info;
    if (parts.audit?.isStalled === true) return refuse(reply, 503, 'the audit log cannot be written');
    const refusal =
      (await authenticate(authentication, request, parts)) ?? (await authorize(request, parts, resourceOf));
    if (refusal !== undefined) return refuse(reply, refusal.code, refusal.text);
  });
}

interface Refusal {
  code: number;
  text: string;
}

const FAILED: Refusal = { code: 500, text: 'try again later' };

async function authenticate(
  authentication: Authentication,
  request: FastifyRequest,
  parts: AccessParts,
): Promise<Refusal | undefined> {
  const found = await authentication.check(request.headers.authorization);
  if (found.kind === 'none') return undefined;
  if (found.kind === 'unreadable') return { code: 400, text: 'invalid Authorization header' };
  if (found.kind === 'failed') return FAILED;
  if (found.kind === 'right') {
    request.auth.identities.push(...found.info.identities);
    request.auth.groups.push(...found.info.groups.filter((group) => !request.auth.groups.includes(group)));
  }
  parts.audit?.write({
    type: 'Authentication',
    timestamp: new Date(parts.clock.now()).toISOString(),
    attempted_identity: found.attempted,
    success: found.kind === 'right',
    auth_info: request.auth,
  });
  return found.kind === 'wrong' ? { code: 401, text: found.text } : undefined;
}

async function authorize(
  request: FastifyRequest,
  parts: AccessParts,
  resourceOf: (request: FastifyRequest) => AccessResource,
): Promise<Refusal | undefined> {
  const { auth } = request;
  const resource = resourceOf(request);
  // RFC 9110 §9.3.2: HEAD is GET without the content.
  const privilege = request.method === 'HEAD' ? 'GET' : request.method;
  let verdict: AccessVerdict;
  try {
    verdict = await parts.control.decide(resource, auth, privilege, (event, args) =>
      parts.policy.fire(event, args),
    );
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    parts.diagnostics.error('http_server', error.message);
    return FAILED;
  }
  const { allow, rule, resource: matching, considered } = verdict;
  parts.audit?.write({
    type: 'Authorization',
    timestamp: new Date(parts.clock.now()).toISOString(),
    target_resource: resource.name,
    privilege,
    access: allow ? 'Allow' : 'Deny',
    ...(matching !== undefined && { matching_resource: matching }),
    ...(rule !== undefined && { rule }),
    auth_info: auth,
    considered_resources: considered,
  });
  if (allow) return undefined;
  const how = rule === undefined ? 'not permitted' : 'denied';
  return { code: 401, text: `${describeAuth(auth)} ${how} ${privilege} on ${resource.name}` };
}

/** What requests are for; those of endpoints are made once. */
function listenerResources(listener: string): (request: FastifyRequest) => AccessResource {
  const known = new Map<string, AccessResource>();
  return ({ routeOptions: { url: path }, url }) => {
    if (path === undefined) return httpResource(listener, url);
    const resource = known.get(path) ?? httpResource(listener, path);
    known.set(path, resource);
    return resource;
  };
}

function refuse(reply: FastifyReply, code: number, text: string): FastifyReply {
  // RFC 9110 §11.6.1: 401 says how one may show who one is.
  if (code === 401) void reply.header('www-authenticate', 'Basic realm="moonpost", charset="UTF-8"');
  // The body that follows is nothing to wait for.
  return reply.code(code).header('connection', 'close').type('text/plain; charset=utf-8').send(text);
}

/** The address of the client; a listener on `::` gives those of IPv4 in the form of IPv6. */
export function peerOf({ ip }: Pick<FastifyRequest, 'ip'>): string {
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice('::ffff:'.length) : ip;
}
