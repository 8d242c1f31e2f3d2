import type { MxResolution } from '../mx-resolution.ts';

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
