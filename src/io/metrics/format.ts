import type { MetricDeclaration } from '../../model/define/index.ts';
import { HISTOGRAM_BUCKETS, HISTOGRAM_WIDTH } from '../../model/index.ts';

/** Some series of one metric, ready to be shown. */
export interface ShownSeries {
  /** Values of the labels, one series after the other. */
  labels: readonly string[];
  /** Of each series one number, or HISTOGRAM_WIDTH. */
  numbers: ArrayLike<number>;
  count: number;
  /** No label has anything that would have to be escaped. */
  isPlain: boolean;
}

/** How metrics are to be shown, and which: `names`, or all. `prefix` goes before every name. */
export interface MetricsRequest {
  format: 'text' | 'json';
  prefix: string;
  names?: readonly string[] | undefined;
}

/** A form in which metrics are shown, piece by piece. */
export interface MetricsFormat {
  begin(): string;
  /** Some more series of a metric; the first for it comes with `isFirst`. Those of one metric follow each other. */
  series(metric: MetricDeclaration, shown: ShownSeries, isFirst: boolean): string;
  /** The series of this metric were all; there may have been none. */
  endMetric(metric: MetricDeclaration, isEmpty: boolean): string;
  end(): string;
}

const COUNTS = HISTOGRAM_WIDTH - 1;
/** Matches what has to be escaped in JSON, and so in the text form too. NUL is between labels. */
export const TO_ESCAPE = /[\\"\u0001-\u001f\ud800-\udfff]/;

/** Prometheus text exposition (operations.md 7.1). `prefix` goes before every name. */
export class TextFormat implements MetricsFormat {
  readonly #prefix: string;

  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  begin(): string {
    return '';
  }

  series(metric: MetricDeclaration, shown: ShownSeries, isFirst: boolean): string {
    const name = this.#prefix + metric.name;
    let text = isFirst ? `# HELP ${name} ${metric.help}\n# TYPE ${name} ${metric.type}\n` : '';
    const { labels, numbers, count, isPlain } = shown;
    const [first] = metric.labels;
    if (metric.type !== 'histogram' && metric.labels.length === 1) {
      // Most series of all are of such metrics.
      const head = `${name}{${first}="`;
      for (let index = 0; index < count; index++) {
        const label = isPlain ? labels[index]! : escapeLabel(labels[index]!);
        text += `${head + label}"} ${numbers[index]!}\n`;
      }
      return text;
    }
    for (let index = 0; index < count; index++) {
      const set = labelSet(metric, labels, index, isPlain);
      text +=
        metric.type === 'histogram'
          ? histogramLines(name, set, numbers, index * HISTOGRAM_WIDTH)
          : `${name}${set === '' ? '' : `{${set}}`} ${numbers[index]!}\n`;
    }
    return text;
  }

  endMetric(): string {
    return '';
  }

  end(): string {
    return '';
  }
}

function labelSet(
  { labels: names, pruned }: MetricDeclaration,
  labels: readonly string[],
  index: number,
  isPlain: boolean,
): string {
  const set = names.map((name, at) => {
    const label = labels[index * names.length + at]!;
    return `${name}="${isPlain ? label : escapeLabel(label)}"`;
  });
  return set.join(pruned ? ', ' : ',');
}

function histogramLines(name: string, set: string, numbers: ArrayLike<number>, at: number): string {
  const before = set === '' ? '' : `${set},`;
  const labels = set === '' ? '' : `{${set}}`;
  let lines = '';
  let count = 0;
  for (let index = 0; index < COUNTS; index++) {
    count += numbers[at + index]!;
    lines += `${name}_bucket{${before}le="${HISTOGRAM_BUCKETS[index] ?? '+Inf'}"} ${count}\n`;
  }
  return `${lines}${name}_sum${labels} ${numbers[at + COUNTS]!}\n${name}_count${labels} ${count}\n`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
}

/** The JSON form (operations.md 7.2). `prefix` goes before every name. */
export class JsonFormat implements MetricsFormat {
  readonly #prefix: string;
  #isFirst = true;

  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  begin(): string {
    return '{';
  }

  series(metric: MetricDeclaration, shown: ShownSeries, isFirst: boolean): string {
    const { labels, numbers, count, isPlain } = shown;
    const names = metric.labels;
    const leaf = metric.type === 'histogram' ? histogramLeaf : numberLeaf;
    let json = isFirst ? this.#open(metric) + opening(names) : '';
    let comma = isFirst ? '' : ',';
    for (let index = 0; index < count; index++) {
      const value = leaf(numbers, index);
      json += comma;
      comma = ',';
      if (names.length === 0) json += value;
      else if (names.length === 1) json += `${quoted(labels[index]!, isPlain)}:${value}`;
      else {
        const own = names.map(
          (name, at) => `"${name}":${quoted(labels[index * names.length + at]!, isPlain)}`,
        );
        json += `{${own.join(',')},"@":${value}}`;
      }
    }
    return json;
  }

  endMetric(metric: MetricDeclaration, isEmpty: boolean): string {
    if (isEmpty) return `${this.#open(metric)}null}`;
    if (metric.labels.length === 0) return '}';
    return metric.labels.length === 1 ? '}}}' : ']}';
  }

  end(): string {
    return '}';
  }

  #open({ name, help, type }: MetricDeclaration): string {
    const comma = this.#isFirst ? '' : ',';
    this.#isFirst = false;
    return `${comma}"${this.#prefix}${name}":{"help":${JSON.stringify(help)},"type":"${type}","value":`;
  }
}

function opening(names: readonly string[]): string {
  if (names.length === 0) return '';
  return names.length === 1 ? `{"${names[0]!}":{` : '[';
}

function quoted(label: string, isPlain: boolean): string {
  return isPlain ? `"${label}"` : JSON.stringify(label);
}

function numberLeaf(numbers: ArrayLike<number>, index: number): string {
  return `${numbers[index]!}`;
}

function histogramLeaf(numbers: ArrayLike<number>, index: number): string {
  const at = index * HISTOGRAM_WIDTH;
  let count = 0;
  const bucket = HISTOGRAM_BUCKETS.map((bound, place) => {
    count += numbers[at + place]!;
    return [bound, count];
  });
  count += numbers[at + COUNTS - 1]!;
  const sum = numbers[at + COUNTS]!;
  return JSON.stringify({ count, sum, avg: count === 0 ? 0 : sum / count, bucket });
}
