import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type Arrival,
  CLOSE,
  closeFrame,
  FrameReader,
  pongFrame,
  textFrame,
  WebSocketError,
} from '../../protocol/websocket/index.ts';

/** How it ended: the code and reason of the peer, or 1006 when the connection was lost (RFC 6455 §7.1.5). */
export interface WebSocketClosing {
  code: number;
  reason: string;
}

/** How long, in ms, the peer may take to answer a close frame. */
const CLOSE_PATIENCE = 1000;

/**
 * One end of a websocket that carries text.
 * open → closing → closed. `closing`: a close frame went out and that of the peer is awaited, not for long. Closed is
 * told once, with how it came about; what is sent after `open` is dropped.
 */
export class WebSocketConnection {
  readonly #socket: Duplex;
  readonly #reader: FrameReader;
  readonly #isClient: boolean;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #closing: WebSocketClosing | undefined;
  #timer: NodeJS.Timeout | undefined;
  #onText: (text: string) => void = () => {};
  readonly #whenClosed: Promise<WebSocketClosing>;
  #settleClosed!: (closing: WebSocketClosing) => void;

  /** `role` is ours. `maxLength` of a message from the peer, in octets. */
  constructor(socket: Duplex, options: { role: 'client' | 'server'; maxLength: number }) {
    this.#socket = socket;
    this.#isClient = options.role === 'client';
    const from = this.#isClient ? 'server' : 'client';
    this.#reader = new FrameReader({ from, maxLength: options.maxLength });
    this.#whenClosed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
    // It may have gone while nobody listened.
    if (socket.destroyed) queueMicrotask(() => this.#closed());
  }

  /** Begins to read. `head`: octets that came with the handshake. */
  receive(head: Buffer, onText: (text: string) => void): void {
    this.#onText = onText;
    if (head.length > 0) this.#arrived(head);
    this.#socket.on('data', (chunk: Buffer) => this.#arrived(chunk));
    this.#socket.on('end', () => this.#socket.end());
    this.#socket.resume();
  }

  /** Resolves when it is over. Never rejects. */
  get whenClosed(): Promise<WebSocketClosing> {
    return this.#whenClosed;
  }

  /** False when the peer does not keep up; `drained` then says when it does. */
  send(text: string): boolean {
    if (this.#state !== 'open') return true;
    return this.#socket.write(textFrame(text, this.#mask()));
  }

  /** Resolves when the peer has caught up, or is gone. */
  drained(): Promise<void> {
    const socket = this.#socket;
    if (!socket.writableNeedDrain || this.#state === 'closed') return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.on('drain', done).on('close', done);
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number = CLOSE.normal, reason = ''): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#socket.write(closeFrame(code, reason, this.#mask()));
    this.#socket.resume();
    this.#timer = setTimeout(() => this.#socket.destroy(), CLOSE_PATIENCE);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #mask(): Buffer | undefined {
    return this.#isClient ? randomBytes(4) : undefined;
  }

  #arrived(chunk: Buffer): void {
    if (this.#closing !== undefined) return;
    try {
      this.#reader.push(chunk, (arrival) => this.#take(arrival));
    } catch (error) {
      if (!(error instanceof WebSocketError)) throw error;
      this.close(error.code, error.message);
      this.#closing = { code: error.code, reason: error.message };
    }
  }

  #take(arrival: Arrival): void {
    switch (arrival.kind) {
      case 'text':
        if (this.#state === 'open') this.#onText(arrival.text);
        return;
      case 'ping':
        // Whoever does not read gets no more answers to hold.
        if (!this.#socket.writableNeedDrain) this.#socket.write(pongFrame(arrival.payload, this.#mask()));
        return;
      case 'close':
        this.#closing = { code: arrival.code, reason: arrival.reason };
        this.close(arrival.code === CLOSE.noStatus ? CLOSE.normal : arrival.code);
        this.#socket.end();
        return;
      case 'pong':
    }
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#settleClosed(this.#closing ?? { code: CLOSE.abnormal, reason: 'the connection was lost' });
  }
}
