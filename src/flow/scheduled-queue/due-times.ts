import { type Clock, measured, type QueuedMessage, type Timer, TimerWheel } from '../../model/index.ts';

/** What due times need of the room. */
export interface DueTimesRoom {
  readonly isStopping: boolean;
  readonly isCongested: boolean;
  /** Something to do whenever the clock is looked at. */
  lookAround(): void;
  promote(message: QueuedMessage): void;
}

/** Due messages moved on per turn of the event loop. */
const PROMOTED_PER_TURN = 256;
/** Wait for those being settled, when there are very many, ms. */
const CONGESTION_WAIT = 20;

const turns = measured.series('total_qmaint_runs');
const popInterval = measured.histogram('timeq_pop_interval');
const popLatency = measured.histogram('timeq_pop_latency');
const popTardiness = measured.histogram('timeq_pop_tardiness');
const reinsertTardiness = measured.histogram('timeq_reinsert_tardiness');

/** The one wheel that knows when messages are due, and the timer for the next of them. */
export class DueTimes {
  readonly #clock: Clock;
  readonly #room: DueTimesRoom;
  readonly #wheel: TimerWheel<QueuedMessage>;
  #timer: Timer | undefined;
  #timerDue = Infinity;
  #now = 0;
  #lastTurn: number | undefined;

  constructor(clock: Clock, room: DueTimesRoom) {
    this.#clock = clock;
    this.#room = room;
    this.#wheel = new TimerWheel(clock.now());
  }

  /** Nothing is waited for. */
  get isIdle(): boolean {
    return this.#timerDue === Infinity;
  }

  insert(message: QueuedMessage): void {
    this.#wheel.insert(message);
    this.#arm(message.due);
  }

  /** Takes a message that waits for its due time; false when it does not. */
  remove(message: QueuedMessage): boolean {
    return this.#wheel.remove(message);
  }

  /** A message that is put in again was due then, in ms since the epoch. */
  noteLate(due: number): void {
    const late = this.#clock.now() - due;
    if (due > 0 && late > 0) reinsertTardiness.took(late);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(due: number): void {
    if (this.#room.isStopping || due >= this.#timerDue) return;
    this.#timer?.cancel();
    this.#timerDue = due;
    this.#timer = this.#clock.after(Math.max(0, due - this.#clock.now()), this.#turn);
  }

  readonly #turn = (): void => {
    this.#timerDue = Infinity;
    const now = this.#clock.now();
    this.#room.lookAround();
    turns.add();
    if (this.#room.isCongested) {
      this.#arm(now + CONGESTION_WAIT);
      return;
    }
    const more = this.#advance(now);
    if (more) this.#arm(now);
    else {
      const next = this.#wheel.nextDue(now);
      if (next !== undefined) this.#arm(next);
    }
  };

  #advance(now: number): boolean {
    const began = this.#clock.monotonic();
    if (this.#lastTurn !== undefined) popInterval.took(began - this.#lastTurn);
    this.#lastTurn = began;
    this.#now = now;
    const more = this.#wheel.advance(now, this.#promote, PROMOTED_PER_TURN);
    popLatency.took(this.#clock.monotonic() - began);
    return more;
  }

  readonly #promote = (queued: QueuedMessage): void => {
    popTardiness.took(this.#now - queued.due);
    this.#room.promote(queued);
  };
}
