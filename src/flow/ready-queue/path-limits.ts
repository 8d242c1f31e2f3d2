import type { LimitSpec, ThrottleSpec } from '../../model/index.ts';
import type { EgressPathOptions } from '../../model/options/index.ts';

/** A budget and the key that those who share it know it by. */
export interface NamedRate {
  key: string;
  spec: ThrottleSpec;
}

/** A limit and the key that those who share it know it by. */
export interface NamedLimit {
  key: string;
  limit: LimitSpec;
}

/** The limits of a path under the names that they have for all shards, in the order to ask for them. */
export interface PathLimits {
  /** For a connection; the smallest limit first, because it is the likeliest to be used up. */
  connections: readonly NamedLimit[];
  /** For a connection attempt. */
  connectionRate: NamedRate | undefined;
  /** For a message; the slowest rate first. */
  messageRates: readonly NamedRate[];
  /** For the choice of the source; the slowest rate first. */
  selectionRates: readonly NamedRate[];
  /** How long a slot is held without being extended, ms: a little longer than the longest silence allowed. */
  leaseDuration: number;
}

/** delivery.md sections 6 and 7. `name` is that of the ready queue. */
export function limitsOf(name: string, source: string, path: EgressPathOptions): PathLimits {
  const connections = [
    { key: `kumomta.connection_limit.${name}`, limit: path.connection_limit },
    ...Object.entries(path.additional_connection_limits).map(([key, limit]) => ({ key, limit })),
  ];
  const { max_connection_rate: spec } = path;
  return {
    connections: connections.sort((a, b) => a.limit.limit - b.limit.limit),
    connectionRate: spec && { key: `${name}-connection-rate`, spec },
    messageRates: slowestFirst(
      `kumomta.max_message_rate.${name}`,
      path.max_message_rate,
      path.additional_message_rate_throttles,
    ),
    selectionRates: slowestFirst(
      `kumomta.source_selection_rate.${name}.${source}`,
      path.source_selection_rate,
      path.additional_source_selection_rates,
    ),
    leaseDuration: leaseDuration(path),
  };
}

function slowestFirst(
  key: string,
  own: ThrottleSpec | undefined,
  others: Record<string, ThrottleSpec>,
): NamedRate[] {
  const rates = Object.entries(others).map(([name, spec]) => ({ key: name, spec }));
  if (own !== undefined) rates.unshift({ key, spec: own });
  const perMs = ({ spec }: NamedRate): number => spec.limit / spec.period;
  return rates.sort((a, b) => perMs(a) - perMs(b));
}

/** The time-outs of one message over a new connection. */
function leaseDuration(path: EgressPathOptions): number {
  return (
    path.connect_timeout +
    path.banner_timeout +
    path.ehlo_timeout +
    path.auth_timeout +
    path.mail_from_timeout +
    path.rcpt_to_timeout +
    path.data_timeout +
    path.data_dot_timeout +
    path.starttls_timeout +
    path.idle_timeout
  );
}

/** How long a drain waits for a message that is being sent, in milliseconds (delivery.md 14). */
export function systemShutdownTimeout(path: EgressPathOptions): number {
  const sum = path.mail_from_timeout + path.rcpt_to_timeout + path.data_timeout + path.data_dot_timeout;
  return path.system_shutdown_timeout ?? sum;
}
