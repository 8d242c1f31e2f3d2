import { type CallContext, defineFunction, defineModule, string } from '../../model/define/index.ts';
import { type DnsAnswer, type DnsError, type MxResolution, resolveMx } from '../../model/index.ts';
import { configureResolverOptions } from '../../model/options/index.ts';
import { declarer } from './kumo-config.ts';

export const dnsModule = defineModule(
  'kumo.dns',
  { doc: 'DNS. All look-ups wait without holding up anything else.' },
  {
    lookup_mx: defineFunction({
      params: { domain: string() },
      returns:
        '{domain_name: string, hosts: string[], site_name: string, by_pref: table<integer, string[]>, ' +
        'is_domain_literal: boolean, is_secure: boolean, is_mx: boolean, mta_sts: string}',
      doc: 'Where a domain takes mail. Host names end in a dot. mta_sts is None in this release.',
      call: async ({ domain }, { host }) => mxForLua(await resolveMx(domain, host.resolver)),
    }),
    lookup_txt: defineFunction({
      params: { name: string() },
      returns: 'string[]',
      doc: 'TXT records of a name.',
      call: async ({ name }, { host }) => (await host.resolver.txt(name)).records,
    }),
    lookup_ptr: defineFunction({
      params: { address: string() },
      returns: 'string[]',
      doc: 'Names of an IP address.',
      call: async ({ address }, { host }) => (await host.resolver.ptr(address)).records,
    }),
    lookup_addr: defineFunction({
      params: { name: string() },
      returns: 'string[]',
      doc: 'IP addresses of a name, IPv4 first.',
      call: ({ name }, context) => addressesOf(name, context),
    }),
    configure_resolver: declarer(
      configureResolverOptions,
      'Which DNS servers are asked. In the event `pre_init`.',
    ),
  },
);

/** Both families; one of them may fail, but not both. */
async function addressesOf(name: string, { host }: CallContext): Promise<string[]> {
  const answers = await Promise.allSettled([host.resolver.a(name), host.resolver.aaaa(name)]);
  const found = answers.filter(
    (answer): answer is PromiseFulfilledResult<DnsAnswer<string>> => answer.status === 'fulfilled',
  );
  if (found.length > 0) return found.flatMap((answer) => answer.value.records);
  throw (answers[0] as PromiseRejectedResult).reason as DnsError;
}

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
    mta_sts: 'None',
  };
}
