import type { JsonObject } from './json.ts';
import type { MxResolution } from './mx-resolution.ts';
import type { Ceilings } from './throughput.ts';

/** How mail to a domain would go from a source now, whether or not there is any. */
export interface ResolvedPath {
  domain: string;
  source: string;
  /** Null where DNS is not asked, or does not answer: the domain stands for the site then. */
  mx: MxResolution | null;
  site: string;
  queueName: string;
  queue: JsonObject;
  path: JsonObject;
  ceilings: Ceilings;
}

/** Asks policy and DNS. `domain` may be the name of a scheduled queue. Rejects with what policy fails with. */
export type ResolvePath = (domain: string, source: string) => Promise<ResolvedPath>;
