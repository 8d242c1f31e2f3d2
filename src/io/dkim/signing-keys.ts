import { LRUCache } from 'lru-cache';
import type { KeySource } from '../../model/define/index.ts';
import { type Clock, type Diagnostics, type MaybePromise, measured } from '../../model/index.ts';
import { SigningKey } from '../../protocol/dkim/index.ts';

/** Most keys kept; those that were not used for longest go first. */
const MOST_KEYS = 1024;
/** After a failure the last good key serves for so long, ms, before the source is asked again. */
const RETRY_AFTER = 30_000;
/** Mail waits no longer than this, ms, for a source that has given a good key before. */
const PATIENCE = 5000;

export interface SigningKeysParts {
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  /** Number of the configuration epoch. */
  epoch(): number;
  /** True for the first caller with this key in the whole process. */
  once(key: string): boolean;
}

const cache = {
  lookups: measured.series('dkim_signer_key_cache_lookup_count'),
  hits: measured.series('dkim_signer_key_cache_hit'),
  misses: measured.series('dkim_signer_key_cache_miss'),
};
const fetches = measured.histogram('dkim_signer_key_fetch');

interface Kept {
  /** The last that was good. */
  key: SigningKey | undefined;
  /** Until when it is used without asking again, in monotonic ms, within this epoch. */
  until: number;
  epoch: number;
  reading: { epoch: number; result: Promise<SigningKey> } | undefined;
  /** The failure that was told of. */
  told: string | undefined;
}

/**
 * Private keys by where they come from, read at first use and parsed once. They are read again when they are old, and
 * at the first use in a new epoch. One that cannot be read any more stays as it was, which is told of once.
 */
export class SigningKeys {
  readonly #parts: SigningKeysParts;
  readonly #kept = new LRUCache<string, Kept>({ max: MOST_KEYS });

  constructor(parts: SigningKeysParts) {
    this.#parts = parts;
  }

  /**
   * The key of a source, good for `ttl` ms once it is read; `read` fetches its bytes. Rejects with an Error that names
   * the source when there never was a good key.
   */
  get(
    source: KeySource,
    ttl: number,
    read: (source: KeySource) => Promise<Uint8Array>,
  ): MaybePromise<SigningKey> {
    const kept = this.#entry(nameOf(source));
    const epoch = this.#parts.epoch();
    cache.lookups.add();
    if (kept.key !== undefined && kept.epoch === epoch && kept.until > this.#parts.clock.monotonic()) {
      cache.hits.add();
      return kept.key;
    }
    cache.misses.add();
    // What began to be read in an older epoch may be older than what started this one.
    if (kept.reading?.epoch !== epoch) {
      const reading = { epoch, result: this.#read(kept, source, ttl, read) };
      reading.result.catch(() => undefined);
      kept.reading = reading;
    }
    const { result } = kept.reading!;
    return kept.key === undefined ? result : this.#atMost(PATIENCE, result, kept, source);
  }

  #entry(name: string): Kept {
    let kept = this.#kept.get(name);
    if (kept === undefined) {
      kept = { key: undefined, until: 0, epoch: 0, reading: undefined, told: undefined };
      this.#kept.set(name, kept);
    }
    return kept;
  }

  async #read(
    kept: Kept,
    source: KeySource,
    ttl: number,
    read: (source: KeySource) => Promise<Uint8Array>,
  ): Promise<SigningKey> {
    const epoch = this.#parts.epoch();
    const isLatest = (): boolean => kept.reading?.epoch === epoch;
    try {
      const began = this.#parts.clock.monotonic();
      const key = new SigningKey(await read(source));
      fetches.took(this.#parts.clock.monotonic() - began);
      if (isLatest() || kept.key === undefined) {
        Object.assign(kept, { key, told: undefined, epoch, until: this.#parts.clock.monotonic() + ttl });
      }
      return key;
    } catch (error) {
      const problem = problemOf(source, error as Error);
      if (kept.key === undefined) throw new Error(problem);
      if (isLatest()) this.#keepOld(kept, epoch, problem);
      return kept.key;
    } finally {
      if (isLatest()) kept.reading = undefined;
    }
  }

  /** The last good key serves on for a while. */
  #keepOld(kept: Kept, epoch: number, problem: string): void {
    const { clock, diagnostics } = this.#parts;
    kept.epoch = epoch;
    kept.until = clock.monotonic() + RETRY_AFTER;
    if (kept.told === problem) return;
    kept.told = problem;
    if (!this.#parts.once(`dkim ${epoch} ${problem}`)) return;
    diagnostics.error('dkim', `${problem}; the key that was read before goes on signing`);
  }

  /** What is being read, or the last good key when that takes too long; the reading goes on. */
  #atMost(time: number, result: Promise<SigningKey>, kept: Kept, source: KeySource): Promise<SigningKey> {
    const epoch = this.#parts.epoch();
    return new Promise((resolve, reject) => {
      const timer = this.#parts.clock.after(time, () => {
        this.#keepOld(kept, epoch, `${placeOf(source)}: no answer after ${time / 1000} s`);
        resolve(kept.key!);
      });
      void result.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

/** Tells sources apart. */
function nameOf(source: KeySource): string {
  if (source.from === 'file') return `file ${source.path}`;
  if (source.from === 'inline') return `inline ${Buffer.from(source.bytes).toString('base64')}`;
  return JSON.stringify(source);
}

/** How errors name a source; nothing secret. */
function placeOf(source: KeySource): string {
  switch (source.from) {
    case 'file':
      return source.path;
    case 'inline':
      return 'key_data';
    case 'vault':
      return `vault ${source.mount}/${source.path}`;
    case 'event':
      return `event ${source.event}`;
  }
}

function problemOf(source: KeySource, error: Error): string {
  const place = placeOf(source);
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return `${place}: there is no such file`;
  const isNamed = error.message.toLowerCase().startsWith(place.toLowerCase());
  return isNamed ? error.message : `${place}: ${error.message}`;
}
