import { createRouting, type Routing } from './flow/ready-queue/index.ts';
import { systemClock } from './io/clock/index.ts';
import { ConfiguredResolvers, type MxMeter } from './io/dns/index.ts';
import type { Registry } from './io/metrics/index.ts';
import { ConfiguredMtaSts, PolicyFiles } from './io/mta-sts/index.ts';
import { type Dial, proxiedDial } from './io/net/index.ts';
import { random } from './io/random/index.ts';
import type { Counters, Diagnostics, InitDeclaration, Resolver } from './model/index.ts';
import type { SpoolOptions } from './model/options/index.ts';

/** What KumoMTA calls the outcomes of TLSA look-ups. */
const DANE_RESULTS = {
  usable: 'ok',
  failed: 'tempfail',
  unusable: 'unusable',
  absent: 'not_applicable',
} as const;

export interface ShardDnsParts {
  /** Number of the shard. */
  shard: number;
  declarations: readonly InitDeclaration[];
  registry: Registry;
  diagnostics: Diagnostics;
  counters: Counters;
}

/** Everything that a shard learns from DNS, and from the web servers that DNS points to. */
export class ShardDns {
  readonly resolver: Resolver;
  readonly resolverNamed: ConfiguredResolvers['named'];
  readonly mtaSts: ConfiguredMtaSts;
  readonly routing: Routing;
  /** Finds proxies by their names. */
  readonly dial: Dial;

  constructor({ shard, declarations, registry, diagnostics, counters }: ShardDnsParts) {
    const resolvers = new ConfiguredResolvers(systemClock, () => declarations, mxMeter(registry));
    this.resolver = resolvers.main;
    this.resolverNamed = resolvers.named;
    this.dial = proxiedDial(resolvers.main);
    const failures = registry.series('lruttl_error_count', 'mta_sts_policy');
    this.mtaSts = new ConfiguredMtaSts(
      {
        resolver: this.resolver,
        clock: systemClock,
        diagnostics,
        onFailure: () => failures.add(),
        store: policyFiles(declarations, shard),
      },
      () => declarations,
    );
    let hasWarned = false;
    this.routing = createRouting(this.resolver, systemClock, random, {
      mtaSts: this.mtaSts,
      onDane: (result) => registry.series('dane_result_count', DANE_RESULTS[result]).add(),
      onUselessDane: () => {
        if (!hasWarned && counters.add('said useless dane', 1) === 1) {
          const why = 'no name server is trusted to say what DNSSEC proved';
          const advice =
            'use one on this machine, or set trust_ad in the options of kumo.dns.configure_resolver';
          diagnostics.warn('dns', `enable_dane has no effect: ${why}; ${advice}`);
        }
        hasWarned = true;
      },
    });
  }
}

/** Below the spool of metadata: what a server may not lose is there. */
function policyFiles(declarations: readonly InitDeclaration[], shard: number): PolicyFiles | undefined {
  const spools = declarations
    .filter(({ kind }) => kind === 'define_spool')
    .map(({ options }) => options as SpoolOptions);
  const { path } = spools.find(({ name }) => name === 'meta') ?? spools[0] ?? {};
  return path === undefined ? undefined : new PolicyFiles(path, shard);
}

function mxMeter(registry: Registry): MxMeter {
  const hits = registry.series('dns_mx_resolve_cache_hit');
  const misses = registry.series('dns_mx_resolve_cache_miss');
  const underWay = registry.series('dns_mx_resolve_in_progress');
  const good = registry.series('dns_mx_resolve_status_ok');
  const bad = registry.series('dns_mx_resolve_status_fail');
  return {
    hit: () => hits.add(),
    begun() {
      misses.add();
      underWay.add();
    },
    ended(isGood) {
      underWay.add(-1);
      (isGood ? good : bad).add();
    },
  };
}
