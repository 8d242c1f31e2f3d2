import type { FastifyInstance } from 'fastify';
import { CidrSet } from '../../protocol/ip/index.ts';

/** Connections of one listener in one shard. */
const MOST = 4096;
/** Of those, from addresses that are not trusted: administrators get through to a server that is under attack. */
const MOST_FROM_OTHERS = 3072;

/** Whoever connects beyond the limits is hung up on. */
export function limitConnections(
  { server }: Pick<FastifyInstance, 'server'>,
  trustedHosts: readonly string[],
  limits: { most?: number; mostFromOthers?: number } = {},
): void {
  const { most = MOST, mostFromOthers = MOST_FROM_OTHERS } = limits;
  const trusted = new CidrSet(trustedHosts);
  let others = 0;
  server.maxConnections = most;
  server.on('connection', (socket) => {
    if (trusted.has(socket.remoteAddress ?? '')) return;
    others++;
    socket.once('close', () => {
      others--;
    });
    if (others > mostFromOthers) socket.destroy();
  });
}
