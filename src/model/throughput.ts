import type { LimitSpec, ThrottleSpec } from './limits.ts';
import type { EgressPathOptions, QueueOptions } from './options/index.ts';
import { formatThrottleSpec } from './throttle-spec.ts';

/** A ceiling, and which option sets it. */
export interface Ceiling {
  /** Connections, or events per second. */
  value: number;
  source: { kind: string; name: string | null };
  /** As a policy would write it. */
  display: string;
}

/** How much one path, or one queue, can do at most; null where nothing limits it. */
export interface Ceilings {
  max_concurrent_dispatchers: Ceiling | null;
  max_message_rate: Ceiling | null;
  /** The rate that is asked for, when connections do not allow it. */
  max_message_rate_declared: Ceiling | null;
  max_connection_rate: Ceiling | null;
  max_source_selection_rate: Ceiling | null;
}

function ofRate(kind: string, name: string | null, spec: ThrottleSpec): Ceiling {
  const value = spec.limit / (spec.period / 1000);
  return { value, source: { kind, name }, display: formatThrottleSpec(spec) };
}

function ofLimit(kind: string, name: string | null, { limit }: LimitSpec): Ceiling {
  return { value: limit, source: { kind, name }, display: String(limit) };
}

function lowest(...ceilings: (Ceiling | null | undefined)[]): Ceiling | null {
  const there = ceilings.filter((ceiling) => ceiling !== null && ceiling !== undefined);
  return there.reduce<Ceiling | null>(
    (low, next) => (low === null || next.value < low.value ? next : low),
    null,
  );
}

function rates(kind: string, named: Readonly<Record<string, ThrottleSpec>>): Ceiling[] {
  return Object.entries(named).map(([name, spec]) => ofRate(kind, name, spec));
}

/** The ceilings of a path; `queue` are those of the queue that sends over it. */
export function pathCeilings(path: EgressPathOptions, queue?: Pick<Ceilings, 'max_message_rate'>): Ceilings {
  const connectionRate =
    path.max_connection_rate && ofRate('max_connection_rate', null, path.max_connection_rate);
  const declared = lowest(
    path.max_message_rate && ofRate('max_message_rate', null, path.max_message_rate),
    ...rates('additional_message_rate_throttles', path.additional_message_rate_throttles),
    queue?.max_message_rate,
  );
  const deliveries = path.max_deliveries_per_connection;
  // 0: a connection may carry any number.
  const reachable = deliveries === 0 ? null : connectionRate && reachableRate(connectionRate, deliveries);
  const effective = lowest(declared, reachable);
  return {
    max_concurrent_dispatchers: lowest(
      ofLimit('connection_limit', null, path.connection_limit),
      ...Object.entries(path.additional_connection_limits).map(([name, limit]) =>
        ofLimit('additional_connection_limits', name, limit),
      ),
    ),
    max_message_rate: effective,
    max_message_rate_declared: declared !== null && declared !== effective ? declared : null,
    max_connection_rate: connectionRate ?? null,
    max_source_selection_rate: lowest(
      path.source_selection_rate && ofRate('source_selection_rate', null, path.source_selection_rate),
      ...rates('additional_source_selection_rates', path.additional_source_selection_rates),
    ),
  };
}

function reachableRate(connections: Ceiling, deliveries: number): Ceiling {
  return {
    value: connections.value * deliveries,
    source: { kind: 'max_deliveries_per_connection', name: null },
    display: `${deliveries} x ${connections.display}`,
  };
}

/** The ceilings of a scheduled queue. */
export function queueCeilings(queue: QueueOptions): Ceilings {
  return {
    max_concurrent_dispatchers: null,
    max_message_rate: queue.max_message_rate
      ? ofRate('queue_max_message_rate', null, queue.max_message_rate)
      : null,
    max_message_rate_declared: null,
    max_connection_rate: null,
    max_source_selection_rate: null,
  };
}

const TITLES: readonly (readonly [keyof Ceilings, string])[] = [
  ['max_concurrent_dispatchers', 'Connections at one time'],
  ['max_message_rate', 'Messages'],
  ['max_message_rate_declared', 'Messages asked for, which connections do not allow'],
  ['max_connection_rate', 'New connections'],
  ['max_source_selection_rate', 'Selections of the source'],
];

/** A line for each ceiling that there is. */
export function formatCeilings(ceilings: Partial<Ceilings>): string {
  const lines = TITLES.map(([key, title]) => {
    const ceiling = ceilings[key];
    if (!ceiling) return `${title}: no limit\n`;
    const { kind, name } = ceiling.source;
    return `${title}: ${ceiling.display} (${name === null ? kind : `${kind}.${name}`})\n`;
  });
  return lines
    .filter(
      (line, index) => TITLES[index]![0] !== 'max_message_rate_declared' || !line.endsWith('no limit\n'),
    )
    .join('');
}
