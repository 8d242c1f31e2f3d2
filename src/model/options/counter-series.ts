import { defineOptions, duration, field, integer, type OptionsOf, string } from '../define/index.ts';

export const counterSeriesOptions = defineOptions(
  'counter_series.define',
  { luaClass: 'kumo.CounterSeriesOptions', doc: 'A series of counters over time.' },
  {
    name: field(string(), { required: true, doc: 'Name. All series of one name and shape are the same.' }),
    num_buckets: field(integer({ min: 1, max: 255 }), { required: true, doc: 'How many buckets are kept.' }),
    bucket_size: field(duration(), {
      required: true,
      doc: 'How long a bucket is, rounded up to whole seconds.',
    }),
    initial_value: field(integer({ min: 0 }), { default: 0, doc: 'What the first bucket begins with.' }),
  },
);

export type CounterSeriesOptions = OptionsOf<typeof counterSeriesOptions>;
