import type { ConnectionPlan } from '../../model/index.ts';
import type { EgressPathOptions, MxListEntry } from '../../model/options/index.ts';

/** Where mail for a domain goes: the hosts and the name that groups domains with the same hosts. */
export interface Site {
  name: string;
  /** Monotonic ms until which this answer holds. */
  expires: number;
  /** The connection plan: the addresses to try, in order, or why there are none. Made anew for each connection. */
  plan(path: EgressPathOptions): Promise<ConnectionPlan>;
}

/** Finds the way to a domain. */
export interface Routing {
  /** Rejects when the domain cannot be resolved now. `mxList` is used in place of DNS when it is not empty. */
  site(domain: string, mxList: readonly MxListEntry[]): Promise<Site>;
}
