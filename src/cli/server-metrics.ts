import type { Server } from './endpoint.ts';

interface HistogramLeaf {
  count: number;
  sum: number;
}

type Leaf = number | HistogramLeaf;

/** GET /metrics.json (operations.md 7.2). */
export type MetricsJson = Readonly<Record<string, { type: string; value: unknown }>>;

/** A value with its labels. */
export interface Series {
  labels: Readonly<Record<string, string>>;
  value: Leaf;
}

/** The metrics of a server at one moment. What it does not measure is absent. */
export class ServerMetrics {
  readonly #metrics: MetricsJson;

  constructor(metrics: MetricsJson) {
    this.#metrics = metrics;
  }

  /** Of these names: all that there are may be very many. A server of KumoMTA gives them all the same. */
  static async of(server: Server, names: readonly string[]): Promise<ServerMetrics> {
    const query = { names: names.join(',') };
    return new ServerMetrics(await server.getJson<MetricsJson>('/metrics.json', { query }));
  }

  /** Whether the server measures it. */
  has(name: string): boolean {
    return this.#metrics[name] !== undefined;
  }

  /** The number of a metric without labels; undefined when it is not measured. */
  number(name: string): number | undefined {
    const value = this.#metrics[name]?.value;
    return typeof value === 'number' ? value : undefined;
  }

  /** Values by their one label. */
  byLabel(name: string): Map<string, number> {
    const all = new Map<string, number>();
    for (const { labels, value } of this.series(name)) {
      if (typeof value === 'number') all.set(Object.values(labels)[0] ?? '', value);
    }
    return all;
  }

  /** Every value with its labels, in the order of the server. */
  series(name: string): Series[] {
    const value = this.#metrics[name]?.value;
    if (Array.isArray(value)) {
      return value.map(({ '@': leaf, ...labels }: { '@': Leaf }) => ({ labels, value: leaf }));
    }
    if (typeof value === 'number') return [{ labels: {}, value }];
    if (typeof value !== 'object' || value === null) return [];
    const [label, leaves] = Object.entries(value as Record<string, Record<string, Leaf>>)[0]!;
    return Object.entries(leaves).map(([own, leaf]) => ({ labels: { [label]: own }, value: leaf }));
  }
}

/** The sum of values whose label passes. */
export function sumOf(values: ReadonlyMap<string, number>, passes: (label: string) => boolean): number {
  let sum = 0;
  for (const [label, value] of values) if (passes(label)) sum += value;
  return sum;
}

/** A series of a ready queue, as against the total of its protocol: `PROTO:READYQ`. */
export function isReadyQueue(service: string): boolean {
  return service.includes(':');
}
