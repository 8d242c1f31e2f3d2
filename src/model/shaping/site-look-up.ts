import { LRUCache } from 'lru-cache';
import type { MxResolution } from '../mx-resolution.ts';
import { DnsError } from '../resolver.ts';

/** Where a domain takes mail, or why that is not known. */
export type Site = { readonly mx: MxResolution } | { readonly error: string };

/** Look-ups at one time. */
const PARALLEL = 64;
/** Answers that are at hand come without a turn of the event loop; after so many there is one. */
const AT_ONCE = 100;

/** Asks for the sites of all domains. `pause` lets others go on. */
export async function lookUpSites(
  domains: readonly string[],
  resolveMx: (domain: string) => Promise<MxResolution>,
  pause: () => Promise<void>,
): Promise<Map<string, Site>> {
  const sites = new Map<string, Site>();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < domains.length) {
      const domain = domains[next++]!;
      if (next % AT_ONCE === 0) await pause();
      try {
        sites.set(domain, { mx: await resolveMx(domain) });
      } catch (error) {
        sites.set(domain, { error: (error as Error).message });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, domains.length) }, worker));
  return sites;
}

const MOST_SITES = 16_384;
/** ms after which DNS is asked again. */
const RETRY = 5000;

/**
 * What DNS said last of each domain. While it fails for now, that still holds: limits are not lifted because a name
 * server is away. A domain that is gone is gone.
 */
export class LastSites {
  readonly #last = new LRUCache<string, MxResolution>({ max: MOST_SITES });

  async find(domain: string, resolveMx: (domain: string) => Promise<MxResolution>): Promise<MxResolution> {
    try {
      const mx = await resolveMx(domain);
      this.#last.set(domain, mx);
      return mx;
    } catch (error) {
      const last =
        error instanceof DnsError && error.kind !== 'nxdomain' ? this.#last.get(domain) : undefined;
      if (last === undefined) throw error;
      return { ...last, ttl: RETRY };
    }
  }
}
