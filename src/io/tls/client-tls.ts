import { createHash } from 'node:crypto';
import { DEFAULT_CIPHERS } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { KeySource } from '../../model/define/index.ts';
import type { Diagnostics, TlsClientSettings } from '../../model/index.ts';
import { type EgressPathOptions, opensslOptionBits, opensslSuiteName } from '../../model/options/index.ts';
import { checkClientSettings } from '../net/index.ts';

/** The options of a path that say how TLS is spoken, whoever the peer is. */
export type ClientTlsOptions = Pick<
  EgressPathOptions,
  | 'tls_certificate'
  | 'tls_private_key'
  | 'tls_prefer_openssl'
  | 'openssl_cipher_list'
  | 'openssl_cipher_suites'
  | 'openssl_options'
  | 'rustls_cipher_suites'
>;

export interface ClientTlsParts {
  diagnostics: Diagnostics;
  /** Keeps what it reads: it is asked for each connection. */
  readKey: (source: KeySource) => Promise<Uint8Array>;
  /** Who may vouch for servers; asked once, at the first use of TLS. undefined: whoever the runtime trusts. */
  authorities?: (() => readonly string[] | undefined) | undefined;
}

type ClientCertificate = Pick<TlsClientSettings, 'certificate' | 'privateKey'>;

const isSuite = (name: string): boolean => name.startsWith('TLS_');
const DEFAULTS = DEFAULT_CIPHERS.split(':');
const DEFAULT_LIST = DEFAULTS.filter((name) => !isSuite(name)).join(':');
const DEFAULT_SUITES = DEFAULTS.filter(isSuite).join(':');

/**
 * What connections with equal options share: one object of settings, with which the sessions of peers are kept.
 * A certificate and key that read the same again give the same object.
 */
export class ClientTls {
  readonly #parts: ClientTlsParts;
  readonly #settings = new LRUCache<string, TlsClientSettings>({ max: 64 });
  #authorities: readonly string[] | undefined;
  /** The authorities are to be asked for before the next use. */
  #isStale = true;
  /** What was said of client certificates that cannot be read; each text once. */
  readonly #said = new LRUCache<string, true>({ max: 256 });

  constructor(parts: ClientTlsParts) {
    this.#parts = parts;
  }

  /** The authorities are read anew at the next use; settings stay where they are the same as before. */
  refresh(): void {
    this.#isStale = true;
  }

  /** Rejects with an Error that names the option when the settings cannot be used. */
  async find(options: ClientTlsOptions): Promise<TlsClientSettings> {
    const own = await this.#clientCertificate(options);
    const authorities = this.#knownAuthorities();
    const ciphers = ciphersOf(options);
    const name = createHash('sha256')
      .update(JSON.stringify([own, ciphers, options.openssl_options]))
      .digest('base64');
    const known = this.#settings.get(name);
    if (known !== undefined) return known;
    const settings: TlsClientSettings = {
      ...own,
      ...(authorities !== undefined && { authorities }),
      ...(ciphers !== undefined && { ciphers }),
      ...(options.openssl_options !== undefined && {
        secureOptions: opensslOptionBits(options.openssl_options),
      }),
    };
    try {
      checkClientSettings(settings);
    } catch (error) {
      throw new Error(`${namesGiven(options)}: ${(error as Error).message}`);
    }
    this.#settings.set(name, settings);
    return settings;
  }

  /** Sent only when both parts can be read (delivery.md section 12); a peer that insists on it says so itself. */
  async #clientCertificate(options: ClientTlsOptions): Promise<ClientCertificate | undefined> {
    const { tls_certificate, tls_private_key } = options;
    if (tls_certificate === undefined || tls_private_key === undefined) return undefined;
    try {
      return {
        certificate: await this.#text('tls_certificate', tls_certificate),
        privateKey: await this.#text('tls_private_key', tls_private_key),
      };
    } catch (error) {
      const text = `no client certificate is sent: ${(error as Error).message}`;
      if (!this.#said.has(text)) this.#parts.diagnostics.warn('delivery', text);
      this.#said.set(text, true);
      return undefined;
    }
  }

  async #text(option: string, source: KeySource): Promise<string> {
    try {
      return Buffer.from(await this.#parts.readKey(source)).toString('latin1');
    } catch (error) {
      throw new Error(`${option}: ${(error as Error).message}`);
    }
  }

  #knownAuthorities(): readonly string[] | undefined {
    if (!this.#isStale) return this.#authorities;
    this.#isStale = false;
    const now = this.#parts.authorities?.();
    if (now?.join() !== this.#authorities?.join()) {
      this.#authorities = now;
      this.#settings.clear();
    }
    return this.#authorities;
  }
}

/** What was set, for an error about it. */
function namesGiven(options: ClientTlsOptions): string {
  const given = Object.entries({
    'tls_certificate, tls_private_key': options.tls_certificate,
    openssl_cipher_list: options.openssl_cipher_list,
    openssl_cipher_suites: options.openssl_cipher_suites,
    rustls_cipher_suites: options.rustls_cipher_suites.length > 0 ? true : undefined,
    openssl_options: options.openssl_options,
  }).filter(([, value]) => value !== undefined);
  return given.length === 0 ? 'TLS' : given.map(([name]) => name).join(', ');
}

/** Node takes ciphers and suites in one list, and without one of the two kinds speaks only the other's versions. */
function ciphersOf(options: ClientTlsOptions): string | undefined {
  const {
    rustls_cipher_suites: suites,
    openssl_cipher_list: list,
    openssl_cipher_suites: suites13,
  } = options;
  const hasOpenssl = list !== undefined || suites13 !== undefined;
  if (suites.length > 0 && !(hasOpenssl && options.tls_prefer_openssl)) {
    return suites.map(opensslSuiteName).join(':');
  }
  return hasOpenssl ? `${suites13 ?? DEFAULT_SUITES}:${list ?? DEFAULT_LIST}` : undefined;
}
