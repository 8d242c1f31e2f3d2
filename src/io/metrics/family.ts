import { HISTOGRAM_WIDTH, keyOf, type RegisteredSeries, type Registry, Series } from '../../model/index.ts';

/** All series of one metric that a shard has, or a part of them: read off `items` when they are asked for. */
export interface Family<Item = unknown> {
  readonly name: string;
  /** How many items there are, about. */
  readonly size: number;
  items(): Iterable<Item>;
  /** Values of the labels with NUL between (see model `keyOf`); undefined for an item that has no series now. */
  key(item: Item): string | undefined;
  /** Items may have the same labels, all of them even; they are added up. Not for histograms. */
  readonly isShared: boolean;
  /** The number of an item that shares its labels. */
  value(item: Item): number;
  /** Writes the numbers of the item: one, or HISTOGRAM_WIDTH. */
  read(item: Item, into: Float64Array, at: number): void;
}

/** A family of counters or gauges. */
export function valueFamily<Item>(
  family: Pick<Family<Item>, 'name' | 'size' | 'items' | 'key' | 'value'> & { isShared?: boolean },
): Family {
  const { value, isShared = false } = family;
  const read = (item: Item, into: Float64Array, at: number): void => {
    into[at] = value(item);
  };
  return { ...family, isShared, read } as Family<Item> as Family;
}

/** A family of few series, read now. */
export function gauges(
  name: string,
  series: readonly (readonly [value: number, ...labels: string[]])[],
): Family {
  return valueFamily({
    name,
    size: series.length,
    items: () => series,
    key: ([, ...labels]) => keyOf(labels),
    value: ([value]) => value,
  });
}

/** What a registry has measured. */
export function registryFamilies(registry: Registry): Family[] {
  return Array.from(registry.entries(), ([name, series]) => {
    const family: Family<RegisteredSeries> = {
      name,
      size: series.size,
      items: () => series.values(),
      key: ({ key }) => key,
      isShared: false,
      value: ({ series }) => (series instanceof Series ? series.value : series.count),
      read({ series }, into, at) {
        if (series instanceof Series) into[at] = series.value;
        else for (let index = 0; index < HISTOGRAM_WIDTH; index++) into[at + index] = series.numbers[index]!;
      },
    };
    return family as Family;
  });
}
