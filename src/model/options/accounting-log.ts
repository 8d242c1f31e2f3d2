import {
  boolean,
  defineOptions,
  duration,
  field,
  freeFloor,
  integer,
  type OptionsOf,
  string,
} from '../define/index.ts';

export const accountingLogOptions = defineOptions(
  'aaa.configure_acct_log',
  {
    luaClass: 'kumo.AccountingLogOptions',
    doc: 'Files `acct-*` of compressed JSON lines about who asked what of the HTTP listeners.',
  },
  {
    log_dir: field(string(), { required: true, doc: 'Directory; made when it is missing.' }),
    max_segment_duration: field(duration(), { doc: 'A file is finished this long after it was begun.' }),
    max_file_size: field(integer({ min: 1 }), {
      default: 1_000_000_000,
      doc: 'Uncompressed bytes after which a file is finished.',
    }),
    compression_level: field(integer({ min: 0, max: 22 }), { default: 0, doc: 'Of zstd; 0 is its default.' }),
    back_pressure: field(integer({ min: 1 }), {
      default: 128_000,
      doc: 'Records that may wait to be written, in each shard; while more do, requests are answered 503.',
    }),
    min_free_space: field(freeFloor(), { default: '10%', doc: 'With less free space no mail is taken.' }),
    min_free_inodes: field(freeFloor(), { default: '10%', doc: 'With fewer free inodes no mail is taken.' }),
    log_authz_allow: field(boolean(), { default: true, doc: 'Requests that were allowed.' }),
    log_authz_deny: field(boolean(), { default: true, doc: 'Requests that were refused.' }),
    log_authn_ok: field(boolean(), { default: true, doc: 'Credentials that were right.' }),
    log_authn_fail: field(boolean(), { default: true, doc: 'Credentials that were wrong.' }),
  },
);

export type AccountingLogOptions = OptionsOf<typeof accountingLogOptions>;
