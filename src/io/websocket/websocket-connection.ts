import type { WebSocket } from 'ws';

/** Why a websocket is closed (RFC 6455 §7.4.1). */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupported: 1003,
  abnormal: 1006,
  policy: 1008,
  tooBig: 1009,
} as const;

/** How it ended: the code and reason of the peer, or 1006 when the connection was lost (RFC 6455 §7.1.5). */
export interface WebSocketClosing {
  code: number;
  reason: string;
}

/** How long, in ms, the peer may take to answer a close frame. */
const CLOSE_PATIENCE = 1000;
/** Octets that may wait to be sent before the peer counts as one that does not keep up. */
const HIGH_WATER = 65_536;
/** Octets of the reason in a close frame (RFC 6455 §5.5). */
const MAX_REASON = 123;

/** What both ends tell the library. `maxLength` of a message from the peer, in octets. */
export function limitsOf(maxLength: number): { maxPayload: number; closeTimeout: number } {
  return { maxPayload: maxLength, closeTimeout: CLOSE_PATIENCE };
}

/**
 * One end of a websocket that carries text.
 * open → closing → closed. `closing`: a close frame went out and that of the peer is awaited, not for long. Closed is
 * told once, with how it came about; what is sent after `open` is dropped.
 */
export class WebSocketConnection {
  readonly #socket: WebSocket;
  readonly #whenClosed: Promise<WebSocketClosing>;
  #isClosing = false;
  /** What the peer did that is no websocket, or more than is taken. */
  #failure: WebSocketClosing | undefined;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket, onText: (text: string) => void) {
    this.#socket = socket;
    socket.on('message', (message: Buffer, isBinary) => {
      if (this.#isClosing) return;
      if (isBinary) this.close(CLOSE.unsupported, 'a binary message');
      else onText(message.toString());
    });
    socket.on('error', (error: Error & { code?: string }) => {
      const isTooBig = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
      this.#failure = { code: isTooBig ? CLOSE.tooBig : CLOSE.protocolError, reason: error.message };
    });
    this.#whenClosed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#wake();
        const lost = { code, reason: 'the connection was lost' };
        resolve(this.#failure ?? (code === CLOSE.abnormal ? lost : { code, reason: reason.toString() }));
      });
    });
  }

  /** Resolves when it is over. Never rejects. */
  get whenClosed(): Promise<WebSocketClosing> {
    return this.#whenClosed;
  }

  /** False when the peer does not keep up; `drained` then says when it does. */
  send(text: string): boolean {
    if (this.#socket.readyState !== this.#socket.OPEN) return true;
    this.#socket.send(text, this.#written);
    return this.#socket.bufferedAmount < HIGH_WATER;
  }

  /** Resolves when the peer has caught up, or is gone. */
  drained(): Promise<void> {
    const { bufferedAmount, readyState, CLOSED } = this.#socket;
    if (bufferedAmount < HIGH_WATER || readyState === CLOSED) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** A reason is cut where the frame ends. */
  close(code: number = CLOSE.normal, reason = ''): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(MAX_REASON));
    this.#socket.close(code, reason.slice(0, read));
    // The answer of the peer has to be read.
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.terminate();
  }

  readonly #written = (): void => {
    if (this.#socket.bufferedAmount === 0) this.#wake();
  };

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
