import {
  defineOptions,
  duration,
  field,
  formatOptions,
  hostPort,
  integer,
  ipAddress,
  keySource,
  makeKind,
  type OptionsOf,
  PolicyValueError,
  parseOptions,
  type RichKind,
  refuse,
  string,
  table,
  throttleSpec,
  typeOfValue,
} from '../define/index.ts';
import type { Json } from '../json.ts';
import type { ThrottleSpec } from '../limits.ts';
import { formatThrottleSpec } from '../throttle-spec.ts';

/** How many failures suspend a source: the first one, or as many as the threshold within its period. */
export type SuspendTrigger = 'Immediate' | { threshold: ThrottleSpec };

function suspendTrigger(): RichKind<SuspendTrigger> {
  return makeKind(
    "'Immediate' or {Threshold=...}",
    "'Immediate'|{Threshold: string}",
    (value, at, strict) => {
      if (value === 'Immediate') return 'Immediate';
      if (typeOfValue(value) !== 'table') return refuse(at, "'Immediate' or a table with Threshold", value);
      const { Threshold, ...rest } = value as Record<string, unknown>;
      if (Object.keys(rest).length > 0) throw new PolicyValueError(`${at}: only Threshold is known here`);
      return { threshold: throttleSpec().parse(Threshold, `${at}.Threshold`, strict) };
    },
    {
      format: (trigger) =>
        trigger === 'Immediate' ? trigger : { Threshold: formatThrottleSpec(trigger.threshold) },
    },
  );
}

export const suspendOptions = defineOptions(
  'make_egress_source.suspend_when_unplumbed',
  { luaClass: 'kumo.SuspendSource', doc: 'When and for how long a source that fails is left out.' },
  {
    trigger: field(suspendTrigger(), {
      required: true,
      doc: 'The first failure, or as many as the threshold within its period.',
    }),
    duration: field(duration(), { required: true, doc: 'How long the source is left out.' }),
  },
);

export const egressSourceOptions = defineOptions(
  'make_egress_source',
  { luaClass: 'kumo.EgressSourceOptions', doc: 'A local address, or a proxy, to send from.' },
  {
    name: field(string(), { required: true, doc: 'Name of the source. `unspecified` is built in.' }),
    source_address: field(ipAddress(), { doc: 'Local address to bind to.' }),
    ehlo_domain: field(string(), { doc: 'Name in EHLO, unless the egress path names one.' }),
    remote_port: field(integer({ min: 1, max: 65_535 }), { doc: 'Port to connect to; beats every other.' }),
    socks5_proxy_server: field(hostPort(), {
      doc: 'SOCKS5 proxy to connect through; its name is looked up. Not used without socks5_proxy_source_address.',
    }),
    socks5_proxy_source_address: field(ipAddress(), {
      doc: 'Address that the SOCKS5 proxy sends from, named to it with BIND.',
    }),
    socks5_proxy_username: field(string(), {
      doc: 'User for the SOCKS5 proxy; needs socks5_proxy_password.',
    }),
    socks5_proxy_password: field(keySource(), { doc: 'Password for the SOCKS5 proxy.' }),
    ha_proxy_server: field(hostPort(), {
      doc: 'haproxy to connect through; beats SOCKS5. Not used without ha_proxy_source_address.',
    }),
    ha_proxy_source_address: field(ipAddress(), {
      doc: 'Address that haproxy sends from, named to it with a PROXY header.',
    }),
    ha_proxy_header_version: field(integer({ min: 1, max: 2 }), {
      default: 2,
      doc: 'Version of the PROXY header.',
    }),
    suspend_when_unplumbed: field(table(suspendOptions), {
      doc: 'When the source address is not on this machine.',
    }),
    suspend_when_proxy_unhealthy: field(table(suspendOptions), {
      doc: 'When the proxy fails.',
    }),
    ttl: field(duration(), { default: '60s', doc: 'How long the answer is used.' }),
  },
);

export type EgressSourceOptions = OptionsOf<typeof egressSourceOptions>;

/** What kumo.make_egress_source gives and get_egress_source returns. */
export class EgressSource {
  readonly options: EgressSourceOptions;

  constructor(options: EgressSourceOptions) {
    this.options = options;
  }

  /** The options as policy reads them back. */
  entries(): Record<string, unknown> {
    return formatOptions(egressSourceOptions, this.options);
  }

  /** For what takes any value, such as json_encode, and in place of a table of options. */
  asJson(): { [key: string]: Json } {
    return formatOptions(egressSourceOptions, this.options);
  }
}

/** The built-in source `unspecified`: whatever address the system chooses. */
export function unspecifiedEgressSource(): EgressSourceOptions {
  return parseOptions(egressSourceOptions, { name: 'unspecified' });
}
