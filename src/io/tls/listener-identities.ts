import { LRUCache } from 'lru-cache';
import { generate } from 'selfsigned';
import type { KeySource } from '../../model/define/index.ts';
import type { Clock, TlsIdentity } from '../../model/index.ts';
import { checkIdentity } from '../net/index.ts';

export interface IdentitySources {
  /** For the self-signed certificate, when none is given. */
  hostname: string;
  certificate: KeySource | undefined;
  privateKey: KeySource | undefined;
  clientCa: KeySource | undefined;
}

/** Files, vaults and events are read again after this long, ms. */
const TTL = 5 * 60_000;
const YEAR = 365 * 24 * 60 * 60 * 1000;

interface Known {
  identity: Promise<TlsIdentity>;
  until: number;
}

/** Certificates and keys of listeners: read when a client wants TLS, kept 5 minutes. */
export class ListenerIdentities {
  readonly #clock: Clock;
  readonly #read: (source: KeySource) => Promise<Uint8Array>;
  readonly #known = new LRUCache<string, Known>({ max: 256 });
  /** The identities last loaded; one that reads the same again is the same object and keeps its TLS sessions. */
  readonly #loaded = new LRUCache<string, TlsIdentity>({ max: 256 });

  constructor(clock: Clock, read: (source: KeySource) => Promise<Uint8Array>) {
    this.#clock = clock;
    this.#read = read;
  }

  /** Rejects with an Error that says which of the sources cannot be used, and why. */
  find(sources: IdentitySources): Promise<TlsIdentity> {
    const name = JSON.stringify(sources, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
    );
    const known = this.#known.get(name);
    if (known !== undefined && known.until > this.#clock.monotonic()) return known.identity;
    const identity = this.#load(name, sources);
    // Nobody gets rid of a self-signed certificate by reading it again.
    const until = sources.certificate === undefined ? Infinity : this.#clock.monotonic() + TTL;
    this.#known.set(name, { identity, until });
    identity.catch(() => this.#known.delete(name));
    return identity;
  }

  /** Reads what comes from a source anew at its next use; sessions that go on keep what they have. */
  refresh(): void {
    for (const [name, { until }] of this.#known.entries()) if (until !== Infinity) this.#known.delete(name);
  }

  async #load(name: string, sources: IdentitySources): Promise<TlsIdentity> {
    const { hostname, certificate, privateKey, clientCa } = sources;
    if ((certificate === undefined) !== (privateKey === undefined)) {
      throw new Error('tls_certificate and tls_private_key have to be given together');
    }
    const own =
      certificate === undefined || privateKey === undefined
        ? await this.#selfSigned(hostname)
        : {
            certificate: await this.#text('tls_certificate', certificate),
            privateKey: await this.#text('tls_private_key', privateKey),
          };
    const ca = clientCa === undefined ? undefined : await this.#text('tls_required_client_ca', clientCa);
    const identity: TlsIdentity = { ...own, ...(ca !== undefined && { clientCa: ca }) };
    const before = this.#loaded.get(name);
    if (before !== undefined && sameTexts(before, identity)) return before;
    checkIdentity(identity);
    this.#loaded.set(name, identity);
    return identity;
  }

  async #text(option: string, source: KeySource): Promise<string> {
    try {
      return Buffer.from(await this.#read(source)).toString('latin1');
    } catch (error) {
      throw new Error(`${option}: ${(error as Error).message}`);
    }
  }

  async #selfSigned(hostname: string): Promise<{ certificate: string; privateKey: string }> {
    const now = this.#clock.now();
    const made = await generate([{ name: 'commonName', value: hostname }], {
      algorithm: 'sha256',
      keySize: 2048,
      notBeforeDate: new Date(now - 24 * 60 * 60 * 1000),
      notAfterDate: new Date(now + 10 * YEAR),
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: hostname }] }],
    });
    return { certificate: made.cert, privateKey: made.private };
  }
}

function sameTexts(a: TlsIdentity, b: TlsIdentity): boolean {
  return a.certificate === b.certificate && a.privateKey === b.privateKey && a.clientCa === b.clientCa;
}
