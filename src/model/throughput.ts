import type { LimitSpec, ThrottleSpec } from './limits.ts';
import type { EgressPathOptions, QueueOptions } from './options/index.ts';
import { formatThrottleSpec } from './throttle-spec.ts';

/**
 * Which option sets a ceiling: `primary`, the option of that name; `reconnect_cycling`, that connections with few
 * deliveries are opened only so fast; `additional`, an entry of the additional_ option; `other`, what the name says.
 */
export type CeilingSource =
  | { kind: 'primary' | 'reconnect_cycling' }
  | { kind: 'additional' | 'other'; name: string };

/** A ceiling, and which option sets it. */
export interface Ceiling {
  /** Connections, or events per second. */
  value: number;
  source: CeilingSource;
  /** As a policy would write it. */
  display: string;
}

/** How much one path, or one queue, can do at most; null where nothing limits it. */
export interface Ceilings {
  max_concurrent_dispatchers: Ceiling | null;
  max_message_rate: Ceiling | null;
  /** The rate that is asked for, when connections do not allow it. */
  max_message_rate_declared: string | null;
  max_connection_rate: Ceiling | null;
  max_source_selection_rate: Ceiling | null;
}

const PRIMARY: CeilingSource = { kind: 'primary' };

function ofRate(source: CeilingSource, spec: ThrottleSpec): Ceiling {
  return { value: spec.limit / (spec.period / 1000), source, display: formatThrottleSpec(spec) };
}

function ofLimit(source: CeilingSource, { limit }: LimitSpec): Ceiling {
  return { value: limit, source, display: String(limit) };
}

function lowest(...ceilings: (Ceiling | null | undefined)[]): Ceiling | null {
  const there = ceilings.filter((ceiling) => ceiling !== null && ceiling !== undefined);
  return there.reduce<Ceiling | null>(
    (low, next) => (low === null || next.value < low.value ? next : low),
    null,
  );
}

function rates(named: Readonly<Record<string, ThrottleSpec>>): Ceiling[] {
  return Object.entries(named).map(([name, spec]) => ofRate({ kind: 'additional', name }, spec));
}

/** The ceilings of a path; `queue` are those of the queue that sends over it. */
export function pathCeilings(path: EgressPathOptions, queue?: Pick<Ceilings, 'max_message_rate'>): Ceilings {
  const connectionRate = path.max_connection_rate && ofRate(PRIMARY, path.max_connection_rate);
  const declared = lowest(
    path.max_message_rate && ofRate(PRIMARY, path.max_message_rate),
    ...rates(path.additional_message_rate_throttles),
    queue?.max_message_rate,
  );
  const deliveries = path.max_deliveries_per_connection;
  // 0: a connection may carry any number.
  const reachable = deliveries === 0 ? null : connectionRate && reachableRate(connectionRate, deliveries);
  const effective = lowest(declared, reachable);
  return {
    max_concurrent_dispatchers: lowest(
      ofLimit(PRIMARY, path.connection_limit),
      ...Object.entries(path.additional_connection_limits).map(([name, limit]) =>
        ofLimit({ kind: 'additional', name }, limit),
      ),
    ),
    max_message_rate: effective,
    max_message_rate_declared: declared !== null && declared !== effective ? declared.display : null,
    max_connection_rate: connectionRate ?? null,
    max_source_selection_rate: lowest(
      path.source_selection_rate && ofRate(PRIMARY, path.source_selection_rate),
      ...rates(path.additional_source_selection_rates),
    ),
  };
}

function reachableRate(connections: Ceiling, deliveries: number): Ceiling {
  return {
    value: connections.value * deliveries,
    source: { kind: 'reconnect_cycling' },
    display: `${deliveries} x ${connections.display}`,
  };
}

const OF_QUEUE: CeilingSource = { kind: 'other', name: 'scheduled queue max_message_rate' };

/** The ceilings of a scheduled queue. */
export function queueCeilings(queue: QueueOptions): Ceilings {
  return {
    max_concurrent_dispatchers: null,
    max_message_rate: queue.max_message_rate ? ofRate(OF_QUEUE, queue.max_message_rate) : null,
    max_message_rate_declared: null,
    max_connection_rate: null,
    max_source_selection_rate: null,
  };
}

/** Of each ceiling: its title, the option of its own and that of its additional ones. */
const LINES = [
  [
    'max_concurrent_dispatchers',
    'Connections at one time',
    'connection_limit',
    'additional_connection_limits',
  ],
  ['max_message_rate', 'Messages', 'max_message_rate', 'additional_message_rate_throttles'],
  ['max_connection_rate', 'New connections', 'max_connection_rate', ''],
  [
    'max_source_selection_rate',
    'Selections of the source',
    'source_selection_rate',
    'additional_source_selection_rates',
  ],
] as const;

/** A line for each ceiling that there is. */
export function formatCeilings(ceilings: Partial<Ceilings>): string {
  const declared = ceilings.max_message_rate_declared;
  return LINES.map(([key, title, primary, additional]) => {
    const ceiling = ceilings[key];
    const line = ceiling
      ? `${title}: ${ceiling.display} (${optionOf(ceiling.source, primary, additional)})\n`
      : `${title}: no limit\n`;
    return key === 'max_message_rate' && declared
      ? `${line}Messages asked for, which connections do not allow: ${declared}\n`
      : line;
  }).join('');
}

function optionOf(source: CeilingSource, primary: string, additional: string): string {
  switch (source.kind) {
    case 'primary':
      return primary;
    case 'reconnect_cycling':
      return 'max_deliveries_per_connection';
    case 'additional':
      return `${additional}.${source.name}`;
    default:
      return source.name;
  }
}
