import type { TlsaRecord } from '../protocol/dane/index.ts';
import type { TlsInfo } from './outcome.ts';

export interface Endpoint {
  address: string;
  port: number;
}

/** A proxy on the way out. */
export interface ProxyHop {
  protocol: 'haproxy' | 'socks5';
  server: Endpoint;
}

/** Who gets what arrives on a transport. Exactly one `closed` ends the calls. */
export interface TransportHandler {
  data(chunk: Buffer): void;
  /** The peer will send no more. */
  end(): void;
  /** The connection is gone; `error` says why when it was not an orderly close. */
  closed(error: Error | undefined): void;
}

/**
 * How a client speaks TLS, as PEM texts and names of OpenSSL; everything absent is the choice of the library. Keep
 * the object as long as the texts hold: what is made of it, such as sessions to resume, is kept with it.
 */
export interface TlsClientSettings {
  certificate?: string;
  privateKey?: string;
  /** Who may vouch for servers. */
  authorities?: readonly string[];
  /** Ciphers up to TLS 1.2 and suites of TLS 1.3, joined with `:`. */
  ciphers?: string;
  /** Bits of SSL_OP_*. */
  secureOptions?: number;
}

/**
 * What the certificate of a server has to prove. `authority`: that somebody trusted vouches for it, that it is made
 * out to the server's name; either may be waived. `tlsa`: that DNS names it (RFC 7672), for one of the `names`.
 */
export type PeerCheck =
  | { kind: 'authority'; certificate: boolean; name: boolean }
  | { kind: 'tlsa'; records: readonly TlsaRecord[]; names: readonly string[] };

export interface TlsClientOptions {
  /** Name for SNI and for the certificate check. */
  serverName: string;
  settings: TlsClientSettings;
  check: PeerCheck;
  /** Milliseconds. */
  timeout: number;
}

/**
 * Who a server is in TLS, as PEM texts. Keep the object as long as the texts hold: what is made of it, such as
 * sessions that clients may resume, is kept with it.
 */
export interface TlsIdentity {
  certificate: string;
  privateKey: string;
  /** Clients must have a certificate of this authority. */
  clientCa?: string;
}

export interface TlsServerOptions {
  identity: TlsIdentity;
  /** Milliseconds. */
  timeout: number;
}

/** One byte stream to a peer: a TCP or TLS socket (io/net), or a pair in memory (test/kit). */
export interface Transport {
  readonly remote: Endpoint;
  /** Our end as the peer sees it; behind a proxy its address there, with port 0 when that is not known. */
  readonly local: Endpoint;
  /** The proxy between us and the peer, when there is one that we went through on purpose. */
  readonly proxy?: ProxyHop | undefined;
  /** Sets who gets what arrives. What came before is delivered to the first handler. */
  receive(handler: TransportHandler): void;
  /** False when the peer is not keeping up; what was given is sent all the same. */
  write(chunk: Buffer | string): boolean;
  /** Gathers writes into one segment until `uncork`. */
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  /**
   * Client side of a TLS handshake; bytes that arrived in plain text before it are dropped. Rejects with the reason
   * when it fails or the certificate does not prove what is asked; the connection is closed then.
   */
  secure(options: TlsClientOptions): Promise<TlsInfo>;
  /**
   * Server side of a TLS handshake. The names in the answer are those of rustls, as log consumers know them. A
   * handshake that fails closes the connection.
   */
  secureAsServer(options: TlsServerOptions): Promise<TlsInfo>;
  /** Sends what is pending, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}
