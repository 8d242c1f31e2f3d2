import type { QueueNameParts } from './queue-name.ts';

/**
 * Which scheduled queues an administrator means (operations.md section 5): those whose parts equal every part that is
 * given, all of them when none is; or exactly those in `queue_names` when it names any. Case counts.
 */
export interface QueueSelector {
  campaign?: string | undefined;
  tenant?: string | undefined;
  domain?: string | undefined;
  routing_domain?: string | undefined;
  queue_names?: readonly string[] | undefined;
}

export function selectsQueue(
  selector: QueueSelector,
  queue: { readonly name: string; readonly parts: QueueNameParts },
): boolean {
  const { campaign, tenant, domain, routing_domain, queue_names } = selector;
  if (queue_names !== undefined && queue_names.length > 0) return queue_names.includes(queue.name);
  const { parts } = queue;
  return (
    (campaign === undefined || campaign === parts.campaign) &&
    (tenant === undefined || tenant === parts.tenant) &&
    (domain === undefined || domain === parts.domain) &&
    (routing_domain === undefined || routing_domain === parts.routingDomain)
  );
}
