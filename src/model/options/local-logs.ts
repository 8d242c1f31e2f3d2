import {
  boolean,
  defineOptions,
  duration,
  field,
  freeFloor,
  integer,
  list,
  makeKind,
  map,
  type OptionsOf,
  oneOf,
  PolicyValueError,
  type RichKind,
  string,
  table,
} from '../define/index.ts';
import { RECORD_TYPES } from '../log-fields.ts';
import type { RecordType } from '../log-record.ts';
import { checkJinja } from '../texts/index.ts';

/** The text of a Jinja template; one that cannot be compiled is refused. */
function jinja(): RichKind<string> {
  return makeKind('template', 'string', (value, at, strict) => {
    const source = string().parse(value, at, strict);
    try {
      checkJinja(source);
    } catch (error) {
      throw new PolicyValueError(`${at}: ${(error as Error).message}`);
    }
    return source;
  });
}

export const perRecordOptions = defineOptions(
  'configure_local_logs.per_record',
  { luaClass: 'kumo.LogPerRecordOptions', doc: 'What differs for one type of record.' },
  {
    enable: field(boolean(), { default: true, doc: 'Whether the type is logged.' }),
    suffix: field(string(), { doc: 'End of the file name; records with the same go into one file.' }),
    log_dir: field(string(), { doc: 'Directory for this type, in place of that of the logger.' }),
    template: field(jinja(), {
      doc: 'Jinja template of the line in place of JSON. Its variables are the fields of the record, and log_record, which is all of them.',
    }),
    segment_header: field(string(), {
      default: '',
      doc: 'First line of every file. Of several types that share a file the first with a header gives it.',
    }),
  },
);

/** What may be said of each type of record, by its name or Any. */
export function perRecord(): RichKind<Partial<Record<RecordType | 'Any', PerRecordOptions>>> {
  return map(table(perRecordOptions), oneOf('Any', ...RECORD_TYPES));
}

/** What loggers of every kind say alike about what they want of records. */
const selection = {
  back_pressure: field(integer({ min: 1 }), {
    default: 128_000,
    doc: 'Records of a shard that may wait to be written; who writes more waits, and log_submit_full counts it.',
  }),
  meta: field(list(string()), { default: [], doc: 'Metadata to log; `name*` takes all that begin so.' }),
  headers: field(list(string()), {
    default: [],
    doc: 'Headers to log, in any case; `X-*` takes all that begin so.',
  }),
  filter_event: field(string(), {
    doc: 'Event that gets each message and returns true when the record is to be logged. Any other answer, an error, and an event without handler keep it out. Rejection is always logged: it has no message.',
  }),
};

/** Of everything that is written in compressed segments. */
export const segmentFields = {
  log_dir: field(string(), { required: true, doc: 'Directory; made when it is missing.' }),
  max_segment_duration: field(duration(), { doc: 'A file is finished this long after it was begun.' }),
  max_file_size: field(integer({ min: 1 }), {
    default: 1_000_000_000,
    doc: 'Uncompressed bytes after which a file is finished.',
  }),
  compression_level: field(integer({ min: 0, max: 22 }), { default: 0, doc: 'Of zstd; 0 is its default.' }),
};

export const localLogsOptions = defineOptions(
  'configure_local_logs',
  {
    luaClass: 'kumo.LocalLogsOptions',
    doc: 'Files of compressed JSON lines about every step of every message.',
  },
  {
    ...segmentFields,
    ...selection,
    per_record: field(perRecord(), {
      default: {},
      doc: 'What differs by type of record; Any is for the types that are not named.',
    }),
    min_free_space: field(freeFloor(), {
      default: '10%',
      doc: 'With less free space in a directory of the logger no mail is taken.',
    }),
    min_free_inodes: field(freeFloor(), {
      default: '10%',
      doc: 'With fewer free inodes there no mail is taken.',
    }),
  },
);

export const plainPerRecordOptions = defineOptions(
  'policy.configure_plain_logs.per_record',
  { luaClass: 'kumo.PlainLogPerRecordOptions', doc: 'What differs for one type of record.' },
  {
    enable: field(boolean(), { default: true, doc: 'Whether the type is logged.' }),
    template: field(jinja(), { doc: 'Jinja template of the line in place of JSON.' }),
  },
);

export const plainLogsOptions = defineOptions(
  'policy.configure_plain_logs',
  {
    luaClass: 'kumo.PlainLogsOptions',
    doc: 'Records as text on standard output or in a file that is not compressed.',
  },
  {
    output: field(string(), {
      required: true,
      doc: '`stdout`, or the path of a file, which is appended to, and begun anew when it was moved away (logrotate).',
    }),
    ...selection,
    per_record: field(map(table(plainPerRecordOptions), oneOf('Any', ...RECORD_TYPES)), {
      default: {},
      doc: 'What differs by type of record; Any is for the types that are not named.',
    }),
  },
);

export type PlainLogsOptions = OptionsOf<typeof plainLogsOptions>;
/** Of any logger of the delivery log. */
export type LoggerOptions = LocalLogsOptions | PlainLogsOptions;
export type PerRecordOptions = OptionsOf<typeof perRecordOptions>;
export type LocalLogsOptions = OptionsOf<typeof localLogsOptions>;
