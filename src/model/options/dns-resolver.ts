import {
  anyOf,
  boolean,
  defineOptions,
  duration,
  field,
  hostPort,
  integer,
  list,
  listenAddress,
  makeKind,
  type OptionsOf,
  oneOf,
  type RichKind,
  string,
  table,
} from '../define/index.ts';
import type { Endpoint } from '../transport.ts';

const effect = 'later';
const ttl = (doc: string) => field(duration(), { doc });

export const resolverOptions = defineOptions(
  'dns.resolver_options',
  { luaClass: 'kumo.dns.ResolverOptions', doc: 'How DNS is asked.' },
  {
    attempts: field(integer({ min: 1 }), { default: 2, doc: 'Times each server is asked.' }),
    timeout: field(duration(), { default: '5s', doc: 'For one answer.' }),
    ndots: field(integer({ min: 0 }), {
      default: 1,
      effect,
      doc: 'Dots from which a name is tried as it is first.',
    }),
    cache_size: field(integer({ min: 0 }), { default: 8192, doc: 'Answers kept.' }),
    edns0: field(boolean(), { default: true, doc: 'Use EDNS.' }),
    num_concurrent_reqs: field(integer({ min: 1 }), {
      default: 2,
      effect,
      doc: 'Servers asked at the same time.',
    }),
    recursion_desired: field(boolean(), { default: true, doc: 'Ask for recursion.' }),
    preserve_intermediates: field(boolean(), {
      default: true,
      effect,
      doc: 'Keep CNAME records of an answer.',
    }),
    case_randomization: field(boolean(), {
      default: false,
      doc: 'Mix the case of names against forgery.',
    }),
    try_tcp_on_error: field(boolean(), { default: false, doc: 'Ask over TCP when UDP failed.' }),
    use_hosts_file: field(oneOf('Auto', 'Always', 'Never'), {
      default: 'Auto',
      doc: 'Whether /etc/hosts counts.',
    }),
    server_ordering_strategy: field(oneOf('QueryStatistics', 'UserProvidedOrder', 'RoundRobin'), {
      default: 'QueryStatistics',
      effect,
      doc: 'Which server is asked first.',
    }),
    ip_strategy: field(
      oneOf('Ipv4Only', 'Ipv6Only', 'Ipv4AndIpv6', 'Ipv6AndIpv4', 'Ipv6ThenIpv4', 'Ipv4ThenIpv6'),
      {
        default: 'Ipv6AndIpv4',
        effect,
        doc: 'Which addresses are looked up.',
      },
    ),
    validate: field(boolean(), { effect, doc: 'Check DNSSEC signatures.' }),
    trust_ad: field(boolean(), {
      extension: true,
      doc: 'Believe servers that are not on this machine that an answer is proved by DNSSEC; only where nobody can come between. Unless it is set, as resolv.conf says of its servers, and false for others.',
    }),
    trust_anchor_file: field(string(), { effect, doc: 'Keys that DNSSEC starts from.' }),
    positive_min_ttl: ttl('Answers are kept at least this long.'),
    positive_max_ttl: ttl('Answers are kept at most this long.'),
    negative_min_ttl: ttl('That a name does not exist is kept at least this long.'),
    negative_max_ttl: ttl('That a name does not exist is kept at most this long.'),
  },
);

export const nameServerOptions = defineOptions(
  'dns.configure_resolver.name_servers',
  { luaClass: 'kumo.dns.NameServer', doc: 'One DNS server.' },
  {
    socket_addr: field(listenAddress(), { required: true, doc: 'IP:PORT of the server.' }),
    protocol: field(oneOf('udp_then_tcp', 'udp', 'tcp'), {
      default: 'udp_then_tcp',
      doc: 'How it is asked.',
    }),
    trust_negative_responses: field(boolean(), {
      default: true,
      doc: 'Believe it that a name does not exist.',
    }),
    bind_addr: field(hostPort(), { doc: 'Local address to ask from.' }),
  },
);

export type NameServer = OptionsOf<typeof nameServerOptions>;

/** `'IP:PORT'` is short for a table with nothing else. */
function nameServer(): RichKind<NameServer> {
  const short: RichKind<NameServer> = makeKind('IP:PORT', 'string', (value, at, strict) => {
    const socket_addr: Endpoint = listenAddress().parse(value, at, strict);
    return { socket_addr, protocol: 'udp_then_tcp', trust_negative_responses: true, bind_addr: undefined };
  });
  const long = table(nameServerOptions);
  return {
    ...anyOf(short, long),
    parse: (value, at, strict) => (typeof value === 'string' ? short : long).parse(value, at, strict),
  };
}

export const configureResolverOptions = defineOptions(
  'dns.configure_resolver',
  {
    luaClass: 'kumo.dns.ConfigureResolverOptions',
    doc: 'Which DNS servers are asked in place of those of the system.',
  },
  {
    name_servers: field(list(nameServer()), {
      default: [],
      doc: 'Servers. None: those of /etc/resolv.conf.',
    }),
    domain: field(string(), { effect, doc: 'Domain of this machine.' }),
    search: field(list(string()), { default: [], effect, doc: 'Domains that short names are tried in.' }),
    options: field(table(resolverOptions), { default: {}, doc: 'How they are asked.' }),
  },
);

export type ConfigureResolverOptions = OptionsOf<typeof configureResolverOptions>;
