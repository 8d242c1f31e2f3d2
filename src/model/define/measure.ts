export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One metric of /metrics. */
export interface MetricDeclaration {
  readonly name: string;
  readonly type: MetricType;
  readonly labels: readonly string[];
  readonly help: string;
}

export function defineMetric(
  name: string,
  type: MetricType,
  labels: readonly string[],
  help: string,
): MetricDeclaration {
  return { name, type, labels, help };
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
