import { parseHostPort, parseIp } from '../../protocol/ip/index.ts';
import {
  boolean,
  defineOptions,
  duration,
  field,
  formatOptions,
  integer,
  laterOptions,
  list,
  makeKind,
  type OptionsDeclaration,
  type OptionsOf,
  PolicyValueError,
  parseOptions,
  type RichKind,
  refuse,
  string,
  table,
  typeOfValue,
} from '../define/index.ts';
import type { Json } from '../json.ts';

/** One place of an mx_list: a name to look up, or a name whose address is given. */
export type MxListEntry =
  /** Host name or `[ip]`, with or without `:port`, as written. */
  | { name: string }
  /** The name is for TLS and logs; `addr` is an IP, with or without `:port`. */
  | { name: string; addr: string };

function mxListEntry(): RichKind<MxListEntry> {
  return makeKind<MxListEntry>(
    'host or {name, addr}',
    'string|{name: string, addr: string}',
    (value, at) => {
      if (typeof value === 'string' && value !== '') return { name: value };
      if (typeOfValue(value) !== 'table') return refuse(at, 'a host name or a table of name and addr', value);
      const { name, addr, ...rest } = value as Record<string, unknown>;
      if (typeof name !== 'string' || typeof addr !== 'string' || Object.keys(rest).length > 0) {
        throw new PolicyValueError(`${at}: an entry is a host name, or a table of name and addr`);
      }
      if (parseIp(addr) === undefined && parseIp(parseHostPort(addr)?.address ?? '') === undefined) {
        throw new PolicyValueError(`${at}.addr: '${addr}' is no IP or IP:PORT`);
      }
      return { name, addr };
    },
    { format: (entry) => ('addr' in entry ? { name: entry.name, addr: entry.addr } : entry.name) },
  );
}

export const smtpProtocolOptions = defineOptions(
  'make_queue_config.protocol.smtp',
  { luaClass: 'kumo.SmtpProtocol', doc: 'Delivery over SMTP.' },
  {
    mx_list: field(list(mxListEntry()), {
      default: [],
      doc: 'Hosts to send to, in this order, instead of the MX of the domain. Empty: ask DNS.',
    }),
    treat_mx_list_as_secure: field(boolean(), {
      default: false,
      doc: 'The mx_list counts as if DNSSEC had proved it, so that enable_dane of the path looks for TLSA records of its hosts.',
    }),
  },
);

export const customLuaOptions = defineOptions(
  'make_queue_config.protocol.custom_lua',
  { luaClass: 'kumo.CustomLuaProtocol', doc: 'Delivery by a function of the policy.' },
  {
    constructor: field(string(), {
      required: true,
      doc: 'Event, fired with domain, tenant and campaign, that returns the connection: a table with `send(self, message)`, or `send_batch(self, messages)` where batch_size is more than 1, and perhaps `close(self)`. They return the text of the Delivery record; kumo.reject with 400 to 499 has the mail tried again (421 also closes), with another code it bounces; any other error counts as 400 and closes.',
    }),
    batch_size: field(integer({ min: 1 }), {
      default: 1,
      doc: 'Most messages per send_batch.',
    }),
    min_batch_size: field(integer({ min: 1 }), {
      default: 1,
      doc: 'Fewest messages worth a send_batch.',
    }),
    max_batch_latency: field(duration(), {
      default: 0,
      doc: 'Longest wait for min_batch_size; without, what is ready goes.',
    }),
  },
);

export const xferProtocolOptions = defineOptions(
  'make_queue_config.protocol.xfer',
  { luaClass: 'kumo.XferProtocol', doc: 'Transfer to another node.' },
  { target: field(string(), { required: true, doc: 'URL of the HTTP listener of the node.' }) },
);

export const queueProtocolOptions = defineOptions(
  'make_queue_config.protocol',
  { luaClass: 'kumo.QueueProtocol', doc: 'Exactly one way of delivery.' },
  {
    smtp: field(table(smtpProtocolOptions), { doc: 'Over SMTP.' }),
    custom_lua: field(table(customLuaOptions), { doc: 'By a function of the policy.' }),
    xfer: field(table(xferProtocolOptions), { doc: 'To another node.' }),
    maildir_path: field(string(), { doc: 'Into a maildir. The directory is made when it is missing.' }),
    dir_mode: field(integer({ min: 0, max: 0o7777 }), { doc: 'Mode of directories made for the maildir.' }),
    file_mode: field(integer({ min: 0, max: 0o7777 }), { doc: 'Mode of message files in the maildir.' }),
  },
);

/** How a scheduled queue delivers. */
export type QueueProtocol =
  | ({ kind: 'smtp' } & OptionsOf<typeof smtpProtocolOptions>)
  | ({ kind: 'custom_lua' } & OptionsOf<typeof customLuaOptions>)
  | ({ kind: 'xfer' } & OptionsOf<typeof xferProtocolOptions>)
  | { kind: 'maildir'; maildir_path: string; dir_mode: number | undefined; file_mode: number | undefined };

/** The kind of the `protocol` option: a table with exactly one way of delivery. */
export function queueProtocol(): RichKind<QueueProtocol> {
  return makeKind('protocol', queueProtocolOptions.luaClass, parseProtocol, {
    format: formatProtocol,
    later: (value) =>
      laterOptions(queueProtocolOptions as OptionsDeclaration<unknown>, value).map((n) => `.${n}`),
  });
}

function parseProtocol(value: unknown, at: string): QueueProtocol {
  const { smtp, custom_lua, xfer, maildir_path, dir_mode, file_mode } = table(queueProtocolOptions).parse(
    value,
    at,
    true,
  );
  const ways = [smtp, custom_lua, xfer, maildir_path].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new PolicyValueError(`${at}: give exactly one of smtp, custom_lua, maildir_path, xfer`);
  }
  if (smtp !== undefined) return { kind: 'smtp', ...smtp };
  if (custom_lua !== undefined) return { kind: 'custom_lua', ...custom_lua };
  if (xfer !== undefined) return { kind: 'xfer', ...xfer };
  return { kind: 'maildir', maildir_path: maildir_path!, dir_mode, file_mode };
}

function formatProtocol(protocol: QueueProtocol): Json {
  switch (protocol.kind) {
    case 'smtp':
      return { smtp: formatOptions(smtpProtocolOptions, protocol) };
    case 'custom_lua':
      return { custom_lua: formatOptions(customLuaOptions, protocol) };
    case 'xfer':
      return { xfer: formatOptions(xferProtocolOptions, protocol) };
    case 'maildir':
      return {
        maildir_path: protocol.maildir_path,
        dir_mode: protocol.dir_mode ?? null,
        file_mode: protocol.file_mode ?? null,
      };
  }
}

/** Delivery over SMTP to the MX of the domain. */
export function defaultQueueProtocol(): QueueProtocol {
  return { kind: 'smtp', ...parseOptions(smtpProtocolOptions, {}) };
}
