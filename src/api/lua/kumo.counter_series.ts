import { LocalCounters } from '../../io/limits/index.ts';
import {
  defineFunction,
  defineModule,
  defineObject,
  duration,
  integer,
  methodsOf,
  optionsArgument,
} from '../../model/define/index.ts';
import { CounterSeries } from '../../model/kept/index.ts';
import { counterSeriesOptions } from '../../model/options/index.ts';
import { sharedBy } from './kept.ts';

const seriesOf = sharedBy((host) => ({
  counters: host.counters ?? new LocalCounters(),
  series: new Map<string, CounterSeries>(),
}));

export const counterSeriesModule = defineModule(
  'kumo.counter_series',
  { doc: 'Sums over the last minutes or hours, shared by the whole process.' },
  {
    define: defineFunction({
      params: { options: optionsArgument(counterSeriesOptions) },
      returns: 'counter_series',
      doc: 'The series of that name and shape.',
      call: ({ options: { options } }, { host }) => {
        const { name, num_buckets: buckets, initial_value: initial } = options;
        const bucketSize = Math.max(1, Math.ceil(options.bucket_size / 1000)) * 1000;
        const { counters, series } = seriesOf(host);
        const key = `${name} ${buckets} ${bucketSize}`;
        const known = series.get(key);
        if (known !== undefined) return known;
        const made = new CounterSeries(
          { name, buckets, bucketSize },
          counters,
          () => host.clock.now(),
          initial,
        );
        series.set(key, made);
        return made;
      },
    }),
  },
);

const method = methodsOf<CounterSeries>();

export const counterSeriesObject = defineObject(
  'counter_series',
  CounterSeries,
  { doc: 'Numbers per bucket of time.' },
  {
    increment: method({
      params: { n: integer({ min: 0 }) },
      doc: 'Adds to the present bucket.',
      call: (self, { n }) => self.add(n),
    }),
    delta: method({
      params: { n: integer() },
      doc: 'Adds to the present bucket, or takes away; it does not go below zero.',
      call: (self, { n }) => self.add(n),
    }),
    observe: method({
      params: { n: integer({ min: 0 }) },
      doc: 'Sets the present bucket.',
      call: (self, { n }) => self.observe(n),
    }),
    sum: method({ returns: 'integer', doc: 'Sum of all buckets.', call: (self) => self.sum() }),
    sum_over: method({
      params: { duration: duration() },
      returns: 'integer',
      doc: 'Sum of the newest buckets that this time reaches into.',
      call: (self, { duration }) => self.sum(duration),
    }),
  },
);
