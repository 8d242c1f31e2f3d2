import type { Endpoint, TlsInfo, Transport, TransportHandler } from '../../src/model/index.ts';

/** One end of a connection in memory. Make both with `transportPair`. */
export class MemoryTransport implements Transport {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  peer: MemoryTransport | undefined;
  paused = false;
  closed = false;
  #handler: TransportHandler | undefined;
  #inbox: (Buffer | 'end')[] = [];
  #ended = false;

  constructor(local: Endpoint, remote: Endpoint) {
    this.local = local;
    this.remote = remote;
  }

  receive(handler: TransportHandler): void {
    this.#handler = handler;
    this.#drain();
  }

  write(chunk: Buffer | string): boolean {
    if (this.closed || this.#ended) return false;
    const copy = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : Buffer.from(chunk);
    queueMicrotask(() => this.peer?.deliver(copy));
    return true;
  }

  cork(): void {}
  uncork(): void {}

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#drain();
  }

  secure(): Promise<TlsInfo> {
    return Promise.reject(new Error('no TLS in memory'));
  }

  /** Nothing is encrypted; what was not read yet is lost, as in a real handshake. */
  secureAsServer(): Promise<TlsInfo> {
    this.#inbox = [];
    return Promise.resolve({
      cipher: 'TLS13_AES_256_GCM_SHA384',
      protocolVersion: 'TLSv1_3',
      peerSubjectName: [],
    });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    queueMicrotask(() => {
      this.peer?.deliver('end');
      this.close(undefined);
      this.peer?.close(undefined);
    });
  }

  destroy(error?: Error): void {
    this.close(undefined);
    queueMicrotask(() => this.peer?.close(error));
  }

  deliver(chunk: Buffer | 'end'): void {
    if (this.closed) return;
    this.#inbox.push(chunk);
    this.#drain();
  }

  close(error: Error | undefined): void {
    if (this.closed) return;
    this.#drain();
    this.closed = true;
    this.#handler?.closed(error);
  }

  #drain(): void {
    while (!this.paused && this.#handler !== undefined && this.#inbox.length > 0) {
      const next = this.#inbox.shift()!;
      if (next === 'end') this.#handler.end();
      else this.#handler.data(next);
    }
  }
}

export function transportPair(
  client: Endpoint = { address: '127.0.0.1', port: 40001 },
  server: Endpoint = { address: '127.0.0.1', port: 2525 },
): { client: MemoryTransport; server: MemoryTransport } {
  const near = new MemoryTransport(client, server);
  const far = new MemoryTransport(server, client);
  near.peer = far;
  far.peer = near;
  return { client: near, server: far };
}
