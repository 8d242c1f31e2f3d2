import { systemClock } from './io/clock/index.ts';
import type { Registry } from './io/metrics/index.ts';
import {
  type Counters,
  DEVELOPMENT_RECIPIENT,
  type Diagnostics,
  formatDuration,
  type InitDeclaration,
  SourceHealth,
} from './model/index.ts';
import { EnvelopeAddress } from './protocol/smtp/index.ts';

const REASONS = {
  Unplumbed: 'its address is not one of this machine',
  ProxyUnhealthy: 'its proxy fails',
};

/** Where mail comes from and goes to in spite of what is in it: the health of sources, and the development recipient. */
export function sourceParts(
  declarations: readonly InitDeclaration[],
  counters: Counters,
  registry: Registry,
  diagnostics: Diagnostics,
): { health: SourceHealth; developmentRecipient: EnvelopeAddress | undefined } {
  const health = new SourceHealth({
    clock: systemClock,
    counters,
    onFailed(source, why) {
      registry.series(why === 'Unplumbed' ? 'bind_failures' : 'proxy_connection_failures').add();
      registry.series('egress_source_connection_failures_total', source, why).add();
    },
    onSuspended(source, why, duration) {
      registry.series('egress_source_health_suspensions_total', source, why).add();
      const text = `source ${source} is left out for ${formatDuration(duration)}: ${REASONS[why]}`;
      diagnostics.warn('egress-source', text);
    },
  });
  const recipient = declarations.findLast(({ kind }) => kind === DEVELOPMENT_RECIPIENT);
  const developmentRecipient =
    recipient === undefined ? undefined : EnvelopeAddress.parse(recipient.options as string);
  return { health, developmentRecipient };
}
