import type { Clock, DnsAnswer, InitDeclaration, MxHost, Resolver } from '../../model/index.ts';
import { DnsError } from '../../model/index.ts';
import type { ResolverShape } from '../../model/options/index.ts';
import { AggregateResolver } from './aggregate-resolver.ts';
import { CachingResolver } from './caching-resolver.ts';
import { HostsFile } from './hosts-file.ts';
import { LookUpLimit } from './look-up-limit.ts';
import { resolverOptionsFromPolicy } from './options.ts';
import type { RecordResolver } from './record-resolver.ts';
import { readResolvConf } from './resolv-conf.ts';
import { TestResolver } from './test-resolver.ts';

/** Look-ups of MX at one time, unless policy says another number. */
const CONCURRENCY = 128;

/** What policy says about all look-ups of MX; absent = without that limit. Times in milliseconds. */
export interface MxSettings {
  timeout?: number;
  negativeTtl?: number;
  concurrency?: number;
}

/** Told of look-ups of MX by the main resolver, for metrics. */
export interface MxMeter {
  /** The answer was at hand. */
  hit(): void;
  begun(): void;
  /** Called once for each that has begun. */
  ended(isGood: boolean): void;
}

/** Makes a resolver of what policy described. Throws ZoneError and DnsError for zones that cannot be read. */
export function buildResolver(shape: ResolverShape, clock: Clock, mx: MxSettings = {}): RecordResolver {
  switch (shape.kind) {
    case 'test':
      return new TestResolver(shape.options.zones, shape.options.servfail);
    case 'aggregate':
      return new AggregateResolver(shape.of.map((one) => buildResolver(one, clock, mx)));
    case 'system':
    case 'servers': {
      const config = shape.kind === 'servers' ? shape.options : {};
      const options = resolverOptionsFromPolicy(config, readResolvConf());
      if (mx.negativeTtl !== undefined) options.mxNegativeTtl = mx.negativeTtl;
      return new CachingResolver(options, clock, new HostsFile(clock));
    }
  }
}

/**
 * The resolvers that pre_init and init declared. They are made when they are first asked, and anew when there are
 * more declarations, so that init can use what pre_init declares.
 */
export class ConfiguredResolvers {
  readonly #clock: Clock;
  readonly #declarations: () => readonly InitDeclaration[];
  #seen = -1;
  #main: RecordResolver | undefined;
  #mx: MxSettings = {};
  readonly #limit: LookUpLimit;
  readonly #meter: MxMeter | undefined;
  #shapes = new Map<string, ResolverShape>();
  readonly #named = new Map<string, RecordResolver>();
  /** What everything asks that names no other. */
  readonly main: Resolver = mainResolver(
    () => this.#current(),
    (domain) => this.#lookUpMx(domain),
  );

  constructor(clock: Clock, declarations: () => readonly InitDeclaration[], meter?: MxMeter) {
    this.#clock = clock;
    this.#meter = meter;
    this.#limit = new LookUpLimit(clock);
    this.#declarations = declarations;
  }

  /** The one of dns.define_resolver. */
  readonly named = (name: string): Resolver | undefined => {
    this.#current();
    const made = this.#named.get(name);
    const shape = this.#shapes.get(name);
    if (made !== undefined || shape === undefined) return made;
    const resolver = buildResolver(shape, this.#clock, this.#mx);
    this.#named.set(name, resolver);
    return resolver;
  };

  #current(): RecordResolver {
    const declarations = this.#declarations();
    if (this.#main !== undefined && this.#seen === declarations.length) return this.#main;
    this.#seen = declarations.length;
    const last = <T>(kind: string): T | undefined =>
      declarations.filter((entry) => entry.kind === kind).at(-1)?.options as T | undefined;
    const timeout = last<number>('dns.set_mx_timeout');
    const negativeTtl = last<number>('dns.set_mx_negative_cache_ttl');
    const concurrency = last<number>('dns.set_mx_concurrency_limit');
    this.#mx = {
      ...(timeout !== undefined && { timeout }),
      ...(negativeTtl !== undefined && { negativeTtl }),
      ...(concurrency !== undefined && { concurrency }),
    };
    const defined = declarations
      .filter(({ kind }) => kind === 'dns.define_resolver')
      .map(({ options }) => options as { name: string; shape: ResolverShape });
    this.#shapes = new Map(defined.map(({ name, shape }) => [name, shape]));
    this.#named.clear();
    const shape = last<ResolverShape>('dns.configure_resolver') ?? { kind: 'system' };
    this.#main = buildResolver(shape, this.#clock, this.#mx);
    return this.#main;
  }

  async #lookUpMx(domain: string): Promise<DnsAnswer<MxHost>> {
    const resolver = this.#current();
    // What is known does not stand in line behind questions that nobody answers.
    if (resolver.isAtHand(domain, 'MX')) {
      this.#meter?.hit();
      return resolver.mx(domain);
    }
    const { timeout, concurrency = CONCURRENCY } = this.#mx;
    const asked = (): Promise<DnsAnswer<MxHost>> => within(timeout, domain, resolver.mx(domain), this.#clock);
    this.#meter?.begun();
    let isGood = false;
    try {
      const answer = await this.#limit.run(concurrency, domain, asked);
      isGood = true;
      return answer;
    } finally {
      this.#meter?.ended(isGood);
    }
  }
}

function mainResolver(
  current: () => RecordResolver,
  mx: (domain: string) => Promise<DnsAnswer<MxHost>>,
): Resolver {
  return {
    mx,
    a: (name) => current().a(name),
    aaaa: (name) => current().aaaa(name),
    txt: (name) => current().txt(name),
    ptr: (address) => current().ptr(address),
    tlsa: (name) => current().tlsa(name),
    cname: (name) => current().cname(name),
    get canBeSecure() {
      return current().canBeSecure;
    },
  };
}

/** Rejects after `timeout` ms; the look-up goes on and its answer is kept for who asks next. */
function within<T>(
  timeout: number | undefined,
  domain: string,
  answer: Promise<T>,
  clock: Clock,
): Promise<T> {
  if (timeout === undefined) return answer;
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeout, () =>
      reject(new DnsError('timeout', `looking up MX of ${domain}: no answer within ${timeout} ms`)),
    );
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}
