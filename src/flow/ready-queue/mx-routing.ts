import { LRUCache } from 'lru-cache';
import {
  type Clock,
  type DaneResult,
  type MtaStsPolicies,
  type MxResolution,
  mxListSiteName,
  type PlanRules,
  planMx,
  planMxList,
  type Resolver,
  resolveMx,
} from '../../model/index.ts';
import type { EgressPathOptions, EgressSourceOptions } from '../../model/options/index.ts';
import { CidrSet } from '../../protocol/ip/index.ts';
import type { ListedHosts, Routing, Site } from './routing.ts';

/** Sets of addresses are compiled once for each path configuration. */
const compiled = new LRUCache<readonly string[], CidrSet>({ max: 1024 });

/** What the way over DNS may ask besides the resolver. */
export interface RoutingTrust {
  /** Without it, domains have no MTA-STS policies. */
  mtaSts?: MtaStsPolicies;
  /** Told how a look-up of TLSA records ended. */
  onDane?(result: DaneResult): void;
  /** Told when a path with enable_dane is planned although no answer of the resolver can be secure. */
  onUselessDane?(): void;
}

/** Finds the way over DNS, or over the hosts that policy lists. */
export function createRouting(
  resolver: Resolver,
  clock: Clock,
  random: () => number,
  trust: RoutingTrust = {},
): Routing {
  const rulesOf = (path: EgressPathOptions, source: EgressSourceOptions): PlanRules => {
    if (path.enable_dane && !resolver.canBeSecure) trust.onUselessDane?.();
    return {
      strategy: path.ip_lookup_strategy,
      prohibited: (address) => blocks(path.prohibited_hosts).has(address),
      skipped: (address) => blocks(path.skip_hosts).has(address),
      random,
      dane: path.enable_dane,
      mtaSts: path.enable_mta_sts,
      portFor: (port) => source.remote_port ?? port ?? path.smtp_port,
      onDane: (result) => trust.onDane?.(result),
    };
  };
  return {
    site: async (domain: string, listed: ListedHosts): Promise<Site> => {
      const { mx_list: list, treat_mx_list_as_secure: isSecure } = listed;
      if (list.length > 0) {
        return {
          name: mxListSiteName(list),
          security: isSecure ? ' secure' : '',
          expires: Number.POSITIVE_INFINITY,
          plan: (path, source) => planMxList(list, resolver, rulesOf(path, source), isSecure),
        };
      }
      const mx = await resolveMx(domain, resolver, trust.mtaSts);
      return {
        name: mx.siteName,
        security: securityOf(mx),
        expires: clock.monotonic() + mx.ttl,
        mx,
        plan: (path, source) => planMx(mx, resolver, rulesOf(path, source)),
      };
    },
  };
}

function securityOf(mx: MxResolution): string {
  return `${mx.isSecure ? ' secure' : ''}${mx.mtaSts === 'none' ? '' : ` mta-sts ${mx.mtaSts}`}`;
}

function blocks(texts: readonly string[]): CidrSet {
  let set = compiled.get(texts);
  if (set === undefined) {
    set = new CidrSet(texts);
    compiled.set(texts, set);
  }
  return set;
}
