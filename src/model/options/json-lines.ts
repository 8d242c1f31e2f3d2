import { defineOptions, duration, field, integer, type OptionsOf, string } from '../define/index.ts';

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
