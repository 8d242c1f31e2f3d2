import { LRUCache } from 'lru-cache';
import type { Clock } from '../../model/index.ts';

interface Failures {
  count: number;
  /** Monotonic ms until which no attempt is looked at. */
  blockedUntil: number;
}

/** Failures of one address that cost nothing, and the longest wait after more, ms. */
const PER_ADDRESS = { free: 3, longest: 60_000 };
/** Of one account, from anywhere. The wait is short: strangers must not lock the owner out. */
const PER_ACCOUNT = { free: 10, longest: 5000 };
const FIRST_WAIT = 1000;
/** Failures are forgotten after this long, ms. */
const MEMORY = 15 * 60_000;

/** Makes guessing passwords slow: each failure more doubles the wait of an address, and of an account. */
export class AuthBackoff {
  readonly #clock: Clock;
  readonly #failures: LRUCache<string, Failures>;

  constructor(clock: Clock) {
    this.#clock = clock;
    const now = { now: () => clock.monotonic() };
    this.#failures = new LRUCache({ max: 20_000, ttl: MEMORY, perf: now, ttlResolution: 0 });
  }

  isBlocked(address: string, account: string): boolean {
    const now = this.#clock.monotonic();
    return [`a ${address}`, `u ${account}`].some((key) => (this.#failures.get(key)?.blockedUntil ?? 0) > now);
  }

  failed(address: string, account: string): void {
    this.#count(`a ${address}`, PER_ADDRESS);
    this.#count(`u ${account}`, PER_ACCOUNT);
  }

  succeeded(address: string, account: string): void {
    this.#failures.delete(`a ${address}`);
    this.#failures.delete(`u ${account}`);
  }

  #count(key: string, { free, longest }: { free: number; longest: number }): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const wait = count < free ? 0 : Math.min(FIRST_WAIT * 2 ** (count - free), longest);
    this.#failures.set(key, { count, blockedUntil: this.#clock.monotonic() + wait });
  }
}
