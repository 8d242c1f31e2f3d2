import {
  boolean,
  defineOptions,
  duration,
  field,
  integer,
  list,
  luaFunction,
  type OptionsOf,
  string,
  table,
} from '../define/index.ts';

export const jsonLinesOptions = defineOptions(
  'jsonl.new_writer',
  { luaClass: 'kumo.JsonLinesOptions', doc: 'Where lines of JSON are written, compressed with zstd.' },
  {
    log_dir: field(string(), { required: true, doc: 'Directory; made when it is missing.' }),
    max_file_size: field(integer({ min: 1 }), {
      default: 134_217_728,
      doc: 'Bytes before compression after which a segment is finished.',
    }),
    compression_level: field(integer({ min: 0, max: 22 }), {
      default: 3,
      doc: 'zstd level; 0 is its default.',
    }),
    max_segment_duration: field(duration(), {
      doc: 'Age at which a segment is finished; without it only its size counts.',
    }),
    suffix: field(string(), { default: '', doc: 'End of every file name, after the number of the thread.' }),
    tz: field(string(), { effect: 'later', doc: 'Time zone of file names, which are in UTC.' }),
  },
);

export type JsonLinesOptions = OptionsOf<typeof jsonLinesOptions>;

const place = {
  directory: field(string(), { required: true, doc: 'Directory of the segments.' }),
  pattern: field(string(), { default: '*', doc: 'Glob for the names of segments.' }),
  poll_watcher: field(boolean(), {
    default: false,
    effect: 'later',
    doc: 'How KumoMTA notices changes. Moonpost looks five times a second.',
  }),
  tail: field(boolean(), {
    default: false,
    doc: 'Ignore the checkpoint and begin with the newest segment.',
  }),
};

const batches = {
  max_batch_size: field(integer({ min: 1, max: 10_000 }), { default: 100, doc: 'Most records in a batch.' }),
  max_batch_latency: field(duration(), {
    default: '1s',
    doc: 'How long the first record of a batch waits for others.',
  }),
  checkpoint_name: field(string(), {
    doc: 'File in the directory, with a dot before its name, that keeps how far was committed.',
  }),
};

export const tailerOptions = defineOptions(
  'jsonl.new_tailer',
  { luaClass: 'kumo.JsonLinesTailerOptions', doc: 'Which log is read, and in which batches.' },
  { ...place, ...batches },
);

export const consumerOptions = defineOptions(
  'jsonl.new_multi_tailer.consumers',
  { luaClass: 'kumo.JsonLinesConsumer', doc: 'One of those who read a log.' },
  {
    name: field(string(), { required: true, doc: 'Name, which batches tell.' }),
    ...batches,
    filter: field(luaFunction('fun(record: table): boolean'), {
      doc: 'Says which records the consumer gets; without it, all.',
    }),
  },
);

export const multiTailerOptions = defineOptions(
  'jsonl.new_multi_tailer',
  { luaClass: 'kumo.JsonLinesMultiTailerOptions', doc: 'Which log is read, and by whom.' },
  { ...place, consumers: field(list(table(consumerOptions)), { required: true, doc: 'Who reads.' }) },
);

export type TailerLuaOptions = OptionsOf<typeof tailerOptions>;
export type ConsumerOptions = OptionsOf<typeof consumerOptions>;
