import type { Clock, Timer, Transport } from '../../model/index.ts';

/** Milliseconds that a peer has for reading the last reply and closing its side. */
const LINGER = 5000;

/**
 * Closes without cutting off the last reply: destroying a socket with unread input resets the connection, and the
 * peer may lose what it has not read. So input is read on, into nothing, until the peer closes or time is up.
 */
export class LingeringClose {
  readonly #clock: Clock;
  readonly #transport: Transport;
  #timer: Timer | undefined;

  constructor(clock: Clock, transport: Transport) {
    this.#clock = clock;
    this.#transport = transport;
  }

  begin(): void {
    this.#timer = this.#clock.after(LINGER, () => this.#transport.destroy());
    this.#transport.resume();
    this.#transport.end();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
