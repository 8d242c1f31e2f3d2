export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One metric of /metrics. */
export interface MetricDeclaration {
  readonly name: string;
  readonly type: MetricType;
  readonly labels: readonly string[];
  readonly help: string;
  /** Its series go when the queues that they are about go. */
  readonly pruned: boolean;
}

export function defineMetric(
  name: string,
  type: MetricType,
  labels: readonly string[],
  help: string,
): MetricDeclaration {
  return { name, type, labels, help, pruned: false };
}

export function defineQueueMetric(
  name: string,
  type: MetricType,
  labels: readonly string[],
  help: string,
): MetricDeclaration {
  return { name, type, labels, help, pruned: true };
}

/** One field of a delivery log record. */
export interface LogFieldDeclaration {
  readonly name: string;
  /** JSON type, in words. */
  readonly type: string;
  readonly doc: string;
}

export function defineLogField(name: string, type: string, doc: string): LogFieldDeclaration {
  return { name, type, doc };
}
