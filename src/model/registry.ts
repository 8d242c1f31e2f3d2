import { HISTOGRAM_BUCKETS, metrics } from './metrics.ts';

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

const BOUNDS: readonly number[] = HISTOGRAM_BUCKETS;
/** Numbers of one histogram: its counts per bucket (not cumulative), the last but one for what exceeds every bound; then the sum. */
export const HISTOGRAM_WIDTH = BOUNDS.length + 2;
const SUM = BOUNDS.length + 1;

/** A histogram with its labels bound: observing allocates nothing and takes some nanoseconds (bench/metrics). */
export class HistogramSeries {
  readonly numbers = new Float64Array(HISTOGRAM_WIDTH);

  /** Takes a duration in seconds. */
  observe(seconds: number): void {
    const { numbers } = this;
    numbers[SUM]! += seconds;
    let index = 0;
    while (index < SUM - 1 && seconds > BOUNDS[index]!) index++;
    numbers[index]!++;
  }

  /** Takes a duration in milliseconds, as clocks count. */
  took(milliseconds: number): void {
    this.observe(milliseconds / 1000);
  }

  /** In seconds. */
  get sum(): number {
    return this.numbers[SUM]!;
  }

  get count(): number {
    let count = 0;
    for (let index = 0; index < SUM; index++) count += this.numbers[index]!;
    return count;
  }
}

/** One series of a metric; what it is called among those of the metric. */
export interface RegisteredSeries {
  /** Values of the labels, in the order the metric declares them, with NUL between. */
  readonly key: string;
  readonly series: Series | HistogramSeries;
}

const declared = new Map(metrics.map((metric) => [metric.name, metric]));

/** Counters, gauges and histograms. Names and labels are those that model/metrics declares; others throw. */
export class Registry {
  readonly #series = new Map<string, Map<string, RegisteredSeries>>();

  /** The counter or gauge of that name with these label values; made on first use. Keep it where mail passes by. */
  series(name: string, ...labels: string[]): Series {
    return this.#child(name, labels, 'value') as Series;
  }

  /** Likewise. */
  histogram(name: string, ...labels: string[]): HistogramSeries {
    return this.#child(name, labels, 'histogram') as HistogramSeries;
  }

  /** Forgets one series, when what it counts is gone. */
  drop(name: string, ...labels: string[]): void {
    this.#series.get(name)?.delete(keyOf(labels));
  }

  /** Everything that is measured, by metric. */
  entries(): Iterable<[name: string, series: ReadonlyMap<string, RegisteredSeries>]> {
    return this.#series;
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
    const key = keyOf(labels);
    let child = children.get(key);
    if (child === undefined) {
      child = { key, series: shape === 'value' ? new Series() : new HistogramSeries() };
      children.set(key, child);
    }
    return child.series;
  }
}

/** Values of labels as one text, which tells series apart. */
export function keyOf(labels: readonly string[]): string {
  if (labels.length === 1) return withoutNul(labels[0]!);
  return labels.map(withoutNul).join('\0');
}

function withoutNul(label: string): string {
  return label.includes('\0') ? label.replaceAll('\0', '\uFFFD') : label;
}

/**
 * What this thread measures. A shard is a thread, so each has its own; /metrics adds them up. Rooms keep the series
 * that they need: looking one up costs more than adding to it.
 */
export const measured = new Registry();
