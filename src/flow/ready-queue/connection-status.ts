import type { Clock, ConnectionPhase, InspectedConnection, Outcome } from '../../model/index.ts';
import { countFor } from './counts.ts';

/** What one connection does and has done, for administrators. */
export class ConnectionStatus {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #queue: string;
  readonly #startedAt: number;
  #phase: ConnectionPhase = 'Starting';
  #phaseSince: number;
  #sessionId: string | null = null;
  readonly #messages = { delivered: 0, transfailed: 0, failed: 0 };
  /** Messages delivered before the session that there is. */
  #before = 0;

  /** `queue`: name of the ready queue. */
  constructor(clock: Pick<Clock, 'now'>, queue: string) {
    this.#queue = queue;
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#phaseSince = this.#startedAt;
  }

  enter(phase: ConnectionPhase): void {
    this.#phase = phase;
    this.#phaseSince = this.#clock.now();
  }

  /** A host has greeted. */
  connected(sessionId: string): void {
    countFor('total_connection_count', this.#queue);
    this.#sessionId = sessionId;
    this.#before = this.#messages.delivered;
  }

  /** The connection ends before its time. Gives why, once more. */
  ending<Why extends string>(why: Why): Why {
    if (why === 'stalled') countFor('dispatcher_watchdog_aborted_total', this.#queue);
    return why;
  }

  /** A message was settled: one outcome for each recipient. The best of them counts. */
  count(outcomes: readonly Outcome[]): void {
    const are = (kind: Outcome['kind']): boolean => outcomes.some((outcome) => outcome.kind === kind);
    if (are('delivered')) this.#messages.delivered++;
    else if (are('transient')) this.#messages.transfailed++;
    else this.#messages.failed++;
  }

  inspect(): InspectedConnection {
    return {
      sessionId: this.#sessionId,
      startedAt: this.#startedAt,
      phase: this.#phase,
      phaseSince: this.#phaseSince,
      ...this.#messages,
      deliveredHere: this.#messages.delivered - this.#before,
    };
  }
}
