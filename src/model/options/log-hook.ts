import { boolean, defineOptions, field, integer, list, type OptionsOf, string } from '../define/index.ts';
import { perRecord } from './local-logs.ts';

const name = field(string(), { required: true, doc: 'Name of the hook; no other of its kind has it.' });
const selectedRecords = field(perRecord(), {
  default: {},
  doc: 'What differs by type of record; Any is for the types that are not named. Of its keys only enable and, for configure_log_hook, template count: no files are written here.',
});

export const logHookOptions = defineOptions(
  'configure_log_hook',
  {
    luaClass: 'kumo.LogHookOptions',
    doc: 'A message for each log record, which goes its way through the queues like any other.',
  },
  {
    name,
    back_pressure: field(integer({ min: 1 }), {
      default: 128_000,
      doc: 'Records that may be on their way into the spool, per shard. With so many no mail is taken and queues pause until there are fewer; none is dropped.',
    }),
    meta: field(list(string()), {
      default: [],
      doc: 'Metadata for the record and for the message that carries it; `name*` takes all that begin so.',
    }),
    headers: field(list(string()), {
      default: [],
      doc: 'Headers for the record, in any case; `X-*` takes all that begin so.',
    }),
    per_record: selectedRecords,
    deferred_spool: field(boolean(), {
      default: false,
      doc: 'Keeps the messages in memory alone until an attempt to deliver them fails. What is there is lost when the process is killed.',
    }),
  },
);

export type LogHookOptions = OptionsOf<typeof logHookOptions>;

export const logDispositionHookOptions = defineOptions(
  'configure_log_disposition_hook',
  {
    luaClass: 'kumo.LogDispositionHookOptions',
    doc: 'An event `log_disposition_NAME` for each log record, while it is logged.',
  },
  {
    name,
    per_record: selectedRecords,
  },
);

export type LogDispositionHookOptions = OptionsOf<typeof logDispositionHookOptions>;
