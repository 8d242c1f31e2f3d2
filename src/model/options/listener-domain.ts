import {
  boolean,
  cidrList,
  defineOptions,
  duration,
  field,
  formatOptions,
  makeKind,
  type OptionsOf,
  oneOf,
  type RichKind,
} from '../define/index.ts';
import type { Json } from '../json.ts';
import type { ReportHandling } from '../relay.ts';

function reportHandling(): RichKind<ReportHandling> {
  const named = oneOf('Ignore', 'LogThenDrop', 'LogThenRelay');
  return makeKind(named.name, `boolean|${named.luaType}`, (value, at, strict) => {
    if (typeof value === 'boolean') return value ? 'LogThenRelay' : 'Ignore';
    return named.parse(value, at, strict);
  });
}

export const listenerDomainOptions = defineOptions(
  'make_listener_domain',
  { luaClass: 'kumo.ListenerDomainOptions', doc: 'What a listener does with mail for, or from, one domain.' },
  {
    relay_to: field(boolean(), { default: false, doc: 'Anybody may send to the domain.' }),
    relay_from: field(cidrList(), { default: [], doc: 'Clients that may send from the domain to anywhere.' }),
    log_oob: field(reportHandling(), {
      default: 'Ignore',
      doc: 'Log delivery reports for the domain (OOB), whoever sends them. true is LogThenRelay.',
    }),
    log_arf: field(reportHandling(), {
      default: 'Ignore',
      doc: 'Log feedback reports for the domain (Feedback), whoever sends them. true is LogThenRelay.',
    }),
    ttl: field(duration(), {
      default: '60s',
      effect: 'later',
      doc: 'Accepted; KumoMTA does not use it either.',
    }),
  },
);

export type ListenerDomainOptions = OptionsOf<typeof listenerDomainOptions>;

/** What kumo.make_listener_domain gives and get_listener_domain returns. */
export class ListenerDomain {
  readonly options: ListenerDomainOptions;

  constructor(options: ListenerDomainOptions) {
    this.options = options;
  }

  /** The options as policy reads them back. */
  entries(): Record<string, unknown> {
    return formatOptions(listenerDomainOptions, this.options);
  }

  /** For what takes any value, such as json_encode, and in place of a table of options. */
  asJson(): { [key: string]: Json } {
    return formatOptions(listenerDomainOptions, this.options);
  }
}
