import type { Clock, Resolver } from '../../model/index.ts';
import type { MxListEntry } from '../../model/options/index.ts';
import type { Routing, Site } from './routing.ts';

export function createRouting(_resolver: Resolver, _clock: Clock, _random: () => number): Routing {
  return {
    site: async (_domain: string, mxList: readonly MxListEntry[]): Promise<Site> => ({
      name: `mx_list:${mxList.map((entry) => entry.name).join(',')}`,
      expires: Number.POSITIVE_INFINITY,
      plan: async () => ({
        kind: 'candidates',
        candidates: mxList.map((entry) => {
          const addr = 'addr' in entry ? entry.addr : entry.name;
          const [address, port] = addr.split(':');
          return { name: entry.name, address: address!, port: port === undefined ? undefined : Number(port) };
        }),
      }),
    }),
  };
}
