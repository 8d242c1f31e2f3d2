import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { OpenTraceOf } from '../../model/index.ts';
import { listOf, terse, traceEndpoint } from './trace-endpoint.ts';

const schema = Type.Object(
  {
    campaign: listOf(),
    tenant: listOf(),
    domain: listOf(),
    routing_domain: listOf(),
    egress_pool: listOf(),
    egress_source: listOf(),
    mail_from: listOf(),
    rcpt_to: listOf(),
    mx_host: listOf(),
    ready_queue: listOf(),
    source_addr: listOf(),
    mx_addr: listOf(),
    terse,
  },
  { additionalProperties: false },
);

/** GET /api/admin/trace-smtp-client/v1 (operations.md 6): what this server says to others, and what they answer. */
export function traceSmtpClient(app: FastifyInstance, openTrace: OpenTraceOf): void {
  traceEndpoint(app, openTrace, { path: '/api/admin/trace-smtp-client/v1', side: 'client', schema });
}
