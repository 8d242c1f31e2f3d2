import { type CallContext, defineFunction, defineModule, string } from '../../model/define/index.ts';
import type { DnsAnswer, DnsError } from '../../model/index.ts';
import { configureResolverOptions } from '../../model/options/index.ts';
import { declarer } from './kumo-config.ts';

export const dnsModule = defineModule(
  'kumo.dns',
  { doc: 'DNS. All look-ups wait without holding up anything else.' },
  {
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
