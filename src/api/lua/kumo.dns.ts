import { buildResolver, readResolvConf, reverseName } from '../../io/dns/index.ts';
import {
  boolean,
  type CallContext,
  defineFunction,
  defineModule,
  duration,
  integer,
  type Kind,
  map,
  oneOf,
  optional,
  Several,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { type DnsAnswer, DnsError, type MxResolution, type Resolver, resolveMx } from '../../model/index.ts';
import { type GivenResolver, resolverShape, testZones } from '../../model/options/index.ts';
import { formatHostPort, parseHostPort } from '../../protocol/ip/index.ts';
import { parseMtaStsPolicy } from '../../protocol/mta-sts/index.ts';
import { warnLater } from './later.ts';
import { resolverFor } from './named-resolver.ts';

const resolver = optional(string());

const STRATEGIES = {
  Ipv4Only: ['a'],
  Ipv6Only: ['aaaa'],
  Ipv4AndIpv6: ['a', 'aaaa'],
  Ipv6AndIpv4: ['aaaa', 'a'],
  Ipv4ThenIpv6: ['a', 'aaaa'],
  Ipv6ThenIpv4: ['aaaa', 'a'],
} as const;
type Strategy = keyof typeof STRATEGIES;

const lookUps: Record<string, UnnamedFunction> = {
  lookup_mx: defineFunction({
    params: { domain: string(), resolver },
    returns:
      '{domain_name: string, hosts: string[], site_name: string, by_pref: table<integer, string[]>, ' +
      'is_domain_literal: boolean, is_secure: boolean, is_mx: boolean, mta_sts: string}',
    doc: 'Where a domain takes mail. Host names end in a dot. mta_sts is None, Testing or Enforce; of Enforce, hosts that the policy does not name are left out, and a domain without any other raises an error. With a resolver that is named, policies are not asked for.',
    call: async ({ domain, resolver }, context) => {
      const policies = resolver === undefined ? context.host.mtaSts : undefined;
      return mxForLua(await resolveMx(domain, resolverFor(resolver, context), policies));
    },
  }),
  lookup_txt: defineFunction({
    params: { name: string(), resolver },
    returns: 'string[]',
    doc: 'TXT records of a name.',
    call: async ({ name, resolver }, context) => (await resolverFor(resolver, context).txt(name)).records,
  }),
  lookup_ptr: defineFunction({
    params: { address: string(), resolver },
    returns: 'string[]',
    doc: 'Names of an IP address.',
    call: async ({ address, resolver }, context) =>
      (await resolverFor(resolver, context).ptr(address)).records,
  }),
  lookup_addr: defineFunction({
    params: {
      name: string(),
      resolver,
      strategy: optional(oneOf(...(Object.keys(STRATEGIES) as Strategy[])), 'Ipv4AndIpv6'),
    },
    returns: 'string[]',
    doc: 'IP addresses of a name, in the order of the strategy; with Then, the second family only when the first has none.',
    call: ({ name, resolver, strategy }, context) =>
      addressesOf(name, resolverFor(resolver, context), strategy as Strategy),
  }),
  rbl_lookup: defineFunction({
    params: { address: string(), base: string(), resolver },
    returns: 'string?, string?',
    doc: 'Asks a block list, such as zen.spamhaus.org, about an IP or IP:PORT: the address it answers and its text, or nil twice when it does not list the IP.',
    call: async ({ address, base, resolver }, context) =>
      blockListEntry(`${reversed(address)}.${base}`, resolverFor(resolver, context)),
  }),
  ptr_host: defineFunction({
    params: { address: string() },
    returns: 'string',
    doc: 'The name at which DNS has the names of an IP, such as 1.0.0.127.in-addr.arpa. Asks nobody.',
    call: ({ address }) => reverseName(address),
  }),
  reverse_ip: defineFunction({
    params: { address: string() },
    returns: 'string',
    doc: 'An IP with its parts from last to first, such as 1.0.0.127. Asks nobody.',
    call: ({ address }) => reversed(address),
  }),
};

/** Declares a value of the whole process; for `pre_init`. */
function setting<T>(kind: string, params: Record<string, Kind<T>>, doc: string): UnnamedFunction {
  return defineFunction({
    params,
    doc: `${doc} In the event \`pre_init\`.`,
    call: (given, context) => {
      const [options] = Object.values(given);
      context.host.declare({ kind: `dns.${kind}`, options, where: context.where() });
    },
  });
}

/** Takes what was given, once it is sure that a resolver can be made of it. */
function declare(context: CallContext, kind: string, { shape, later }: GivenResolver, name?: string): void {
  warnLater(context, kind, later);
  buildResolver(shape, context.host.clock);
  const options = name === undefined ? shape : { name, shape };
  context.host.declare({ kind, options, where: context.where() });
}

const settings: Record<string, UnnamedFunction> = {
  configure_resolver: defineFunction({
    params: { options: resolverShape(true) },
    doc: 'Which DNS servers are asked, or another resolver. In the event `pre_init`.',
    call: ({ options }, context) => declare(context, 'dns.configure_resolver', options),
  }),
  configure_unbound_resolver: defineFunction({
    params: { options: resolverShape(true) },
    doc: 'As configure_resolver. In the event `pre_init`.',
    call: ({ options }, context) => declare(context, 'dns.configure_resolver', options),
  }),
  define_resolver: defineFunction({
    params: { name: string(), config: resolverShape(false) },
    doc: 'A further resolver, which look-ups can name. In the event `pre_init`.',
    call: ({ name, config }, context) => declare(context, 'dns.define_resolver', config, name),
  }),
  load_resolv_conf: defineFunction({
    params: { path: optional(string(), '/etc/resolv.conf') },
    returns: 'kumo.dns.ConfigureResolverOptions',
    doc: 'What a resolv.conf says, as a table for configure_resolver that can be changed first.',
    call: ({ path }, context) => {
      context.noteFile(path);
      return resolvConfForLua(path);
    },
  }),
  set_mx_timeout: setting(
    'set_mx_timeout',
    { timeout: duration() },
    'How long one look-up of an MX may take; unless it is set, as long as the options of the resolver allow.',
  ),
  set_mx_negative_cache_ttl: setting(
    'set_mx_negative_cache_ttl',
    { ttl: duration() },
    'How long a failed look-up of an MX is kept; unless it is set, as long as DNS says.',
  ),
  set_mx_concurrency_limit: setting(
    'set_mx_concurrency_limit',
    { limit: integer({ min: 1 }) },
    'Most look-ups of MX at one time in a shard, 128 unless it is set. One that waits for 30 s for its turn fails for now.',
  ),
  set_mta_sts_enabled: setting(
    'set_mta_sts_enabled',
    { enabled: boolean() },
    'Whether MTA-STS policies of domains are looked up; they are unless this says false.',
  ),
  configure_test_resolver: defineFunction({
    params: { zones: testZones() },
    doc: 'For tests: answers come from these zones and from nowhere else, as with configure_resolver{Test = zones}. In the event `pre_init`.',
    call: ({ zones }, context) => declare(context, 'dns.configure_resolver', zones),
  }),
  configure_test_mta_sts: defineFunction({
    params: { policies: map(string()) },
    doc: 'For tests: these domains have the MTA-STS policies whose texts are given, others have none, and nothing is fetched. In the event `pre_init`.',
    call: ({ policies }, context) => {
      const options = Object.fromEntries(
        Object.entries(policies).map(([domain, text]) => {
          parseMtaStsPolicy(text);
          return [domain.toLowerCase(), text];
        }),
      );
      context.host.declare({ kind: 'dns.configure_test_mta_sts', options, where: context.where() });
    },
  }),
};

export const dnsModule = defineModule(
  'kumo.dns',
  { doc: 'DNS. All look-ups wait without holding up anything else.' },
  { ...lookUps, ...settings },
);

/** An IP with or without a port, its parts from last to first. */
function reversed(address: string): string {
  const ip = parseHostPort(address)?.address ?? address;
  return reverseName(ip).replace(/\.(?:in-addr|ip6)\.arpa$/, '');
}

/** RFC 5782 §2.1: an entry is an A record in 127/8, and often a TXT record that says why. */
async function blockListEntry(name: string, resolver: Resolver): Promise<Several> {
  const [address] = await recordsOrNone(resolver.a(name));
  if (address === undefined) return new Several([null, null]);
  const texts = await recordsOrNone(resolver.txt(name));
  return new Several([address, texts.length === 0 ? null : texts.join('')]);
}

async function recordsOrNone(asked: Promise<DnsAnswer<string>>): Promise<string[]> {
  try {
    return (await asked).records;
  } catch (error) {
    if (error instanceof DnsError && error.kind === 'nxdomain') return [];
    throw error;
  }
}

/** One of the families may fail, but not all that were asked. */
async function addressesOf(name: string, resolver: Resolver, strategy: Strategy): Promise<string[]> {
  const found: string[] = [];
  const failures: unknown[] = [];
  // Both at once where both are wanted.
  const asked = STRATEGIES[strategy].map((family) => () => resolver[family](name));
  const isOneEnough = strategy.includes('Then');
  const waiting = isOneEnough ? asked : asked.map((ask) => attempted(ask()));
  for (const next of waiting) {
    try {
      found.push(...(await next()).records);
    } catch (error) {
      failures.push(error);
    }
    if (isOneEnough && found.length > 0) break;
  }
  if (failures.length === asked.length) throw failures[0];
  return found;
}

/** A question that is on its way; its failure is seen when it is asked for. */
function attempted<T>(answer: Promise<T>): () => Promise<T> {
  answer.catch(() => {});
  return () => answer;
}

function resolvConfForLua(path: string): Record<string, unknown> {
  const { nameServers, search, timeout, attempts, trustAd } = readResolvConf(path);
  return {
    name_servers: nameServers.map(({ address, port, protocol, trustNegative }) => ({
      socket_addr: formatHostPort(address, port),
      protocol,
      trust_negative_responses: trustNegative,
    })),
    search,
    options: { timeout: `${timeout}ms`, attempts, ...(trustAd && { trust_ad: true }) },
  };
}

const MTA_STS_MODES = { none: 'None', testing: 'Testing', enforce: 'Enforce' };

function mxForLua(mx: MxResolution): Record<string, unknown> {
  const dotted = (host: string) => (mx.isLiteral ? host : `${host}.`);
  const groups = mx.isNullMx ? [{ preference: 0, hosts: [''] }] : mx.groups;
  return {
    domain_name: dotted(mx.domain),
    hosts: groups.flatMap(({ hosts }) => hosts.map(dotted)),
    site_name: mx.siteName,
    by_pref: new Map(groups.map(({ preference, hosts }) => [preference, hosts.map(dotted)])),
    is_domain_literal: mx.isLiteral,
    is_secure: mx.isSecure,
    is_mx: mx.isMx,
    mta_sts: MTA_STS_MODES[mx.mtaSts],
  };
}
