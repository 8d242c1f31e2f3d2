import { type Clock, HISTOGRAM_WIDTH, metrics, type Timer } from '../../model/index.ts';
import type { Family } from './family.ts';

/** Some series of one metric as plain data, small to send between threads. */
export interface SeriesPage {
  name: string;
  /** Values of the labels of all series, in order, with NUL between. */
  labels: string;
  /** Of each series one number, or HISTOGRAM_WIDTH. */
  numbers: Float64Array;
}

/** What a shard measures: all series of metrics that have few, and about how many there are of the others. */
export interface MetricsOverview {
  pages: SeriesPage[];
  /** By metric. */
  large: Map<string, number>;
}

/** Has the things that a metric is read off dealt into so many parts, by the labels of their series. */
export interface DealRequest {
  /** Whose request it is; a scrape has one metric dealt at a time. */
  scrape: number;
  name: string;
  parts: number;
}

/** Asks for the series of some parts that were dealt, the last not included. Each part is asked for once. */
export interface PartsRequest {
  scrape: number;
  name: string;
  from: number;
  to: number;
}

/** Series of a metric from which on they are sent in parts. */
const LARGE = 1000;
/** What was dealt is let go of when nobody has asked for it for so long, ms. */
const PATIENCE = 60_000;
/** Things looked at per turn of the event loop: some tenths of a millisecond (bench/metrics). */
const SWEPT_PER_TURN = 1024;

const widths = new Map(metrics.map(({ name, type }) => [name, type === 'histogram' ? HISTOGRAM_WIDTH : 1]));

/** Things of one part, or more, by family. */
type Dealt = { family: Family; items: readonly unknown[] }[];

/**
 * The metrics of one shard, in pages. The things that a large metric is read off are dealt into parts in one sweep, in
 * slices; what goes away meanwhile is read as it was last. Nothing is kept after a scrape.
 */
export class MetricsPages {
  readonly #families: () => Family[];
  readonly #clock: Pick<Clock, 'after'>;
  /** By scrape. */
  readonly #dealt = new Map<number, { parts: Dealt[]; timer: Timer }>();

  /** `families` gives what is measured now; several may be of one metric. */
  constructor(families: () => Family[], clock: Pick<Clock, 'after'>) {
    this.#families = families;
    this.#clock = clock;
  }

  async overview(): Promise<MetricsOverview> {
    const families = this.#families();
    const sizes = new Map<string, number>();
    for (const { name, size } of families) sizes.set(name, (sizes.get(name) ?? 0) + size);
    const pages: SeriesPage[] = [];
    for (const family of families) {
      if (sizes.get(family.name)! > LARGE || family.size === 0) continue;
      pages.push(await this.#page(family.name, [{ family, items: [...family.items()] }]));
    }
    return { pages, large: new Map([...sizes].filter(([, size]) => size > LARGE)) };
  }

  /** Gives how many things there are of each part. */
  async deal({ scrape, name, parts }: DealRequest): Promise<Uint32Array> {
    const dealt: Dealt[] = Array.from({ length: parts }, () => []);
    const counts = new Uint32Array(parts);
    let looked = 0;
    for (const family of this.#families()) {
      if (family.name !== name) continue;
      const lists: unknown[][] = dealt.map((part) => {
        const items: unknown[] = [];
        part.push({ family, items });
        return items;
      });
      for (const item of family.items()) {
        const key = family.key(item);
        if (key !== undefined) {
          const part = hash(key) % parts;
          lists[part]!.push(item);
          counts[part]!++;
        }
        if (++looked % SWEPT_PER_TURN === 0) await this.#turn();
      }
    }
    this.#dealt.get(scrape)?.timer.cancel();
    this.#dealt.set(scrape, { parts: dealt, timer: this.#patience(scrape) });
    return counts;
  }

  /** Rejects when the parts were let go of. */
  parts({ scrape, name, from, to }: PartsRequest): Promise<SeriesPage> {
    const dealt = this.#dealt.get(scrape);
    if (dealt === undefined) return Promise.reject(new Error('the metrics were asked for too slowly'));
    const asked = dealt.parts.slice(from, to).flat();
    dealt.timer.cancel();
    if (to >= dealt.parts.length) this.#dealt.delete(scrape);
    else {
      // What is sent is let go of.
      dealt.parts.fill([], from, to);
      dealt.timer = this.#patience(scrape);
    }
    return this.#page(name, asked);
  }

  #patience(scrape: number): Timer {
    return this.#clock.after(PATIENCE, () => this.#dealt.delete(scrape));
  }

  async #page(name: string, dealt: Dealt): Promise<SeriesPage> {
    const width = widths.get(name)!;
    let numbers = new Float64Array(dealt.reduce((sum, { items }) => sum + items.length, 0) * width);
    const keys: string[] = [];
    const scratch = new Float64Array(width);
    let looked = 0;
    for (const { family, items } of dealt) {
      const places = family.isShared ? new Map<string, number>() : undefined;
      for (const item of items) {
        if (++looked % SWEPT_PER_TURN === 0) await this.#turn();
        const key = family.key(item);
        if (key === undefined) continue;
        const place = places?.get(key);
        if (place === undefined) {
          family.read(item, numbers, keys.length * width);
          places?.set(key, keys.length * width);
          keys.push(key);
        } else {
          family.read(item, scratch, 0);
          for (let at = 0; at < width; at++) numbers[place + at]! += scratch[at]!;
        }
      }
    }
    if (keys.length * width < numbers.length) numbers = numbers.slice(0, keys.length * width);
    return { name, labels: keys.join('\0'), numbers };
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(0, resolve));
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    sum = Math.imul(sum ^ text.charCodeAt(index), 0x01000193);
  }
  return sum >>> 0;
}
