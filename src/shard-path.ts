import type { PolicyEngine } from './lua/index.ts';
import {
  type MxResolution,
  mxListSiteName,
  type PolicyHost,
  parseQueueName,
  pathCeilings,
  queueCeilings,
  type ResolvedPath,
} from './model/index.ts';
import { EgressPath, QueueConfig, type QueueOptions } from './model/options/index.ts';
import { InspectedPolicy } from './policy-inspect.ts';

/** How mail to a domain, or of a scheduled queue, would go from a source: what the policy that serves says now. */
export async function resolvePath(
  engine: Pick<PolicyEngine, 'fire' | 'close'>,
  host: PolicyHost,
  name: string,
  source: string,
): Promise<ResolvedPath> {
  const policy = new InspectedPolicy(engine, host);
  const parts = parseQueueName(name);
  const domain = parts.routingDomain ?? parts.domain;
  const queue = await policy.queueConfig(parts);
  const { mx, site } = await siteOf(policy, domain, queue);
  const path = await policy.pathConfig(domain, source, site);
  return {
    domain,
    source,
    mx,
    site,
    queueName: name,
    queue: new QueueConfig(queue).asJson(),
    path: new EgressPath(path).asJson(),
    ceilings: pathCeilings(path, queueCeilings(queue)),
  };
}

async function siteOf(
  policy: InspectedPolicy,
  domain: string,
  { protocol }: QueueOptions,
): Promise<{ mx: MxResolution | null; site: string }> {
  if (protocol.kind !== 'smtp') return { mx: null, site: domain };
  if (protocol.mx_list.length > 0) return { mx: null, site: mxListSiteName(protocol.mx_list) };
  try {
    const mx = await policy.site(domain);
    return { mx, site: mx.siteName };
  } catch {
    return { mx: null, site: domain };
  }
}
