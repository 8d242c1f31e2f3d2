import type { AdminKind, ListedRule } from './admin-actions.ts';
import { formatDuration } from './duration.ts';
import type { Json } from './json.ts';

/**
 * A rule as lists show it (operations.md 5.1 to 5.3). Criteria that are not given are null; what KumoMTA does not show,
 * the names of queues, is there when it was given.
 */
export function describeRule(kind: AdminKind, listed: ListedRule, now: number): { [key: string]: Json } {
  const { id, reason, expires, selector } = listed.rule;
  const duration = formatDuration(Math.max(0, Math.round(expires - now)));
  if (kind === 'suspend-ready-q') {
    const name = selector.queue_names?.[0] ?? '';
    return { id, name, reason, duration, expires: new Date(expires).toISOString() };
  }
  const { campaign = null, tenant = null, domain = null, routing_domain = null } = selector;
  const { queue_names = [] } = selector;
  const named = queue_names.length > 0 && { queue_names: [...queue_names] };
  if (kind === 'suspend') {
    const routed = routing_domain !== null && { routing_domain };
    return { id, campaign, tenant, domain, ...routed, ...named, reason, duration };
  }
  const bounced = Object.fromEntries(listed.byQueue);
  return {
    id,
    campaign,
    tenant,
    domain,
    routing_domain,
    ...named,
    reason,
    duration,
    bounced,
    total_bounced: listed.total,
  };
}
