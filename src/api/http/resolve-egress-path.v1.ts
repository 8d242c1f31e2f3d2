import type { FastifyInstance } from 'fastify';
import { type MxResolution, type ResolvePath, withoutSecrets } from '../../model/index.ts';
import { checkQuery, requiredText } from './inspected.ts';

/**
 * GET /api/admin/resolve-egress-path/v1 (operations.md 5.10): how mail to `domain` goes from `source`. Answers although
 * DNS fails; 500 with what policy fails with.
 */
export function resolveEgressPath(app: FastifyInstance, resolve: ResolvePath): void {
  app.get('/api/admin/resolve-egress-path/v1', async (request) => {
    const query = checkQuery(request.query, ['domain', 'source']);
    const domain = requiredText(query, 'domain');
    const source = query.source === undefined ? 'unspecified' : requiredText(query, 'source');
    const found = await resolve(domain, source);
    return {
      domain: found.domain,
      source: found.source,
      mx: found.mx === null ? null : describeMx(found.mx),
      site_name: found.site,
      queue_name: found.queueName,
      queue_config: withoutSecrets(found.queue),
      path_config: withoutSecrets(found.path),
      constraints: found.ceilings,
    };
  });
}

function describeMx({ siteName, groups, isMx, isLiteral, isSecure }: MxResolution): object {
  const byPreference = groups.map(({ preference, hosts }) => [String(preference), hosts] as const);
  return {
    site_name: siteName,
    by_preference: Object.fromEntries(byPreference),
    is_mx: isMx,
    is_domain_literal: isLiteral,
    is_secure: isSecure,
  };
}
