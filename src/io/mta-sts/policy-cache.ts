import { LRUCache } from 'lru-cache';
import {
  type Clock,
  type Diagnostics,
  DnsError,
  type MtaStsFinding,
  type MtaStsPolicies,
  type MtaStsPolicy,
  type Resolver,
} from '../../model/index.ts';
import { parseMtaStsPolicy, policyId } from '../../protocol/mta-sts/index.ts';
import type { KeptPolicy, PolicyStore } from './policy-file.ts';

/** Gets the text of the policy of a domain. Rejects with the reason when there is none. */
export type FetchPolicy = (domain: string) => Promise<string>;

export interface MtaStsParts {
  resolver: Pick<Resolver, 'txt'>;
  clock: Clock;
  diagnostics: Pick<Diagnostics, 'info' | 'warn'>;
  fetch: FetchPolicy;
  /** Where policies outlive the process; without it they end with it. */
  store?: PolicyStore | undefined;
  /** Told of each policy that could not be had, for a metric. */
  onFailure?(): void;
}

/** ms that mail waits at most; RFC 8461 §3.3 suggests a minute as the longest for a fetch. */
export const FETCH_TIMEOUT = 30_000;
/** ms after a failure before the next fetch of the same domain. */
const RETRY = 300_000;
/** A policy holds at least this long, ms, lest `max_age: 0` makes a fetch of every message. */
const MIN_AGE = 60_000;
/** ms between two writes of what is to outlive the process. */
const WRITE_PERIOD = 60_000;
/** Domains with a policy, or one that cannot be had. */
const MOST_DOMAINS = 10_000;

/** What is known of a domain that publishes a policy. Times in monotonic ms. */
interface Known {
  /** Of the record in DNS when the policy was fetched. */
  id: string;
  policy: MtaStsPolicy | undefined;
  fetched: number;
  expires: number;
  /** Nothing is fetched before this. */
  retryAt: number;
  /** Why the last look-up failed, so that the same is said once. */
  failure: string | undefined;
}

/** Warnings about different domains per minute. */
const MOST_WARNINGS = 20;
const WARNING_PERIOD = 60_000;

const NO_POLICY: MtaStsFinding = { policy: undefined, ttl: Number.POSITIVE_INFINITY };

/**
 * The policies of domains, fetched when their record in DNS has a new id and kept for max_age (RFC 8461 §3.3, §5.1).
 * While a policy holds, neither a failed fetch nor a record that is gone ends it; it is fetched anew when half its time
 * is over. Everybody who asks about a domain shares one look-up, and nobody waits longer than FETCH_TIMEOUT. Policies are
 * kept from one start to the next, or whoever can make the first look-up fail would have mail go without TLS (RFC 8461
 * §10.2).
 */
export class CachedMtaSts implements MtaStsPolicies {
  readonly #parts: MtaStsParts;
  readonly #known = new LRUCache<string, Known>({ max: MOST_DOMAINS });
  readonly #pending = new Map<string, Promise<MtaStsFinding>>();
  #warned = { since: Number.NEGATIVE_INFINITY, said: 0, left: 0 };
  #loading: Promise<void> | undefined;
  #isLoaded: boolean;
  /** Policies were fetched that the store does not have. */
  #isChanged = false;
  #writing: Promise<void> | undefined;
  #written = Number.NEGATIVE_INFINITY;
  /** So that the same is said once. */
  #writeFailure: string | undefined;

  constructor(parts: MtaStsParts) {
    this.#parts = parts;
    this.#isLoaded = parts.store === undefined;
  }

  find(domain: string): Promise<MtaStsFinding> {
    let lookUp = this.#pending.get(domain);
    if (lookUp === undefined) {
      lookUp = this.#lookUp(domain).finally(() => {
        this.#pending.delete(domain);
        this.#keepSoon();
      });
      this.#pending.set(domain, lookUp);
    }
    return this.#inTime(domain, lookUp);
  }

  /** Resolves when the store has what was fetched. */
  async close(): Promise<void> {
    await this.#writing;
    if (this.#isChanged) await this.#keep();
  }

  /** What is held already when the look-up takes too long; it goes on, and whoever asks next has its result. */
  #inTime(domain: string, lookUp: Promise<MtaStsFinding>): Promise<MtaStsFinding> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(FETCH_TIMEOUT, () => {
        const { policy, ttl } = this.#held(domain);
        resolve({ policy, ttl: Math.min(ttl, RETRY) });
      });
      void lookUp.then((finding) => {
        timer.cancel();
        resolve(finding);
      });
    });
  }

  /** Never rejects. */
  async #lookUp(domain: string): Promise<MtaStsFinding> {
    if (!this.#isLoaded) {
      this.#loading ??= this.#load();
      await this.#loading;
    }
    // What failed lately is not waited for again.
    const failed = this.#known.get(domain);
    if (failed?.failure !== undefined && this.#parts.clock.monotonic() < failed.retryAt) {
      return this.#held(domain);
    }
    try {
      const id = await this.#publishedId(domain);
      const known = this.#known.get(domain);
      const now = this.#parts.clock.monotonic();
      if (id === undefined) {
        if (known !== undefined && now >= known.expires) this.#known.delete(domain);
      } else if (known === undefined || now >= known.retryAt) {
        if (known?.id !== id || now >= known.expires) await this.#fetch(domain, id);
        else this.#refreshInTime(domain, known);
      }
    } catch (error) {
      this.#failed(domain, (error as Error).message);
    }
    return this.#held(domain);
  }

  async #publishedId(domain: string): Promise<string | undefined> {
    try {
      return policyId((await this.#parts.resolver.txt(`_mta-sts.${domain}`)).records);
    } catch (error) {
      if (error instanceof DnsError && error.kind === 'nxdomain') return undefined;
      throw error;
    }
  }

  /** Nobody waits for it, and one at a time: the next one is due only after it has ended. */
  #refreshInTime(domain: string, known: Known): void {
    known.failure = undefined;
    const now = this.#parts.clock.monotonic();
    if (now - known.fetched < (known.expires - known.fetched) / 2) return;
    known.retryAt = now + RETRY;
    this.#fetch(domain, known.id).catch((error: Error) => this.#failed(domain, error.message));
  }

  async #fetch(domain: string, id: string): Promise<void> {
    const policy = parseMtaStsPolicy(await this.#parts.fetch(domain));
    const fetched = this.#parts.clock.monotonic();
    const expires = fetched + Math.max(policy.maxAge * 1000, MIN_AGE);
    if (this.#known.get(domain)?.failure !== undefined) {
      this.#parts.diagnostics.info('mta-sts', `the policy of ${domain} can be had again`);
    }
    this.#known.set(domain, { id, policy, fetched, expires, retryAt: fetched, failure: undefined });
    this.#isChanged = true;
  }

  #failed(domain: string, why: string): void {
    const now = this.#parts.clock.monotonic();
    const known = this.#known.get(domain);
    const holds = known?.policy !== undefined && now < known.expires;
    if (known?.failure !== why) {
      const meanwhile = holds ? 'the one before holds on' : 'mail goes as without one';
      this.#warn(`the policy of ${domain} cannot be had: ${why}; ${meanwhile}`, now);
    }
    this.#parts.onFailure?.();
    const before = known ?? { id: '', policy: undefined, fetched: now, expires: now };
    this.#known.set(domain, { ...before, retryAt: now + RETRY, failure: why });
  }

  /** When all of DNS fails, it is not said of every domain. */
  #warn(text: string, now: number): void {
    const { diagnostics } = this.#parts;
    if (now - this.#warned.since >= WARNING_PERIOD) {
      const { left } = this.#warned;
      if (left > 0) diagnostics.warn('mta-sts', `${left} more policies could not be had`);
      this.#warned = { since: now, said: 0, left: 0 };
    }
    if (this.#warned.said === MOST_WARNINGS) this.#warned.left++;
    else {
      this.#warned.said++;
      diagnostics.warn('mta-sts', text);
    }
  }

  /** What counts now. */
  #held(domain: string): MtaStsFinding {
    const known = this.#known.peek(domain);
    if (known === undefined) return NO_POLICY;
    const now = this.#parts.clock.monotonic();
    const retry = known.retryAt > now ? known.retryAt - now : Number.POSITIVE_INFINITY;
    if (known.policy === undefined || now >= known.expires) return { policy: undefined, ttl: retry };
    return { policy: known.policy, ttl: Math.min(known.expires - now, retry) };
  }

  /** By the wall clock of now; what it has passed meanwhile is over. */
  async #load(): Promise<void> {
    const { store, clock, diagnostics } = this.#parts;
    try {
      // The ones used last come first, and are to be the last to be forgotten.
      const kept = await store!.load();
      const [now, moment] = [clock.now(), clock.monotonic()];
      for (const { domain, id, policy, fetched, expires } of kept) {
        // A wall clock that was set back makes no policy last longer than it wants to.
        const left = Math.min(expires - now, Math.max(policy.maxAge * 1000, MIN_AGE));
        if (left <= 0) continue;
        const age = Math.max(0, now - fetched);
        const times = { fetched: moment - age, expires: moment + left, retryAt: moment };
        this.#known.set(domain, { id, policy, ...times, failure: undefined });
      }
    } catch (error) {
      diagnostics.warn('mta-sts', `the policies of earlier cannot be read: ${(error as Error).message}`);
    }
    this.#isLoaded = true;
  }

  /** Nobody waits for it. At most once a minute, lest many domains make many writes. */
  #keepSoon(): void {
    if (!this.#isChanged || this.#writing !== undefined) return;
    if (this.#parts.clock.monotonic() - this.#written < WRITE_PERIOD) return;
    this.#writing = this.#keep().finally(() => {
      this.#writing = undefined;
    });
  }

  async #keep(): Promise<void> {
    const { store, clock, diagnostics } = this.#parts;
    this.#isChanged = false;
    this.#written = clock.monotonic();
    try {
      await store?.save(this.#kept());
      this.#writeFailure = undefined;
    } catch (error) {
      this.#isChanged = true;
      const why = (error as Error).message;
      if (why !== this.#writeFailure) diagnostics.warn('mta-sts', `policies cannot be kept: ${why}`);
      this.#writeFailure = why;
    }
  }

  /** Those that hold, the ones used last first. */
  *#kept(): Iterable<KeptPolicy> {
    const { clock } = this.#parts;
    const [now, moment] = [clock.now(), clock.monotonic()];
    for (const [domain, { id, policy, fetched, expires }] of this.#known.entries()) {
      if (policy === undefined || expires <= moment) continue;
      yield { domain, id, policy, fetched: now + (fetched - moment), expires: now + (expires - moment) };
    }
  }
}
