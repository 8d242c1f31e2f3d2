import type { HttpParts } from './api/http/index.ts';
import type { CoordinatorLine } from './coordinator-line.ts';
import type { AdminPort } from './model/index.ts';

/** What the HTTP listeners of a shard answer with; most of it the coordinator knows. */
export function httpParts(
  coordinator: CoordinatorLine,
  admin: AdminPort,
  refusal: () => string | undefined,
): Omit<HttpParts, 'injection' | 'hostname'> {
  return {
    refusal,
    collectMetrics: () => coordinator.ask('metrics', undefined),
    policyStatus: () => coordinator.ask('policy-status', undefined),
    rebind: (request) => coordinator.ask('rebind', request),
    admin,
    inspect: (kind, asked) => coordinator.ask(kind, asked),
    bumpConfigEpoch: () => coordinator.ask('bump-epoch', 'bump-config-epoch'),
  };
}
