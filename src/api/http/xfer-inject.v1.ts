import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { type InjectionListener, originOf } from './inject.v1.ts';
import { BodyError } from './request-body.ts';

const OCTETS = 'application/octet-stream';
/** Any message that a node may have taken; the limit of the listener is about requests for injection, bytes. */
const LARGEST = 256 * 1024 * 1024;

const answer = Type.Object({ id: Type.String() });

/** POST /api/xfer/inject/v1 (operations.md 5.7): a message of another node, which the disk has before the answer. */
export function xferInject(app: FastifyInstance, listener: InjectionListener): void {
  app.addContentTypeParser(OCTETS, { parseAs: 'buffer' }, (request, body, done) => {
    const { takesOctets } = request.routeOptions.config as { takesOctets?: boolean };
    if (takesOctets === true) done(null, body);
    else done(new BodyError(415, `the body cannot be ${OCTETS}`));
  });
  const options = {
    schema: { response: { 200: answer } },
    bodyLimit: LARGEST,
    config: { takesOctets: true },
  };
  app.post('/api/xfer/inject/v1', options, async (request) => {
    if (!Buffer.isBuffer(request.body)) throw new BodyError(415, `the body must be ${OCTETS}`);
    return { id: await listener.injection.receiveTransfer(request.body, originOf(request, listener)) };
  });
}
