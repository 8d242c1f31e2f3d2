/** A connection of RFC 6455 that receives text. What arrives waits here until it is asked for. */
export class WebSocketStream {
  readonly #socket: WebSocket;
  readonly #arrived: string[] = [];
  #closed = false;
  #wake: (() => void) | undefined;

  /** Use `WebSocketStream.connect`. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      this.#arrived.push(typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString());
      this.#wake?.();
    });
    socket.addEventListener('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  /** Rejects when there is no such server, or it does not want to. */
  static connect(url: string): Promise<WebSocketStream> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      const stream = new WebSocketStream(socket);
      socket.addEventListener('open', () => resolve(stream));
      socket.addEventListener('error', () => reject(new Error(`${url}: no connection`)));
    });
  }

  /** The next text; undefined when the connection is closed. */
  async receive(): Promise<string | undefined> {
    while (this.#arrived.length === 0 && !this.#closed) await this.#change();
    return this.#arrived.shift();
  }

  /** Everything that arrives within `duration` milliseconds. Rejects when the connection is closed and there is nothing. */
  async receiveBatch(duration: number): Promise<string[]> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake?.();
    }, duration);
    while (!late && !this.#closed) await this.#change();
    clearTimeout(timer);
    if (this.#arrived.length === 0 && this.#closed) throw new Error('the connection is closed');
    return this.#arrived.splice(0);
  }

  close(): void {
    this.#socket.close();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
