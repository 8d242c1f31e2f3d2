import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { OpenTraceOf } from '../../model/index.ts';
import { listOf, terse, traceEndpoint } from './trace-endpoint.ts';

const schema = Type.Object({ source_addr: listOf(), terse }, { additionalProperties: false });

/** GET /api/admin/trace-smtp-server/v1 (operations.md 6): what clients of this server say and hear. */
export function traceSmtpServer(app: FastifyInstance, openTrace: OpenTraceOf): void {
  traceEndpoint(app, openTrace, { path: '/api/admin/trace-smtp-server/v1', side: 'server', schema });
}
