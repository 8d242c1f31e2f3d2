import type { ConnectionPlan, MxResolution } from '../../model/index.ts';
import type { EgressPathOptions, EgressSourceOptions, MxListEntry } from '../../model/options/index.ts';

/** Where mail for a domain goes: the hosts and the name that groups domains with the same hosts. */
export interface Site {
  name: string;
  /**
   * What DNSSEC and MTA-STS say of the domain; '' for most. Domains with the same hosts share a connection only when
   * this is equal too, so that none of them weakens or blocks the mail of the others.
   */
  security: string;
  /** Monotonic ms until which this answer holds. */
  expires: number;
  /** What DNS said, where it was asked. */
  mx?: MxResolution;
  /** The connection plan: the addresses to try, in order, or why there are none. Made anew for each connection. */
  plan(path: EgressPathOptions, source: EgressSourceOptions): Promise<ConnectionPlan>;
}

/** Hosts that policy names (`protocol.smtp`). */
export interface ListedHosts {
  mx_list: readonly MxListEntry[];
  /** They count as if DNSSEC had proved them. */
  treat_mx_list_as_secure: boolean;
}

/** Finds the way to a domain. */
export interface Routing {
  /** Rejects when the domain cannot be resolved now. A list of hosts that is not empty is used in place of DNS. */
  site(domain: string, listed: ListedHosts): Promise<Site>;
}
