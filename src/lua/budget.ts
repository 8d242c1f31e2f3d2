import type { Clock, PolicyBudget } from '../model/index.ts';
import type { LuaThread } from './fengari.ts';
import { charge, meter, OverBudget, plenty, stopMeter } from './meter.ts';

export { charge, OverBudget };

/** What one run, that is one call of a handler or the loading of the policy, may use. */
export interface BudgetLimits {
  /** Milliseconds of running; waiting does not count. */
  readonly cpuTime: number;
  /** Instructions of the VM, and what libraries do, counted as the instructions that take as long. */
  readonly instructions: number;
  /** Bytes allocated, whether or not they are still in use. */
  readonly memory: number;
  /** Calls inside each other; one more is the Lua error "stack overflow". */
  readonly depth: number;
  /** Bytes of one string that Lua builds; more is the Lua error "resulting string too large". */
  readonly stringSize: number;
  /** Steps of one pattern match, beside 32 for each byte of its subject; more is a Lua error. */
  readonly patternSteps: number;
  /** Milliseconds of running where the event loop cannot have a turn. */
  readonly unbrokenTime: number;
  /** Milliseconds that one call of a function of ours on a long text is expected to take at most. */
  readonly callTime: number;
}

export const handlerLimits: BudgetLimits = {
  cpuTime: 200,
  instructions: 50_000_000,
  memory: 128 * 1024 * 1024,
  depth: 20_000,
  stringSize: 8 * 1024 * 1024,
  patternSteps: 4_000_000,
  unbrokenTime: 10,
  callTime: 50,
};

export const loadLimits: BudgetLimits = {
  ...handlerLimits,
  cpuTime: 5000,
  instructions: 1_000_000_000,
  memory: plenty,
  unbrokenTime: 250,
  callTime: 5000,
};

/** For the event `main` of a script, which holds up nobody. */
export const scriptLimits: BudgetLimits = {
  ...loadLimits,
  cpuTime: Number.POSITIVE_INFINITY,
  instructions: plenty,
  unbrokenTime: Number.POSITIVE_INFINITY,
  callTime: Number.POSITIVE_INFINITY,
};

/** The limits that `kumo.policy.set_budget` asked for: those of handlers, and of what is left of the loading. */
export function limitsOf(options: PolicyBudget): { handler: BudgetLimits; load: BudgetLimits } {
  const handler = {
    cpuTime: options.cpu_time,
    instructions: options.instructions,
    memory: options.memory,
    depth: options.depth,
    stringSize: options.string_size,
    patternSteps: options.pattern_steps,
    unbrokenTime: options.unbroken_time,
    callTime: options.call_time,
  };
  const load = {
    ...handler,
    cpuTime: options.load_time,
    instructions: Math.max(handler.instructions, loadLimits.instructions),
    memory: loadLimits.memory,
    unbrokenTime: Math.max(handler.unbrokenTime, loadLimits.unbrokenTime),
    callTime: Math.max(handler.callTime, loadLimits.callTime),
  };
  return { handler, load };
}

/** Milliseconds after which a run lets the event loop have a turn. */
const SLICE = 5;

/** Part of the time of a call that its arguments may take. */
const LONGEST_ARGUMENTS = 0.3;

/** Units between two looks at the clock, 20 to 200 us. A look costs 0.6 us. */
const QUANTUM = 2000;

/** Units until the next look where a library is at work and the event loop waits. */
const FEW = 50;

/** What a run needs of the state that it runs in. */
export interface Sliceable {
  /** Promise of what suspended the running handler. */
  pending: Promise<unknown> | undefined;
  /** Thread of the binding call in progress. */
  readonly calling: LuaThread;
  where(L?: LuaThread): string;
  placesOf(L: LuaThread): string;
}

let current: Budget | undefined;

/** The run that is metered now; for work that is not of the VM. */
export function currentBudget(): Budget | undefined {
  return current;
}

function look(where: unknown, atRest: boolean): boolean {
  if (where === undefined) return current!.look(null, atRest, 'arguments');
  if (where === false) return current!.look(null, atRest, 'results');
  return current!.look(where as LuaThread | null, atRest);
}

/**
 * The budget of a state's runs, one run at a time. `begin` starts a run; between `enter` and `leave` it runs, and the
 * meter counts for it; while it waits nothing counts. A run that fires an event, and so runs another state, pays for
 * both. A run that is over budget stays so: every further look throws again.
 */
export class Budget {
  /** What ended the run. */
  killed: OverBudget | undefined;
  /** Bytes allocated by all runs. */
  allocated = 0;
  readonly #clock: Clock;
  readonly #state: Sliceable;
  #limits: BudgetLimits = handlerLimits;
  #outer: Budget | undefined;
  #instructions = 0;
  #memory = 0;
  #quantum = 0;
  #bytes = 0;
  /** Milliseconds used before the last `enter`. */
  #cpu = 0;
  /** Whether it has run before, and was suspended. */
  #isResumed = false;
  /** Readings at the first look of a run; negative before it, so that a short run never reads a clock. */
  #cpuStart = -1;
  #breakStart = -1;
  #wallStart = -1;
  #uninterrupted = 0;

  constructor(clock: Clock, state: Sliceable) {
    this.#clock = clock;
    this.#state = state;
  }

  begin(limits: BudgetLimits): void {
    this.killed = undefined;
    this.use(limits);
    this.#cpu = 0;
    this.#isResumed = false;
  }

  /** Other limits for the run in progress, of which nothing is spent. */
  use(limits: BudgetLimits): void {
    if (current === this) this.#settle();
    this.#limits = limits;
    this.#instructions = limits.instructions;
    this.#memory = limits.memory;
    if (current === this) this.#install();
  }

  /**
   * Gives the run in progress other limits, for work that is done once for many runs; nothing of it counts for this one.
   * What this answers gives it its own limits back.
   */
  lend(limits: BudgetLimits): () => void {
    this.#settle();
    const [own, instructions, memory] = [this.#limits, this.#instructions, this.#memory];
    const used = this.#cpu + (this.#cpuStart < 0 ? 0 : this.#cpuNow() - this.#cpuStart);
    this.use(limits);
    this.#cpu = 0;
    this.#cpuStart = -1;
    return () => {
      this.#settle();
      this.#limits = own;
      this.#instructions = instructions;
      this.#memory = memory;
      this.#cpu = used;
      this.#cpuStart = -1;
      if (current === this) this.#install();
    };
  }

  enter(): void {
    this.#outer = current;
    if (current !== undefined) current.#settle();
    current = this;
    if (this.#isResumed) this.#startClocks(this.#clock.monotonic());
    else this.#cpuStart = -1;
    this.#uninterrupted = 0;
    meter.look = look;
    this.#install();
  }

  leave(): void {
    this.#settle();
    if (this.#cpuStart >= 0) this.#cpu += this.#cpuNow() - this.#cpuStart;
    this.#isResumed = true;
    current = this.#outer;
    this.#outer = undefined;
    if (current === undefined) stopMeter();
    else current.#install();
  }

  /** Does work that is long and not the policy's fault, such as compiling its files, as if it were in small pieces. */
  uninterrupted<T>(work: () => T): T {
    this.#uninterrupted++;
    try {
      return work();
    } finally {
      this.#uninterrupted--;
      this.#breakStart = -1;
    }
  }

  /**
   * After a piece of work that no script prolongs: where the run can be suspended next, it is, and that it was long is
   * not counted as unbroken time.
   */
  rest(): void {
    this.#breakStart = -1;
  }

  /** Milliseconds that a call may take which nothing can interrupt. */
  get longestCall(): number {
    return this.#limits.callTime;
  }

  /** `converting`: the engine converts the arguments or the results of a binding. */
  look(L: LuaThread | null, atRest: boolean, converting?: 'arguments' | 'results'): boolean {
    if (this.killed !== undefined) this.#throwKilled();
    this.#settle();
    if (this.#memory < 0) this.#kill(L, `memory of ${this.#limits.memory} bytes`);
    if (this.#instructions < 0) this.#kill(L, `instructions of ${this.#limits.instructions}`);
    const slice = this.#lookAtClock(L, atRest, converting);
    this.#install();
    if (slice === 'soon') {
      // The next place where it can be suspended is to look again.
      this.#quantum = L !== null && L.nny === 0 ? -1 : FEW;
      meter.left = this.#quantum;
    }
    return slice === 'now';
  }

  /** Whether the run should be suspended. */
  #lookAtClock(
    L: LuaThread | null,
    atRest: boolean,
    converting: 'arguments' | 'results' | undefined,
  ): 'no' | 'soon' | 'now' {
    const wall = this.#clock.monotonic();
    if (this.#cpuStart < 0) {
      this.#startClocks(wall);
      return 'no';
    }
    if (wall - this.#wallStart < SLICE) {
      if (this.#breakStart < 0) this.#breakStart = this.#cpuNow();
      return 'no';
    }
    const cpu = this.#cpuNow();
    if (this.#cpu + cpu - this.#cpuStart > this.#limits.cpuTime) {
      this.#kill(L, `cpu_time of ${this.#limits.cpuTime} ms`);
    }
    if (atRest && L !== null && L.nny === 0 && L.sliceable) {
      this.#state.pending = this.#turn();
      return 'now';
    }
    if (converting !== undefined && this.#state.calling.nny === 0) {
      this.#convert(converting, cpu);
      return 'soon';
    }
    if (this.#breakStart < 0) this.#breakStart = cpu;
    if (this.#uninterrupted === 0 && cpu - this.#breakStart > this.#limits.unbrokenTime) {
      this.#kill(L, `unbroken_time of ${this.#limits.unbrokenTime} ms`);
    }
    return this.#uninterrupted === 0 && !atRest ? 'soon' : 'no';
  }

  #startClocks(wall: number): void {
    this.#cpuStart = this.#cpuNow();
    this.#breakStart = this.#cpuStart;
    this.#wallStart = wall;
  }

  /**
   * Once the binding is done the run can be suspended, so that large values may take their time. Results are as large
   * as they are; arguments that share parts can be without end.
   */
  #convert(what: 'arguments' | 'results', cpu: number): void {
    if (this.#breakStart < 0 || what === 'results') this.#breakStart = cpu;
    if (cpu - this.#breakStart > this.#limits.callTime * LONGEST_ARGUMENTS) {
      this.#kill(null, `call_time of ${this.#limits.callTime} ms`);
    }
  }

  /** One turn of the event loop. */
  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(0, resolve));
  }

  #cpuNow(): number {
    return this.#clock.cpu?.() ?? this.#clock.monotonic();
  }

  #kill(L: LuaThread | null, what: string): never {
    const where = L === null ? this.#state.where() : this.#state.where(L);
    this.killed = new OverBudget(what, where, L === null ? '' : this.#state.placesOf(L));
    this.#throwKilled();
  }

  #throwKilled(): never {
    meter.left = -1;
    throw this.killed;
  }

  /** Takes what the meter counted off what is left. */
  #settle(): void {
    this.#instructions -= this.#quantum - meter.left;
    const bytes = this.#bytes - meter.memory;
    this.#memory -= bytes;
    this.allocated += bytes;
    this.#quantum = meter.left;
    this.#bytes = meter.memory;
  }

  /** Sets the meter for the time until the next look. */
  #install(): void {
    const limits = this.#limits;
    this.#quantum = this.killed === undefined ? Math.min(QUANTUM, this.#instructions) : -1;
    this.#bytes = Math.min(plenty, Math.max(this.#memory, 0));
    meter.left = this.#quantum;
    meter.memory = this.#bytes;
    meter.depth = limits.depth;
    meter.longestString = limits.stringSize;
    meter.patternSteps = limits.patternSteps;
  }
}
