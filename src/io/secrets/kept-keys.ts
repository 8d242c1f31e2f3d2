import { LRUCache } from 'lru-cache';
import type { KeySource } from '../../model/define/index.ts';
import type { Clock } from '../../model/index.ts';

/** A key is read again after this long, ms (delivery.md section 12). */
const TTL = 300_000;

interface Known {
  bytes: Promise<Uint8Array>;
  until: number;
}

/** Keys and passwords that connections use over and over: read at the first use, kept 5 minutes. */
export class KeptKeys {
  readonly #clock: Clock;
  readonly #read: (source: KeySource) => Promise<Uint8Array>;
  readonly #known = new LRUCache<string, Known>({ max: 256 });

  constructor(clock: Clock, read: (source: KeySource) => Promise<Uint8Array>) {
    this.#clock = clock;
    this.#read = read;
  }

  /** Rejects with an Error that says why the source gives nothing; the next call then tries again. */
  read(source: KeySource): Promise<Uint8Array> {
    const name = JSON.stringify(source, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
    );
    const known = this.#known.get(name);
    if (known !== undefined && known.until > this.#clock.monotonic()) return known.bytes;
    const bytes = this.#read(source);
    this.#known.set(name, { bytes, until: this.#clock.monotonic() + TTL });
    bytes.catch(() => this.#known.delete(name));
    return bytes;
  }

  /** Everything is read anew at its next use. */
  refresh(): void {
    this.#known.clear();
  }
}
