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

/** A shortage that goes on is told of again after this long, ms. */
const TELL_EVERY = 60_000;

/** Says that connections cannot be made, now and then. */
function shortageTeller(diagnostics: Diagnostics): (why: string) => void {
  let told = Number.NEGATIVE_INFINITY;
  return (why) => {
    const now = systemClock.monotonic();
    if (now - told < TELL_EVERY) return;
    told = now;
    const advice = 'ulimit -Hn, LimitNOFILE= of systemd, net.ipv4.ip_local_port_range';
    diagnostics.warn('ready-queue', `no connection can be made, mail waits: ${why} (see ${advice})`);
  };
}

/** Where mail comes from and goes to in spite of what is in it: the health of sources, and the development recipient. */
export function sourceParts(
  declarations: readonly InitDeclaration[],
  counters: Counters,
  registry: Registry,
  diagnostics: Diagnostics,
): {
  health: SourceHealth;
  developmentRecipient: EnvelopeAddress | undefined;
  onShortage: (why: string) => void;
} {
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
  return { health, developmentRecipient, onShortage: shortageTeller(diagnostics) };
}
