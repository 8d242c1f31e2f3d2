import { boolean, defineOptions, duration, field, integer, type OptionsOf, string } from '../define/index.ts';

export const memoizeOptions = defineOptions(
  'memoize',
  { luaClass: 'kumo.MemoizeOptions', doc: 'How kumo.memoize keeps results.' },
  {
    name: field(string(), { required: true, doc: 'Name of the cache. All functions of one name share it.' }),
    ttl: field(duration(), { required: true, doc: 'How long a result is fresh.' }),
    capacity: field(integer({ min: 1, max: 10_000_000 }), {
      required: true,
      doc: 'Most results; the one not asked for longest goes first.',
    }),
    invalidate_with_epoch: field(boolean(), {
      default: false,
      doc: 'Results of an earlier configuration epoch are computed again.',
    }),
    populate_timeout: field(duration(), {
      default: '120 seconds',
      doc: 'How long a caller waits for another one that computes the same result.',
    }),
    retry_on_populate_timeout: field(boolean(), {
      default: false,
      doc: 'After that time compute it oneself, up to 3 times, instead of raising an error.',
    }),
    allow_stale_reads: field(boolean(), {
      default: false,
      doc: 'While one caller computes, the others get the old result.',
    }),
    keep_last_good: field(boolean(), {
      default: false,
      extension: true,
      doc: 'When the function raises an error although it gave a result before, for these arguments, that result holds for another minute, and the error is logged. Computing it may use what loading the policy may, and does not count for the handler: it is for reading files.',
    }),
  },
);

export type MemoizeOptions = OptionsOf<typeof memoizeOptions>;
