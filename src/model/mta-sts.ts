import type { MtaStsPolicy } from '../protocol/mta-sts/index.ts';

export type { MtaStsPolicy } from '../protocol/mta-sts/index.ts';

/** What is known of a domain. */
export interface MtaStsFinding {
  /** Undefined: it has none that can be had now, which counts as none. */
  policy: MtaStsPolicy | undefined;
  /** Milliseconds after which it is worth asking again. */
  ttl: number;
}

/** Finds the MTA-STS policies of domains (RFC 8461). */
export interface MtaStsPolicies {
  /** Never rejects, and answers within the time that one fetch may take. `domain`: A-labels, lower case. */
  find(domain: string): Promise<MtaStsFinding>;
}

/** No MX of the domain is one that its policy allows; it may be mended at any time. */
export class MtaStsError extends Error {}
