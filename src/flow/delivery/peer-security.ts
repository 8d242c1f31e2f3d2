import { LRUCache } from 'lru-cache';
import { KeptKeys } from '../../io/secrets/index.ts';
import { ClientTls, type ClientTlsOptions } from '../../io/tls/index.ts';
import type { KeySource } from '../../model/define/index.ts';
import type { Clock, Diagnostics, TlsClientSettings } from '../../model/index.ts';

export interface PeerSecurityParts {
  clock: Clock;
  diagnostics: Diagnostics;
  /** The bytes of a key source. Rejects with an Error that says why there are none. */
  readKey: (source: KeySource) => Promise<Uint8Array>;
  /** Who may vouch for servers; undefined: whoever the runtime trusts. */
  authorities?: () => readonly string[] | undefined;
}

/** Sites whose TLS is known to be broken; the ones used least are forgotten first. */
const MAX_BROKEN = 10_000;

/** What all connections of a shard share: TLS settings with their sessions, passwords, and where TLS is broken. */
export class PeerSecurity {
  readonly #clock: Clock;
  readonly #keys: KeptKeys;
  readonly #tls: ClientTls;
  /** Monotonic ms until which a ready queue goes without TLS. */
  readonly #broken = new LRUCache<string, number>({ max: MAX_BROKEN });

  constructor({ clock, diagnostics, readKey, authorities }: PeerSecurityParts) {
    this.#clock = clock;
    this.#keys = new KeptKeys(clock, readKey);
    this.#tls = new ClientTls({ diagnostics, readKey: (source) => this.#keys.read(source), authorities });
  }

  /** Rejects with an Error that names the option that cannot be used. */
  tlsSettings(options: ClientTlsOptions): Promise<TlsClientSettings> {
    return this.#tls.find(options);
  }

  /** Rejects with an Error that says why there is none. A line end after it, as files have, is not part of it. */
  async password(source: KeySource): Promise<string> {
    return Buffer.from(await this.#keys.read(source))
      .toString()
      .replace(/\r?\n$/, '');
  }

  /** Until `duration` ms from now the opportunistic modes leave STARTTLS out for this ready queue. */
  rememberBrokenTls(queue: string, duration: number): void {
    this.#broken.set(queue, this.#clock.monotonic() + duration);
  }

  isTlsBroken(queue: string): boolean {
    return (this.#broken.get(queue) ?? 0) > this.#clock.monotonic();
  }

  /** Policy has changed: keys, and who may vouch for servers, are read anew. */
  refresh(): void {
    this.#keys.refresh();
    this.#tls.refresh();
  }
}
