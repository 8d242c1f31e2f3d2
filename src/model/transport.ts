import type { TlsInfo } from './outcome.ts';

export interface Endpoint {
  address: string;
  port: number;
}

/** Who gets what arrives on a transport. Exactly one `closed` ends the calls. */
export interface TransportHandler {
  data(chunk: Buffer): void;
  /** The peer will send no more. */
  end(): void;
  /** The connection is gone; `error` says why when it was not an orderly close. */
  closed(error: Error | undefined): void;
}

export interface TlsClientOptions {
  /** Name for SNI and for the certificate check. */
  serverName: string;
  verify: boolean;
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
  readonly local: Endpoint;
  /** Sets who gets what arrives. What came before is delivered to the first handler. */
  receive(handler: TransportHandler): void;
  /** False when the peer is not keeping up; what was given is sent all the same. */
  write(chunk: Buffer | string): boolean;
  /** Gathers writes into one segment until `uncork`. */
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  /** Client side of a TLS handshake; bytes that arrived in plain text before it are dropped. */
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
