import { boolean, defineOptions, field, freeFloor, integer, type OptionsOf } from '../define/index.ts';
import { segmentFields } from './local-logs.ts';

export const accountingLogOptions = defineOptions(
  'aaa.configure_acct_log',
  {
    luaClass: 'kumo.AccountingLogOptions',
    doc: 'Files `acct-*` of compressed JSON lines about who asked what of the HTTP listeners.',
  },
  {
    ...segmentFields,
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
