import { HISTOGRAM_BUCKETS, metrics } from '../model/index.ts';

/** What `--dump-metric-metadata` prints of a metric (operations.md 1.1). */
export interface MetricMetadata {
  name: string;
  help: string;
  /** The help is all that is said of it. */
  doc: null;
  metric_type: 'counter' | 'gauge' | 'histogram';
  label_names: readonly string[];
  /** Upper bounds in seconds, of a histogram. */
  buckets: readonly number[] | null;
  /** Whether a series goes with the queue that it is about. */
  pruning: boolean;
}

export function metricMetadata(): MetricMetadata[] {
  return metrics.map(({ name, type, labels, help, pruned }) => ({
    name,
    help,
    doc: null,
    metric_type: type,
    label_names: labels,
    buckets: type === 'histogram' ? HISTOGRAM_BUCKETS : null,
    pruning: pruned,
  }));
}
