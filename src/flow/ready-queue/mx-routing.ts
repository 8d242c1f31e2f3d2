import { LRUCache } from 'lru-cache';
import {
  type Clock,
  mxListSiteName,
  type PlanRules,
  planMx,
  planMxList,
  type Resolver,
  resolveMx,
} from '../../model/index.ts';
import type { EgressPathOptions, MxListEntry } from '../../model/options/index.ts';
import { CidrSet } from '../../protocol/ip/index.ts';
import type { Routing, Site } from './routing.ts';

/** Sets of addresses are compiled once for each path configuration. */
const compiled = new LRUCache<readonly string[], CidrSet>({ max: 1024 });

/** Finds the way over DNS, or over the hosts that policy lists. */
export function createRouting(resolver: Resolver, clock: Clock, random: () => number): Routing {
  const rulesOf = (path: EgressPathOptions): PlanRules => ({
    strategy: path.ip_lookup_strategy,
    prohibited: (address) => blocks(path.prohibited_hosts).has(address),
    skipped: (address) => blocks(path.skip_hosts).has(address),
    random,
  });
  return {
    site: async (domain: string, mxList: readonly MxListEntry[]): Promise<Site> => {
      if (mxList.length > 0) {
        return {
          name: mxListSiteName(mxList),
          expires: Number.POSITIVE_INFINITY,
          plan: (path) => planMxList(mxList, resolver, rulesOf(path)),
        };
      }
      const mx = await resolveMx(domain, resolver);
      return {
        name: mx.siteName,
        expires: clock.monotonic() + mx.ttl,
        plan: (path) => planMx(mx, resolver, rulesOf(path)),
      };
    },
  };
}

function blocks(texts: readonly string[]): CidrSet {
  let set = compiled.get(texts);
  if (set === undefined) {
    set = new CidrSet(texts);
    compiled.set(texts, set);
  }
  return set;
}
