import type { Clock } from './clock.ts';
import type { Counters, ThrottleSpec } from './limits.ts';

/** Why a source does not work, named as in the metrics. */
export type SourceFailure = 'Unplumbed' | 'ProxyUnhealthy';

/** When, and for how long, a source that fails is left out. */
export interface SuspendRule {
  /** The first failure, or that many within the period. */
  trigger: 'Immediate' | { threshold: ThrottleSpec };
  /** Milliseconds. */
  duration: number;
}

/** What make_egress_source says of the health of a source. */
export interface WatchedSource {
  name: string;
  suspend_when_unplumbed?: SuspendRule | undefined;
  suspend_when_proxy_unhealthy?: SuspendRule | undefined;
}

export interface SourceHealthParts {
  clock: Pick<Clock, 'monotonic'>;
  /** Of the whole process: so one shard learns what another found out. */
  counters: Counters;
  onFailed?: (source: string, why: SourceFailure) => void;
  /** A source is left out from now on; called in the shard whose failure it was. */
  onSuspended?: (source: string, why: SourceFailure, duration: number) => void;
}

/** Parts of the period in which failures are counted; the oldest is dropped as a whole. */
const BUCKETS = 60;

interface Found {
  source: string;
  why: SourceFailure;
  /** Monotonic ms. */
  until: number;
}

/**
 * Which sources fail (delivery.md 15). Suspensions, and the failures that lead to them, are numbers of the process;
 * a shard learns of those of others when it is about to connect. Costs nothing for sources without rules.
 */
export class SourceHealth {
  readonly #parts: SourceHealthParts;
  /** Monotonic ms until which a source is left out, by name, as far as this shard knows. */
  readonly #known = new Map<string, number>();
  /** Suspensions of this shard's making, by source. */
  readonly #made = new Map<string, Found>();
  /** What this shard has added to the failures, by their key, to be taken back when it no longer counts. */
  readonly #added = new Map<string, { bucket: number; count: number }[]>();

  /** Called when this shard learns that a source is left out: what waits for it looks for another. */
  onNoticed: () => void = () => {};

  constructor(parts: SourceHealthParts) {
    this.#parts = parts;
  }

  /** Whether the source is left out, as far as this shard knows. */
  isSuspended({ name }: WatchedSource): boolean {
    if (this.#known.size === 0) return false;
    const until = this.#known.get(name);
    if (until === undefined) return false;
    if (until > this.#parts.clock.monotonic()) return true;
    this.#known.delete(name);
    return false;
  }

  /** The same, as far as any shard knows; to be asked before a connection. */
  check(source: WatchedSource): boolean {
    if (source.suspend_when_unplumbed === undefined && source.suspend_when_proxy_unhealthy === undefined) {
      return this.isSuspended(source);
    }
    const { clock, counters } = this.#parts;
    const key = suspensionKey(source.name);
    const until = counters.get(key);
    if (until > clock.monotonic()) {
      this.#notice(source.name, until);
      return true;
    }
    if (until > 0 || this.#known.size > 0) this.#forget(source.name);
    return false;
  }

  /** For how many ms more the source is left out, as far as any shard knows; 0 for one that works. */
  leftOutFor({ name }: WatchedSource): number {
    const { clock, counters } = this.#parts;
    return Math.max(0, counters.get(suspensionKey(name)) - clock.monotonic());
  }

  /** A connection of the source failed. */
  failed(source: WatchedSource, why: SourceFailure): void {
    this.#parts.onFailed?.(source.name, why);
    const rule = why === 'Unplumbed' ? source.suspend_when_unplumbed : source.suspend_when_proxy_unhealthy;
    if (rule === undefined) return;
    const { trigger, duration } = rule;
    if (
      trigger !== 'Immediate' &&
      this.#count(source.name, why, trigger.threshold) < trigger.threshold.limit
    ) {
      return;
    }
    if (this.check(source)) return;
    const { clock, counters, onSuspended } = this.#parts;
    const until = clock.monotonic() + duration;
    // Of several shards that find it out at one time, the first one sets the end.
    const isOurs = counters.tryAdd(suspensionKey(source.name), until, until);
    if (!isOurs) return void this.check(source);
    this.#made.set(source.name, { source: source.name, why, until });
    onSuspended?.(source.name, why, duration);
    this.#notice(source.name, until);
  }

  /** The suspensions that this shard made and that last; each is in one shard only. */
  made(): Found[] {
    const now = this.#parts.clock.monotonic();
    for (const { source, until } of this.#made.values()) if (until <= now) this.#forget(source);
    return [...this.#made.values()];
  }

  #notice(source: string, until: number): void {
    const isNews = this.#known.get(source) !== until;
    this.#known.set(source, until);
    if (isNews) this.onNoticed();
  }

  #forget(source: string): void {
    this.#parts.counters.reset(suspensionKey(source));
    this.#known.delete(source);
    this.#made.delete(source);
  }

  /** Counts one more failure. Gives how many there were within the period, over all shards. */
  #count(source: string, why: SourceFailure, { period }: ThrottleSpec): number {
    const { clock, counters } = this.#parts;
    const key = `source-failures ${why} ${source}`;
    const bucket = Math.floor((clock.monotonic() * BUCKETS) / period);
    const oldest = bucket - BUCKETS + 1;
    const added = (this.#added.get(key) ?? []).filter((entry) => {
      if (entry.bucket < oldest) counters.add(`${key} ${entry.bucket}`, -entry.count);
      return entry.bucket >= oldest;
    });
    const last = added.at(-1);
    if (last?.bucket === bucket) last.count++;
    else added.push({ bucket, count: 1 });
    this.#added.set(key, added);
    let total = counters.add(`${key} ${bucket}`, 1);
    for (let before = oldest; before < bucket; before++) total += counters.get(`${key} ${before}`);
    return total;
  }
}

function suspensionKey(source: string): string {
  return `source-suspended ${source}`;
}
