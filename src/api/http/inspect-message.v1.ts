import type { FastifyInstance } from 'fastify';
import type { Inspect } from '../../model/index.ts';
import { parseUuid } from '../../protocol/uuid/index.ts';
import { checkQuery, describeMessage, flag, refuse, requiredText } from './inspected.ts';

/**
 * GET /api/admin/inspect-message/v1 (operations.md 5.4): a queued message, with its data when `want_body` is true. 500
 * when it is not here.
 */
export function inspectMessage(app: FastifyInstance, inspect: Inspect): void {
  app.get('/api/admin/inspect-message/v1', async (request, reply) => {
    const query = checkQuery(request.query, ['id', 'want_body']);
    const id = requiredText(query, 'id');
    // With or without hyphens, as in records and in commands.
    const simple = parseUuid(id)?.hyphenated.replaceAll('-', '');
    if (simple === undefined) return refuse(reply, 400, `'${id}' is no message id`);
    const found = await inspect('inspect-message', { id: simple, wantBody: flag(query, 'want_body') });
    if (found === undefined) return refuse(reply, 500, `no such message ${id}`);
    return { id: found.id, message: describeMessage(found) };
  });
}
