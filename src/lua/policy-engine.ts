import type { ModuleDeclaration, ObjectDeclaration } from '../model/define/index.ts';
import {
  type HistogramSeries,
  type MaybePromise,
  measured,
  type PolicyBudget,
  type PolicyConnection,
  type PolicyEvents,
  type PolicyHost,
  type PolicyResult,
  type Series,
} from '../model/index.ts';
import { bindingsOf } from './bindings.ts';
import { ErrorReport } from './error-report.ts';
import { meantEvent } from './event-names.ts';
import { type ConnectionParts, LuaConnection } from './lua-connection.ts';
import { PolicyFiles, PolicyLoadError } from './policy-files.ts';
import { PolicyState, type RunResult } from './policy-state.ts';
import { defaultLimits, type PoolLimits, StatePool } from './state-pool.ts';

/** What the engine needs to know of an event. */
export interface EventRules {
  readonly name: string;
  /** Several handlers may be registered (policy-api.md 1.3). */
  readonly multiple: boolean;
}

export interface PolicyEngineOptions {
  /** Path of the policy file. */
  readonly file: string;
  readonly modules: readonly ModuleDeclaration[];
  readonly objects: readonly ObjectDeclaration[];
  /** All known events; other names are legal and take one handler. */
  readonly events: readonly EventRules[];
  readonly host: PolicyHost;
  /** Sets `_VALIDATING_CONFIG`, and makes a mistyped event name an error; default `host.validating`. */
  readonly validating?: boolean;
  /** Folder of the Lua helpers that `policy-extras.NAME` falls back to. */
  readonly helpersDir: string;
  readonly limits?: Partial<PoolLimits>;
  /** What `pre_init` or `init` said of what handlers may use. */
  readonly budget?: PolicyBudget | undefined;
  /** Files read already, by path, which this engine then takes as they are; see PolicyEngine.texts. */
  readonly texts?: ReadonlyMap<string, Uint8Array>;
  /** Most that loading the policy may take, in ms; it is given up after that. Default: as long as it takes. */
  readonly loadTime?: number;
  /** A command rather than a server: the event `main` has no budget and may register handlers. */
  readonly script?: boolean;
  /** Where `print` and `io.write` go; default standard output. */
  readonly print?: (text: string) => void;
}

/** What is measured of the handling of one event. */
class EventMeter {
  readonly started: Series;
  readonly latency: HistogramSeries;

  constructor(event: string) {
    this.started = measured.series('lua_event_started', event);
    this.latency = measured.histogram('lua_event_latency', event);
  }
}

/** KumoMTA's name for the making of a state. */
const creation = new EventMeter('context-creation');
const loads = measured.series('lua_load_count');

/** Most handlers that wait for each other: one that fires its own event is stopped here. */
const mostNested = 16;

const absent: PolicyResult = Object.freeze({ kind: 'absent' });

/**
 * Loads a policy and answers the engine that fires its events. Rejects with PolicyLoadError, whose message is
 * `FILE:LINE: text`, when the file does not compile or its top level raises.
 */
export async function createPolicyEngine(options: PolicyEngineOptions): Promise<{ engine: PolicyEngine }> {
  const engine = new PolicyEngine(options);
  await engine.start();
  return { engine };
}

/** One generation of a policy: PolicyEvents over a pool of Lua states. Made by createPolicyEngine. */
export class PolicyEngine implements PolicyEvents {
  readonly #files: PolicyFiles;
  readonly #pool: StatePool;
  readonly #errors: ErrorReport;
  readonly #options: PolicyEngineOptions;
  readonly #makeState: () => PolicyState;
  readonly #multipleEvents: ReadonlySet<string>;
  /** States whose handler, or whose load, waits. */
  readonly #waiting = new Set<PolicyState>();
  readonly #connectionParts: ConnectionParts;
  /** Events that have a handler, with what is measured of each. */
  #handled: ReadonlyMap<string, EventMeter> = new Map();

  constructor(options: PolicyEngineOptions) {
    this.#options = options;
    this.#files = new PolicyFiles(options.file, options.helpersDir, options.texts, options.host.fileUsed);
    const { diagnostics, counters, configEpoch } = options.host;
    this.#errors = new ErrorReport(diagnostics, counters, configEpoch?.());
    const bindings = bindingsOf(options.modules, options.objects);
    this.#multipleEvents = new Set(
      options.events.filter((event) => event.multiple).map((event) => event.name),
    );
    const state = {
      files: this.#files,
      bindings,
      host: options.host,
      validating: options.validating ?? options.host.validating,
      script: options.script ?? false,
      multipleEvents: this.#multipleEvents,
      print: options.print ?? ((text: string) => void process.stdout.write(text)),
      budget: options.budget,
      fire: (event: string, args: readonly unknown[], nesting: number) => this.#fire(event, args, nesting),
    };
    this.#makeState = () => new PolicyState(state);
    const retire = () => this.#files.forgetState();
    const limits = { ...defaultLimits, ...options.limits };
    this.#pool = new StatePool(() => this.#loadedState(), retire, limits, options.host.clock);
    this.#connectionParts = {
      pool: this.#pool,
      began: (state) => this.#waiting.add(state),
      ended: (state) => this.#waiting.delete(state),
      resultOf: (event, result) => this.#resultOf(event, result),
      failure: (event, error) => this.#failure(event, error),
    };
  }

  /** Loads the first state; called by createPolicyEngine. */
  async start(): Promise<void> {
    const state = await this.#loadedInTime();
    this.#handled = new Map(Array.from(state.handlers.keys(), (event) => [event, new EventMeter(event)]));
    this.#checkNames(state);
    this.#pool.add(state);
  }

  /** Files that the policy has read so far: itself, what it requires, our helpers. */
  get filesRead(): readonly string[] {
    return this.#files.filesRead;
  }

  /** What those files said, by path: another engine made from these runs the same policy, whatever changes on disk. */
  get texts(): ReadonlyMap<string, Uint8Array> {
    return this.#files.texts;
  }

  /** Names of the events that have a handler. */
  get handledEvents(): ReadonlySet<string> {
    return new Set(this.#handled.keys());
  }

  /** How often each error occurred: `EVENT: MESSAGE` to number. */
  get errorCounts(): ReadonlyMap<string, number> {
    return this.#errors.counts;
  }

  /** Lua states that exist now. */
  get states(): number {
    return this.#pool.size;
  }

  /** Those that wait for an event. */
  get spareStates(): number {
    return this.#pool.spare;
  }

  /** Events being handled now, connection objects, and those that wait for a state. */
  get running(): number {
    const { lent, waiting, pinned } = this.#pool;
    return lent + waiting + pinned.size + pinned.waiting;
  }

  /** How busy its states are: those that exist, that serve an event, that serve a connection; events that wait. */
  get load(): { states: number; serving: number; pinned: number; queued: number } {
    const { size, lent, pinned, waiting } = this.#pool;
    return { states: size, serving: lent, pinned: pinned.size, queued: waiting + pinned.waiting };
  }

  /** Handlers that wait for something, at most so many: their event, and FILE:LINE where they are. */
  waitingHandlers(most: number): { event: string; where: string }[] {
    return [...this.#waiting]
      .slice(0, most)
      .map((state) => ({ event: state.event ?? '(loading)', where: state.where() }));
  }

  handles(event: string): boolean {
    return this.#handled.has(event);
  }

  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult> {
    return this.#fire(event, args, 0);
  }

  connection(event: string): PolicyConnection {
    return new LuaConnection(event, this.#connectionParts);
  }

  /** `nesting`: how many handlers wait, each for the next, for this event. */
  #fire(event: string, args: readonly unknown[], nesting: number): MaybePromise<PolicyResult> {
    if (!this.#handled.has(event)) return absent;
    let state: MaybePromise<PolicyState>;
    try {
      if (nesting > mostNested) throw new Error(`events fire each other more than ${mostNested} deep`);
      state = this.#pool.take(nesting > 0);
    } catch (error) {
      return this.#failure(event, error);
    }
    if (!(state instanceof Promise)) return this.#serve(state, event, args, nesting);
    return state.then(
      (ready) => this.#serve(ready, event, args, nesting),
      (error: unknown) => this.#failure(event, error),
    );
  }

  /** Events being handled finish; events that wait for a state fail. */
  close(): void {
    this.#pool.close();
    this.#errors.close();
  }

  /** Serves to their end the events it has; `done` is called, once, when there is none left. */
  retire(done: () => void): void {
    let isDone = false;
    this.#pool.drain(() => {
      if (!isDone) done();
      isDone = true;
    });
  }

  /** Ends the handlers that are waiting: their events come to an error that says `why`. Takes no more events. */
  abandon(why: string): void {
    this.#pool.close();
    for (const state of [...this.#waiting, ...this.#pool.pinned.states]) state.abandon(why);
  }

  async #loadedInTime(): Promise<PolicyState> {
    const { loadTime, host } = this.#options;
    if (loadTime === undefined) return this.#loadedState();
    const why = `the policy is still not loaded after ${loadTime / 1000} s`;
    const timer = host.clock.after(loadTime, () => this.abandon(why));
    try {
      return await this.#loadedState();
    } finally {
      timer.cancel();
    }
  }

  #loadedState(): MaybePromise<PolicyState> {
    const { clock } = this.#options.host;
    const began = clock.monotonic();
    loads.add();
    creation.started.add();
    const state = this.#makeState();
    const loading = state.load();
    if (!(loading instanceof Promise)) {
      creation.latency.took(clock.monotonic() - began);
      return state;
    }
    this.#waiting.add(state);
    return loading
      .then(() => state)
      .finally(() => {
        this.#waiting.delete(state);
        creation.latency.took(clock.monotonic() - began);
      });
  }

  #serve(
    state: PolicyState,
    event: string,
    args: readonly unknown[],
    nesting: number,
  ): MaybePromise<PolicyResult> {
    const meter = this.#meterOf(event);
    meter.started.add();
    const began = this.#options.host.clock.monotonic();
    state.begin(event);
    state.nesting = nesting;
    let result: MaybePromise<PolicyResult>;
    try {
      result = this.#callFrom(state, event, args, 0);
    } catch (error) {
      result = this.#failure(event, error);
    }
    if (!(result instanceof Promise)) {
      this.#finish(state);
      meter.latency.took(this.#options.host.clock.monotonic() - began);
      return result;
    }
    return this.#await(state, event, result).finally(() =>
      meter.latency.took(this.#options.host.clock.monotonic() - began),
    );
  }

  async #await(state: PolicyState, event: string, result: Promise<PolicyResult>): Promise<PolicyResult> {
    this.#waiting.add(state);
    try {
      return await result;
    } catch (error) {
      return this.#failure(event, error);
    } finally {
      this.#waiting.delete(state);
      this.#finish(state);
    }
  }

  /** Of events that `main` of a script registered, too. */
  #meterOf(event: string): EventMeter {
    return this.#handled.get(event) ?? new EventMeter(event);
  }

  #finish(state: PolicyState): void {
    state.begin(undefined);
    this.#pool.giveBack(state);
  }

  /** Calls the handlers in order of registration, from `index` on, until one returns a value. */
  #callFrom(
    state: PolicyState,
    event: string,
    args: readonly unknown[],
    index: number,
  ): MaybePromise<PolicyResult> {
    const handlers = state.handlers.get(event) ?? [];
    const several = this.#multipleEvents.has(event);
    for (let at = index; at < handlers.length; at++) {
      const result = state.run(handlers[at]!.function, args);
      if (result instanceof Promise) {
        return result.then((settled) => {
          if (passesOn(settled, several)) return this.#callFrom(state, event, args, at + 1);
          return this.#resultOf(event, settled);
        });
      }
      if (!passesOn(result, several)) return this.#resultOf(event, result);
    }
    return absent;
  }

  #resultOf(event: string, result: RunResult): PolicyResult {
    switch (result.kind) {
      case 'values':
        return result;
      case 'reject': {
        const { code, text, disconnect } = result.reject;
        return { kind: 'reject', code, text, disconnect };
      }
      case 'error':
        this.#errors.report(event, result.message, result.traceback);
        return {
          kind: 'error',
          message: result.message,
          ...(result.overBudget && { overBudget: true }),
        };
    }
  }

  #failure(event: string, error: unknown): PolicyResult {
    const message = error instanceof Error ? error.message : String(error);
    this.#errors.report(event, message, '');
    return { kind: 'error', message };
  }

  /** A handler for an event that never fires is a mail that goes wrong: near misses are told at load. */
  #checkNames(state: PolicyState): void {
    const { events, host } = this.#options;
    const known = new Set(events.map((event) => event.name));
    for (const [name, [handler]] of state.handlers) {
      if (known.has(name)) continue;
      const meant = meantEvent(name, known);
      if (meant === undefined || this.#isUsedElsewhere(name)) continue;
      const text = `${handler!.where}: there is no event '${name}'; did you mean '${meant}'?`;
      if (this.#options.validating ?? host.validating) throw new PolicyLoadError(text);
      // Every shard loads the policy; the warning is for the operator, once.
      if (host.once(text)) host.diagnostics.warn('lua', text);
    }
  }

  /** A custom event is named where it is registered and again where it is used. */
  #isUsedElsewhere(name: string): boolean {
    return this.#files.occurrences(`'${name}'`) + this.#files.occurrences(`"${name}"`) > 1;
  }
}

function passesOn(result: RunResult, several: boolean): boolean {
  return several && result.kind === 'values' && result.values.length === 0;
}
