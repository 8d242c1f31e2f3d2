import { LRUCache } from 'lru-cache';
import { parseOptions } from '../../model/define/index.ts';
import type { MaybePromise, PolicyResult } from '../../model/index.ts';
import {
  EgressPath,
  type EgressPathOptions,
  EgressPool,
  type EgressPoolOptions,
  EgressSource,
  type EgressSourceOptions,
  egressPathOptions,
  unspecifiedEgressPool,
  unspecifiedEgressSource,
} from '../../model/options/index.ts';
import type { ReadyParts } from './parts.ts';

/** A question that policy could not answer; the message is held and tried again. */
export class EgressLookupError extends Error {}

export const UNSPECIFIED = 'unspecified';
/** A failed lookup is not repeated for this long (delivery.md section 2). */
const NEGATIVE_TTL = 60_000;
/** Pools, and sources, that are remembered; a pool alone may have thousands. */
const CACHED_NAMES = 10_000;

const unspecifiedPool = unspecifiedEgressPool();
const unspecifiedSource = unspecifiedEgressSource();

interface Cached<T> {
  expires: number;
  answer: T | EgressLookupError;
}

/** Pools, sources and paths as policy defines them, kept for the `ttl` that policy gives them. */
export class EgressCatalog {
  readonly #parts: ReadyParts;
  readonly #pools = new LRUCache<string, Cached<EgressPoolOptions>>({ max: CACHED_NAMES });
  readonly #sources = new LRUCache<string, Cached<EgressSourceOptions>>({ max: CACHED_NAMES });

  /** Pools whose sources have all been found. */
  readonly #complete = new WeakSet<EgressPoolOptions>();

  constructor(parts: ReadyParts) {
    this.#parts = parts;
  }

  /** Policy has changed: pools and sources are asked for again. */
  forget(): void {
    for (const known of this.#pools.values()) known.expires = 0;
    for (const known of this.#sources.values()) known.expires = 0;
  }

  /** The pool of that name, all of whose sources exist; `unspecified` is built in. Throws EgressLookupError. */
  async pool(name: string | undefined): Promise<EgressPoolOptions> {
    if (name === undefined || name === UNSPECIFIED) return unspecifiedPool;
    const pool = await this.#ask(this.#pools, name, 'get_egress_pool', (value) =>
      value instanceof EgressPool ? value.options : undefined,
    );
    if (this.#complete.has(pool)) return pool;
    for (const { name: source } of pool.entries) await this.#member(name, source);
    this.#complete.add(pool);
    return pool;
  }

  async #member(pool: string, source: string): Promise<void> {
    try {
      await this.source(source);
    } catch (error) {
      if (!(error instanceof EgressLookupError)) throw error;
      throw new EgressLookupError(`pool ${pool}: ${error.message}`);
    }
  }

  /** The source of that name; `unspecified` is built in. Throws EgressLookupError. */
  source(name: string): MaybePromise<EgressSourceOptions> {
    if (name === UNSPECIFIED) return unspecifiedSource;
    return this.#ask(this.#sources, name, 'get_egress_source', (value) =>
      value instanceof EgressSource ? value.options : undefined,
    );
  }

  /** The path to a site. Defaults when policy has no handler. Throws EgressLookupError. */
  path(domain: string, source: string, site: string): MaybePromise<EgressPathOptions> {
    const read = (result: PolicyResult): EgressPathOptions => {
      if (result.kind === 'absent') return parseOptions(egressPathOptions, {});
      const value = returned('get_egress_path_config', result);
      if (value instanceof EgressPath) return value.options;
      throw new EgressLookupError('get_egress_path_config must return kumo.make_egress_path{...}');
    };
    const result = this.#parts.policy.fire('get_egress_path_config', [domain, source, site]);
    return result instanceof Promise ? result.then(read) : read(result);
  }

  #ask<T extends { ttl: number }>(
    cache: LRUCache<string, Cached<T>>,
    name: string,
    event: string,
    cast: (value: unknown) => T | undefined,
  ): MaybePromise<T> {
    const known = cache.get(name);
    const now = this.#parts.clock.monotonic();
    if (known !== undefined && known.expires > now) return answerOf(known);
    const read = (result: PolicyResult): T => {
      const old = cache.get(name);
      const cached = toCached(event, name, result, cast, now);
      // What failed keeps the old value; what is not defined any more is not there any more.
      if (result.kind === 'error' && old !== undefined && !(old.answer instanceof EgressLookupError)) {
        cached.answer = old.answer;
      }
      cache.set(name, cached);
      return answerOf(cached);
    };
    const result = this.#parts.policy.fire(event, [name]);
    return result instanceof Promise ? result.then(read) : read(result);
  }
}

function answerOf<T>(cached: Cached<T>): T {
  if (cached.answer instanceof EgressLookupError) throw cached.answer;
  return cached.answer;
}

function toCached<T extends { ttl: number }>(
  event: string,
  name: string,
  result: PolicyResult,
  cast: (value: unknown) => T | undefined,
  now: number,
): Cached<T> {
  try {
    if (result.kind === 'absent') throw new EgressLookupError(`Event ${event} has not been registered`);
    const answer = cast(returned(event, result));
    if (answer !== undefined) return { expires: now + answer.ttl, answer };
    throw new EgressLookupError(`${event} returned nothing usable for ${name}`);
  } catch (error) {
    if (!(error instanceof EgressLookupError)) throw error;
    return { expires: now + NEGATIVE_TTL, answer: error };
  }
}

function returned(event: string, result: PolicyResult): unknown {
  if (result.kind === 'values') return result.values[0];
  if (result.kind === 'reject') throw new EgressLookupError(`${event}: ${result.code} ${result.text}`);
  if (result.kind === 'error') throw new EgressLookupError(`${event}: ${result.message}`);
  return undefined;
}
