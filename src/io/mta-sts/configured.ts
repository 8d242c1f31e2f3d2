import type { InitDeclaration, MtaStsFinding, MtaStsPolicies, Resolver } from '../../model/index.ts';
import { parseMtaStsPolicy } from '../../protocol/mta-sts/index.ts';
import { fetchPolicyOverHttps } from './https-fetch.ts';
import { CachedMtaSts, type MtaStsParts } from './policy-cache.ts';

const NONE: MtaStsFinding = { policy: undefined, ttl: Number.POSITIVE_INFINITY };

/** The policies as pre_init and init want them: not at all, those of a test, or those that domains publish. */
export class ConfiguredMtaSts implements MtaStsPolicies {
  readonly #declarations: () => readonly InitDeclaration[];
  readonly #published: CachedMtaSts;

  constructor(
    parts: Omit<MtaStsParts, 'fetch' | 'resolver'> & { resolver: Resolver },
    declarations: () => readonly InitDeclaration[],
  ) {
    this.#declarations = declarations;
    this.#published = new CachedMtaSts({ ...parts, fetch: fetchPolicyOverHttps(parts) });
  }

  find(domain: string): Promise<MtaStsFinding> {
    if (this.#last('dns.set_mta_sts_enabled') === false) return Promise.resolve(NONE);
    const tests = this.#last('dns.configure_test_mta_sts') as Record<string, string> | undefined;
    if (tests === undefined) return this.#published.find(domain);
    return Promise.resolve(testFinding(Object.hasOwn(tests, domain) ? tests[domain] : undefined));
  }

  /** Resolves when what was fetched is kept for the next start. */
  close(): Promise<void> {
    return this.#published.close();
  }

  #last(kind: string): unknown {
    return this.#declarations().findLast((entry) => entry.kind === kind)?.options;
  }
}

/** The text was read when it was declared. */
function testFinding(text: string | undefined): MtaStsFinding {
  if (text === undefined) return NONE;
  const policy = parseMtaStsPolicy(text);
  return { policy, ttl: policy.maxAge * 1000 };
}
