import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isIpAddress } from '../../protocol/ip/index.ts';

/** RFC 3986 §3.2.2, without what nobody names a machine: a name or an address, and a port. */
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])?(?::\d{0,5})?$/;

/**
 * Refuses what a browser sends for a page of somebody else, and requests that say in two ways whom they are for. This
 * machine is trusted, and a browser on it would do what any page tells it to. `names` are those of this server.
 */
export function refuseForeignPages(app: FastifyInstance, names: readonly string[]): void {
  app.addHook('onRequest', async (request, reply) => {
    const refuse = (code: number, why: string): FastifyReply =>
      reply.code(code).header('connection', 'close').type('text/plain; charset=utf-8').send(`Error: ${why}`);
    if (!isOneHost(request)) return refuse(400, 'invalid Host header');
    const changes = request.method !== 'GET';
    if (changes && isFromForeignPage(request.headers, names))
      return refuse(403, 'not allowed from a web page');
  });
}

/** RFC 9112 §3.2: one valid field; what stands between here and the client might have gone by another. */
function isOneHost({ raw, headers }: FastifyRequest): boolean {
  const count = raw.rawHeaders.filter((name, index) => index % 2 === 0 && /^host$/i.test(name)).length;
  return count <= 1 && HOST.test(headers.host ?? '');
}

function isFromForeignPage(headers: FastifyRequest['headers'], names: readonly string[]): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin, host = '' } = headers;
  if (origin === undefined) return false;
  // A page may give its own name any address, that of this machine too; then both are that name.
  return origin.replace(/^https?:\/\//, '') !== host || !isOwn(host, names);
}

function isOwn(host: string, names: readonly string[]): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase();
  return name === 'localhost' || names.includes(name) || isIpAddress(name.replace(/^\[|\]$/g, ''));
}
