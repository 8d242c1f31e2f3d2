import { HISTOGRAM_BUCKETS, metrics } from '../../model/index.ts';

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One series as plain data, to be posted between threads. */
export interface SeriesSnapshot {
  /** Values of the labels, in the order the metric declares them. */
  labels: string[];
  /** Counter or gauge: the value. Histogram: the sum, in seconds. */
  value: number;
  /** Histogram: counts per bucket (not cumulative), the last for what exceeds every bound. */
  buckets?: number[];
}

export type RegistrySnapshot = Record<string, SeriesSnapshot[]>;

/** A counter or gauge with its labels bound: adding is one addition. */
export class Series {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** A histogram with its labels bound. */
export class HistogramSeries {
  sum = 0;
  readonly buckets: number[] = new Array(HISTOGRAM_BUCKETS.length + 1).fill(0);

  /** Takes a duration in seconds. */
  observe(seconds: number): void {
    this.sum += seconds;
    let index = 0;
    while (index < HISTOGRAM_BUCKETS.length && seconds > HISTOGRAM_BUCKETS[index]!) index++;
    this.buckets[index]!++;
  }
}

const declared = new Map(metrics.map((metric) => [metric.name as string, metric]));

/** The metrics of one shard. Names and labels are those that model/metrics declares; others throw. */
export class Registry {
  readonly #series = new Map<string, Map<string, { labels: string[]; series: Series | HistogramSeries }>>();

  /** The counter or gauge of that name with these label values; made on first use. */
  series(name: string, ...labels: string[]): Series {
    return this.#child(name, labels, 'value') as Series;
  }

  histogram(name: string, ...labels: string[]): HistogramSeries {
    return this.#child(name, labels, 'histogram') as HistogramSeries;
  }

  /** Forgets one series, when what it counts is gone. */
  drop(name: string, ...labels: string[]): void {
    this.#series.get(name)?.delete(labels.join('\0'));
  }

  snapshot(): RegistrySnapshot {
    const snapshot: RegistrySnapshot = {};
    for (const [name, children] of this.#series) {
      snapshot[name] = [...children.values()].map(({ labels, series }) =>
        series instanceof Series
          ? { labels, value: series.value }
          : { labels, value: series.sum, buckets: [...series.buckets] },
      );
    }
    return snapshot;
  }

  #child(name: string, labels: string[], shape: 'value' | 'histogram'): Series | HistogramSeries {
    let children = this.#series.get(name);
    if (children === undefined) {
      const metric = declared.get(name);
      if (metric === undefined) throw new Error(`no metric is declared as ${name}`);
      if ((metric.type === 'histogram') !== (shape === 'histogram'))
        throw new Error(`${name} is a ${metric.type}`);
      if (metric.labels.length !== labels.length)
        throw new Error(`${name} has the labels ${metric.labels.join(', ')}`);
      children = new Map();
      this.#series.set(name, children);
    }
    const key = labels.join('\0');
    let child = children.get(key);
    if (child === undefined) {
      child = { labels, series: shape === 'value' ? new Series() : new HistogramSeries() };
      children.set(key, child);
    }
    return child.series;
  }
}

/** Adds up the snapshots of several shards, series by series. */
export function mergeSnapshots(snapshots: readonly RegistrySnapshot[]): RegistrySnapshot {
  const merged: Record<string, Map<string, SeriesSnapshot>> = {};
  for (const snapshot of snapshots) {
    for (const [name, series] of Object.entries(snapshot)) {
      merged[name] ??= new Map();
      for (const one of series) add(merged[name], one);
    }
  }
  return Object.fromEntries(Object.entries(merged).map(([name, series]) => [name, [...series.values()]]));
}

function add(into: Map<string, SeriesSnapshot>, one: SeriesSnapshot): void {
  const key = one.labels.join('\0');
  const sum = into.get(key);
  if (sum === undefined) {
    into.set(key, { ...one, ...(one.buckets === undefined ? {} : { buckets: [...one.buckets] }) });
    return;
  }
  sum.value += one.value;
  one.buckets?.forEach((count, index) => {
    sum.buckets![index]! += count;
  });
}
