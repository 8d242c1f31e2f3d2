import {
  defineOptions,
  duration,
  field,
  formatOptions,
  integer,
  list,
  type OptionsOf,
  parseOptions,
  string,
  table,
} from '../define/index.ts';
import type { Json } from '../json.ts';

export const egressPoolEntryOptions = defineOptions(
  'make_egress_pool.entries',
  { luaClass: 'kumo.EgressPoolEntry', doc: 'One source of the pool.' },
  {
    name: field(string(), { required: true, doc: 'Name of the source.' }),
    weight: field(integer({ min: 0 }), { default: 1, doc: 'Share of the traffic. 0 leaves the source out.' }),
  },
);

export const egressPoolOptions = defineOptions(
  'make_egress_pool',
  { luaClass: 'kumo.EgressPoolOptions', doc: 'Sources that share the traffic of a queue.' },
  {
    name: field(string(), { required: true, doc: 'Name of the pool. `unspecified` is built in.' }),
    entries: field(list(table(egressPoolEntryOptions)), { default: [], doc: 'Sources and their weights.' }),
    ttl: field(duration(), { default: '60s', doc: 'How long the answer is used.' }),
  },
);

export type EgressPoolOptions = OptionsOf<typeof egressPoolOptions>;

/** What kumo.make_egress_pool gives and get_egress_pool returns. */
export class EgressPool {
  readonly options: EgressPoolOptions;

  constructor(options: EgressPoolOptions) {
    this.options = options;
  }

  /** The options as policy reads them back. */
  entries(): Record<string, unknown> {
    return formatOptions(egressPoolOptions, this.options);
  }

  /** For what takes any value, such as json_encode, and in place of a table of options. */
  asJson(): { [key: string]: Json } {
    return formatOptions(egressPoolOptions, this.options);
  }
}

/** The built-in pool `unspecified`: the one source `unspecified`. */
export function unspecifiedEgressPool(): EgressPoolOptions {
  return parseOptions(egressPoolOptions, { name: 'unspecified', entries: [{ name: 'unspecified' }] });
}
