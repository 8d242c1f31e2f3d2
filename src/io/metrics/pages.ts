import { type Clock, HISTOGRAM_WIDTH, metrics, type Timer } from '../../model/index.ts';
import type { Family } from './family.ts';
import { PartWriter } from './part-writer.ts';

/** Some series of one metric as plain data, small to send between threads. */
export interface SeriesPage {
  name: string;
  /** Values of the labels of all series, in order, with NUL between, in UTF-8. Some may occur more than once. */
  labels: Uint8Array;
  /** Of each series one number, or HISTOGRAM_WIDTH. */
  numbers: Float64Array;
}

/** What a shard measures: all series of metrics that have few, and about how many there are of the others. */
export interface MetricsOverview {
  pages: SeriesPage[];
  /** By metric. */
  large: Map<string, number>;
}

/** Has the series of a metric dealt into so many parts, by their labels. */
export interface DealRequest {
  /** Whose request it is; a scrape has one metric dealt at a time. */
  scrape: number;
  name: string;
  parts: number;
}

/** Asks for some of the parts that were dealt, the last not included. Each is asked for once. */
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
/** How long a turn of the event loop may be used for a sweep, ms, and the things between looks at the clock. */
const TURN = 1;
const LOOK_EVERY = 256;
/** Series of which the things are added up before they are dealt, at a time. */
const ADDED_UP = 4096;
/** Things to a series below which adding up is not worth its while, and how many are passed on then. */
const FEW_THE_SAME = 1.25;
const PASSED_ON = 32_768;

const widths = new Map(metrics.map(({ name, type }) => [name, type === 'histogram' ? HISTOGRAM_WIDTH : 1]));

/**
 * The metrics of one shard, in pages. The series of a large metric are dealt into parts in one sweep over what they
 * are read off, in its order and in slices: to look at a million things twice, in another order, takes five times as
 * long (bench/metrics). That takes about 50 bytes for each, let go of as the parts are sent.
 */
export class MetricsPages {
  readonly #families: () => Family[];
  readonly #clock: Pick<Clock, 'after' | 'monotonic'>;
  /** By scrape. */
  readonly #dealt = new Map<number, { parts: (PartWriter | undefined)[]; timer: Timer }>();

  /** `families` gives what is measured now; several may be of one metric. */
  constructor(families: () => Family[], clock: Pick<Clock, 'after' | 'monotonic'>) {
    this.#families = families;
    this.#clock = clock;
  }

  /** Of these metrics, or of all. */
  async overview(names?: readonly string[]): Promise<MetricsOverview> {
    const families = this.#families().filter(({ name }) => names?.includes(name) ?? true);
    const sizes = new Map<string, number>();
    for (const { name, size } of families) sizes.set(name, (sizes.get(name) ?? 0) + size);
    const pages: SeriesPage[] = [];
    for (const family of families) {
      if (sizes.get(family.name)! > LARGE || family.size === 0) continue;
      const part = new PartWriter(widths.get(family.name)!);
      await this.#sweep(family, () => part);
      pages.push({ name: family.name, ...part.finish() });
    }
    return { pages, large: new Map([...sizes].filter(([, size]) => size > LARGE)) };
  }

  /** Gives how many series there are in each part. */
  async deal({ scrape, name, parts: count }: DealRequest): Promise<Uint32Array> {
    const width = widths.get(name)!;
    const parts = Array.from({ length: count }, () => new PartWriter(width));
    for (const family of this.#families()) {
      if (family.name === name) await this.#sweep(family, (key) => parts[hashOf(key) % count]!);
    }
    this.#dealt.get(scrape)?.timer.cancel();
    this.#dealt.set(scrape, { parts, timer: this.#patience(scrape) });
    return Uint32Array.from(parts, (part) => part.count);
  }

  /** Rejects when the parts were let go of. */
  async parts({ scrape, name, from, to }: PartsRequest): Promise<SeriesPage[]> {
    // Messages that follow each other at once are served in one turn of the event loop, up to a thousand of them.
    await this.#turn();
    const dealt = this.#dealt.get(scrape);
    if (dealt === undefined) throw new Error('the metrics were asked for too slowly');
    const asked = dealt.parts.slice(from, to);
    dealt.timer.cancel();
    if (to >= dealt.parts.length) this.#dealt.delete(scrape);
    else {
      dealt.parts.fill(undefined, from, to);
      dealt.timer = this.#patience(scrape);
    }
    return asked.flatMap((part) =>
      part === undefined || part.count === 0 ? [] : { name, ...part.finish() },
    );
  }

  #patience(scrape: number): Timer {
    return this.#clock.after(PATIENCE, () => this.#dealt.delete(scrape));
  }

  /** Puts every series of the family into the part for its labels. */
  async #sweep(family: Family, partFor: (key: string) => PartWriter): Promise<void> {
    const together = family.isShared ? new AddedUp(partFor) : undefined;
    let looked = 0;
    let began = this.#clock.monotonic();
    for (const item of family.items()) {
      if (++looked % LOOK_EVERY === 0 && this.#clock.monotonic() - began > TURN) {
        await this.#turn();
        began = this.#clock.monotonic();
      }
      const key = family.key(item);
      if (key === undefined) continue;
      if (together !== undefined) together.add(key, family.value(item));
      else {
        const part = partFor(key);
        const at = part.add(key);
        family.read(item, part.numbers, at);
      }
    }
    together?.flush();
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(0, resolve));
  }
}

/**
 * Adds up what has the same labels, as far as there are few at a time. Where next to none are the same, they are passed
 * on one by one for a while.
 */
class AddedUp {
  readonly #partFor: (key: string) => PartWriter;
  readonly #sums = new Map<string, number>();
  /** What was added since the last flush. */
  #added = 0;
  /** What is to be passed on. */
  #passing = 0;

  constructor(partFor: (key: string) => PartWriter) {
    this.#partFor = partFor;
  }

  add(key: string, value: number): void {
    if (this.#passing > 0) {
      this.#passing--;
      this.#write(key, value);
      return;
    }
    this.#added++;
    const sum = this.#sums.get(key);
    this.#sums.set(key, (sum ?? 0) + value);
    if (sum !== undefined || this.#sums.size < ADDED_UP) return;
    if (this.#added < FEW_THE_SAME * ADDED_UP) this.#passing = PASSED_ON;
    this.flush();
  }

  flush(): void {
    for (const [key, sum] of this.#sums) this.#write(key, sum);
    this.#sums.clear();
    this.#added = 0;
  }

  #write(key: string, value: number): void {
    const part = this.#partFor(key);
    const at = part.add(key);
    part.numbers[at] = value;
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let sum = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    sum = Math.imul(sum ^ text.charCodeAt(index), 0x01000193);
  }
  return sum >>> 0;
}
