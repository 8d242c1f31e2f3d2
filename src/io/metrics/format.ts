import { HISTOGRAM_BUCKETS, metrics } from '../../model/index.ts';
import type { RegistrySnapshot, SeriesSnapshot } from './registry.ts';

/** Prometheus text exposition (operations.md 7.1). `prefix` goes before every name. */
export function formatPrometheus(snapshot: RegistrySnapshot, prefix = ''): string {
  const lines: string[] = [];
  for (const metric of metrics) {
    const series = snapshot[metric.name];
    if (series === undefined || series.length === 0) continue;
    const name = `${prefix}${metric.name}`;
    lines.push(`# HELP ${name} ${metric.help}`, `# TYPE ${name} ${metric.type}`);
    for (const one of series) pushSamples(lines, name, metric.labels, one);
  }
  return `${lines.join('\n')}\n`;
}

function pushSamples(lines: string[], name: string, names: readonly string[], one: SeriesSnapshot): void {
  const labels = names.map((label, index) => `${label}="${escapeLabel(one.labels[index]!)}"`);
  const set = labels.length === 0 ? '' : `{${labels.join(',')}}`;
  if (one.buckets === undefined) {
    lines.push(`${name}${set} ${one.value}`);
    return;
  }
  let count = 0;
  one.buckets.forEach((inBucket, index) => {
    count += inBucket;
    const bound = HISTOGRAM_BUCKETS[index] ?? '+Inf';
    lines.push(`${name}_bucket{${[...labels, `le="${bound}"`].join(',')}} ${count}`);
  });
  lines.push(`${name}_sum${set} ${one.value}`, `${name}_count${set} ${count}`);
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
}

/** The JSON form (operations.md 7.2). */
export function formatJson(snapshot: RegistrySnapshot): string {
  const all: Record<string, unknown> = {};
  for (const metric of metrics) {
    const series = snapshot[metric.name];
    if (series === undefined) continue;
    all[metric.name] = { help: metric.help, type: metric.type, value: jsonValue(metric.labels, series) };
  }
  return JSON.stringify(all);
}

function jsonValue(names: readonly string[], series: readonly SeriesSnapshot[]): unknown {
  if (series.length === 0) return null;
  if (names.length === 0) return leaf(series[0]!);
  if (names.length === 1) {
    return { [names[0]!]: Object.fromEntries(series.map((one) => [one.labels[0], leaf(one)])) };
  }
  return series.map((one) => ({
    ...Object.fromEntries(names.map((name, index) => [name, one.labels[index]])),
    '@': leaf(one),
  }));
}

function leaf(one: SeriesSnapshot): unknown {
  if (one.buckets === undefined) return one.value;
  let count = 0;
  const bucket = HISTOGRAM_BUCKETS.map((bound, index) => {
    count += one.buckets![index]!;
    return [bound, count];
  });
  count += one.buckets.at(-1)!;
  return { count, sum: one.value, avg: count === 0 ? 0 : one.value / count, bucket };
}
