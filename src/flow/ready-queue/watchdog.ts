import type { Clock, Timer, Transport } from '../../model/index.ts';
import type { EgressPathOptions } from '../../model/options/index.ts';
import type { Dial } from '../delivery/index.ts';

/** Shortest patience that is derived from the time-outs of a path, ms. */
const LEAST_PATIENCE = 60_000;

/** How long a session may go without progress, ms (delivery.md section 7). */
export function watchdogTimeout(path: EgressPathOptions): number {
  const longest = Math.max(
    path.mail_from_timeout,
    path.rcpt_to_timeout,
    path.data_timeout,
    path.data_dot_timeout,
  );
  return path.dispatcher_progress_watchdog_timeout ?? Math.max(2 * longest, LEAST_PATIENCE);
}

/** Calls back once when there was no progress for `patience` ms. Knows which connections it watches are still ours. */
export class Watchdog {
  readonly #clock: Clock;
  readonly #patience: number;
  readonly #expired: () => void;
  #last: number;
  #isResting = false;
  #timer: Timer;
  /** Ends of connections that we have not closed yet. */
  readonly #open = new Set<Promise<void>>();

  constructor(clock: Clock, patience: number, expired: () => void) {
    this.#clock = clock;
    this.#patience = patience;
    this.#expired = expired;
    this.#last = clock.monotonic();
    this.#timer = clock.after(patience, this.#look);
  }

  /** Something has moved. Ends a rest. */
  progress(): void {
    this.#last = this.#clock.monotonic();
    this.#isResting = false;
  }

  /** What is waited for now comes with a time-out of its own, until there is progress again. */
  rest(): void {
    this.#isResting = true;
  }

  stop(): void {
    this.#timer.cancel();
  }

  /**
   * Resolves when we have closed every connection, those included that only wait for the answer to QUIT: as long as
   * they are open the peer counts them.
   */
  async closed(): Promise<void> {
    await Promise.all(this.#open);
  }

  /** Connections on which everything that arrives is progress. */
  watching(dial: Dial): Dial {
    return async (target) => {
      const transport: Transport = await dial(target);
      this.#noteEnd(transport);
      const receive = transport.receive.bind(transport);
      transport.receive = (handler) =>
        receive({
          data: (chunk) => {
            this.progress();
            handler.data(chunk);
          },
          end: () => handler.end(),
          closed: (error) => handler.closed(error),
        });
      return transport;
    };
  }

  #noteEnd(transport: Transport): void {
    const ended: Promise<void> = new Promise<void>((resolve) => {
      const end = transport.end.bind(transport);
      const destroy = transport.destroy.bind(transport);
      transport.end = () => {
        resolve();
        end();
      };
      transport.destroy = () => {
        resolve();
        destroy();
      };
    }).finally(() => this.#open.delete(ended));
    this.#open.add(ended);
  }

  readonly #look = (): void => {
    const idle = this.#isResting ? 0 : this.#clock.monotonic() - this.#last;
    if (idle >= this.#patience) this.#expired();
    else this.#timer = this.#clock.after(this.#patience - idle, this.#look);
  };
}
