import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type Injection, injectionSchema, type Origin } from '../../flow/http-injection/index.ts';
import { peerOf } from './access-guard.ts';

const answer = Type.Object({
  success_count: Type.Integer(),
  fail_count: Type.Integer(),
  failed_recipients: Type.Array(Type.String()),
  errors: Type.Array(Type.String()),
});

/** Where requests come in. */
export interface InjectionListener {
  injection: Pick<Injection, 'post' | 'receiveTransfer'>;
  /** Address of the listener, without port. */
  via: string;
  hostname: string;
}

/** POST /api/inject/v1 (operations.md 4): one message for each recipient, which the disk has before the answer. */
export function inject(app: FastifyInstance, { injection, via, hostname }: InjectionListener): void {
  const schema = { body: injectionSchema, response: { 200: answer } };
  // The room checks the request, keys such as `__proto__` too, so that policy is told the same.
  const validatorCompiler = () => () => true;
  app.post('/api/inject/v1', { schema, validatorCompiler, config: { plainJson: true } }, (request) => {
    return injection.post(request.body, originOf(request, { via, hostname }));
  });
}

/** Who sends a request, as messages and policy are told. */
export function originOf(
  request: FastifyRequest,
  { via, hostname }: Pick<InjectionListener, 'via' | 'hostname'>,
): Origin {
  const { identities, groups } = request.auth;
  const peer = peerOf(request);
  const auth = { peer_address: peer, identities: identities.map((one) => ({ ...one })), groups };
  return { peer, via, hostname, auth };
}
