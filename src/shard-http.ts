import type { HttpParts } from './api/http/index.ts';
import type { CoordinatorLine } from './coordinator-line.ts';
import type { PolicyEngine } from './lua/index.ts';
import type { PolicyHost } from './model/index.ts';
import { readMetrics } from './shard-metrics.ts';
import { resolvePath } from './shard-path.ts';

/** What the HTTP listeners of a shard answer with; most of it the coordinator knows. */
export function httpParts(
  coordinator: CoordinatorLine,
  host: PolicyHost,
  policy: Pick<PolicyEngine, 'fire' | 'close'>,
  refusal: () => string | undefined,
): Omit<HttpParts, 'injection' | 'hostname'> {
  return {
    refusal,
    readMetrics: (request) => readMetrics(coordinator, request),
    policyStatus: () => coordinator.ask('policy-status', undefined),
    rebind: (request) => coordinator.ask('rebind', request),
    // A shard has it.
    admin: host.admin!,
    inspect: (kind, asked) => coordinator.ask(kind, asked),
    resolvePath: (domain, source) => resolvePath(policy, host, domain, source),
    bumpConfigEpoch: () => coordinator.ask('bump-epoch', 'bump-config-epoch'),
  };
}
