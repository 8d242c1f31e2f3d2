import type { MetricDeclaration } from '../../model/define/index.ts';
import { type Clock, HISTOGRAM_WIDTH, metrics } from '../../model/index.ts';
import { type MetricsFormat, type ShownSeries, TO_ESCAPE } from './format.ts';
import type { DealRequest, MetricsOverview, PartsRequest, SeriesPage } from './pages.ts';

/** Who measures: every shard, and whoever else does. */
export interface MetricsSource {
  overview(names?: readonly string[]): Promise<MetricsOverview[]>;
  deal(request: DealRequest): Promise<Uint32Array[]>;
  parts(request: PartsRequest): Promise<SeriesPage[][]>;
}

/** Series that are in memory at a time, about. */
const AT_A_TIME = 4096;
/** Pieces of at least this many characters are passed on, but for the last. */
const PIECE = 64 * 1024;

let scrapes = 0;

/**
 * The metrics of all, or those of these names, added up, in pieces. Of a metric with very many series one part is in memory at a time, and one
 * under way. What changes meanwhile is shown as it was or as it is.
 */
export async function* scrape(
  source: MetricsSource,
  format: MetricsFormat,
  clock: Pick<Clock, 'after'>,
  names?: readonly string[],
): AsyncGenerator<string> {
  const number = ++scrapes;
  let text = format.begin();
  const { pages, large } = overviewOf(await source.overview(names));
  // Those of queues follow all others (operations.md 7.1).
  const shown = metrics.filter(({ name }) => names?.includes(name) ?? true);
  for (const metric of shown.sort((a, b) => Number(a.pruned) - Number(b.pruned))) {
    let isEmpty = true;
    const size = large.get(metric.name);
    const all =
      size === undefined ? [pages.get(metric.name) ?? []] : inParts(source, metric.name, number, size);
    for await (const part of all) {
      const series = added(metric, part);
      if (series.count > 0) text += format.series(metric, series, isEmpty);
      isEmpty &&= series.count === 0;
      if (text.length < PIECE) continue;
      yield text;
      text = '';
      // Parts that are there already must not keep the event loop from turning.
      await new Promise<void>((resolve) => clock.after(0, resolve));
    }
    text += format.endMetric(metric, isEmpty);
  }
  yield text + format.end();
}

function overviewOf(overviews: readonly MetricsOverview[]): {
  pages: Map<string, SeriesPage[]>;
  large: Map<string, number>;
} {
  const pages = new Map<string, SeriesPage[]>();
  const large = new Map<string, number>();
  for (const one of overviews) {
    for (const page of one.pages) pages.set(page.name, [...(pages.get(page.name) ?? []), page]);
    for (const [name, size] of one.large) large.set(name, (large.get(name) ?? 0) + size);
  }
  // What one has few of and another many is asked of both.
  for (const name of large.keys()) {
    for (const { numbers } of pages.get(name) ?? []) large.set(name, large.get(name)! + numbers.length);
    pages.delete(name);
  }
  return { pages, large };
}

async function* inParts(
  source: MetricsSource,
  name: string,
  scrape: number,
  size: number,
): AsyncGenerator<SeriesPage[]> {
  const parts = Math.ceil(size / AT_A_TIME);
  const ranges = rangesOf(await source.deal({ scrape, name, parts }), parts);
  let next: Promise<SeriesPage[][]> | undefined;
  for (const [index, [from, to]] of ranges.entries()) {
    const pages = await (next ?? source.parts({ scrape, name, from, to }));
    const following = ranges[index + 1];
    if (following !== undefined) {
      next = source.parts({ scrape, name, from: following[0], to: following[1] });
      // Whoever gives up before it is there does not ask what became of it.
      next.catch(() => {});
    }
    yield pages.flat();
  }
}

/** Parts that are empty, or nearly so, are asked for together. */
function rangesOf(counts: readonly Uint32Array[], parts: number): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  let from = 0;
  let held = 0;
  for (let part = 0; part < parts; part++) {
    const size = counts.reduce((sum, of) => sum + of[part]!, 0);
    if (held > 0 && held + size > AT_A_TIME * 1.25) {
      ranges.push([from, part]);
      from = part;
      held = 0;
    }
    held += size;
  }
  if (held > 0) ranges.push([from, parts]);
  return ranges;
}

/** Series of the same labels become one. */
function added(metric: MetricDeclaration, pages: readonly SeriesPage[]): ShownSeries {
  const width = metric.type === 'histogram' ? HISTOGRAM_WIDTH : 1;
  const size = metric.labels.length;
  const numbers: number[] = [];
  const labels: string[] = [];
  const places = new Map<string, number>();
  let isPlain = true;
  for (const page of pages) {
    const text = Buffer.from(page.labels.buffer, page.labels.byteOffset, page.labels.length).toString();
    isPlain &&= !TO_ESCAPE.test(text);
    const count = page.numbers.length / width;
    const split = size === 0 ? [] : text.split('\0');
    for (let index = 0; index < count; index++) {
      const key = size === 1 ? split[index]! : split.slice(index * size, (index + 1) * size).join('\0');
      const place = places.get(key);
      if (place === undefined) {
        places.set(key, numbers.length);
        for (let at = 0; at < size; at++) labels.push(split[index * size + at]!);
        for (let at = 0; at < width; at++) numbers.push(page.numbers[index * width + at]!);
      } else for (let at = 0; at < width; at++) numbers[place + at]! += page.numbers[index * width + at]!;
    }
  }
  return { labels, numbers, count: numbers.length / width, isPlain };
}
