import type { CallContext, LuaCall, LuaFunction } from '../model/define/index.ts';
import type { MaybePromise, PolicyBudget, PolicyHost, PolicyResult } from '../model/index.ts';
import { type BindingSet, get, installModules, StateClasses } from './bindings.ts';
import {
  Budget,
  type BudgetLimits,
  handlerLimits,
  limitsOf,
  loadLimits,
  OverBudget,
  scriptLimits,
} from './budget.ts';
import { callStack } from './call-stack.ts';
import { EventGlobals } from './event-globals.ts';
import { type LuaThread, status, type Table, type TValue, tag } from './fengari.ts';
import { fromLua, LuaFunctionReference, LuaReference, toLua } from './marshalling.ts';
import { type PolicyFiles, PolicyLoadError } from './policy-files.ts';
import type { PolicyReject } from './policy-reject.ts';
import { placesOf, traceback, whereDefined, whereIs } from './position.ts';
import { nativeErrorToText, rejectOf } from './raised.ts';
import { openLibraries, setGlobal } from './standard-library.ts';
import { fengari } from './vm.ts';
import { endCalls, type OwningState } from './waiting.ts';

/** What running a function came to. */
export type RunResult =
  | { kind: 'values'; values: unknown[] }
  | { kind: 'reject'; reject: PolicyReject }
  | { kind: 'error'; message: string; traceback: string; overBudget?: boolean };

/** What an awaited promise came to. */
interface Settled {
  failed: boolean;
  value: unknown;
}

export interface RegisteredHandler {
  readonly function: TValue;
  /** FILE:LINE of the registration. */
  readonly where: string;
}

export interface StateOptions {
  readonly files: PolicyFiles;
  readonly bindings: BindingSet;
  readonly host: PolicyHost;
  readonly validating: boolean;
  /** Names of the events that take more than one handler. */
  readonly multipleEvents: ReadonlySet<string>;
  readonly print: (text: string) => void;
  /** See PolicyEngineOptions. */
  readonly script?: boolean;
  /** What `pre_init` or `init` said of the budgets. */
  readonly budget: PolicyBudget | undefined;
  /** Fires an event of this generation, in another state. */
  readonly fire: (event: string, args: readonly unknown[], nesting: number) => MaybePromise<PolicyResult>;
}

/** Bytes of an error's text that are told. */
const longestMessage = 16_384;

/** Events that do what loading does: they read the files of the policy and check them. */
const MAY_LOAD = new Set(['pre_init', 'init', 'validate_config', 'config_epoch_changed']);

/** Bytes after which a state is replaced. */
const mostAllocated = 256 * 1024 * 1024;

/**
 * One Lua state: the policy file run once, and its handlers. It serves one event at a time; whoever owns it
 * sees to that. A handler runs as a coroutine of its own.
 */
export class PolicyState implements OwningState {
  readonly handlers = new Map<string, RegisteredHandler[]>();
  readonly context: CallContext;
  readonly classes: StateClasses;
  readonly print: (text: string) => void;
  /** Promise of the binding that suspended the running handler. */
  pending: Promise<unknown> | undefined;
  /** Name of that binding; empty where it was none. */
  pendingName = '';
  /** Thread of the binding call in progress. */
  calling: LuaThread;
  /** Event being handled. */
  event: string | undefined;
  /** Events whose handlers wait for this one. */
  nesting = 0;
  /** False once the state must not serve another event. */
  usable = true;
  uses = 0;
  readonly bornAt: number;
  readonly budget: Budget;
  readonly unfinished = new Set<LuaCall>();
  /** What each handler may use. */
  limits: BudgetLimits;
  readonly #L: LuaThread;
  readonly #globals: Table;
  readonly #eventGlobals: EventGlobals;
  readonly #options: StateOptions;
  #settled: Settled | undefined;
  /** Why its handler is not to go on. */
  abandoned: string | undefined;
  /** Ends the wait of the handler that waits now. */
  #endWait: (() => void) | undefined;
  #thread: LuaThread | undefined;
  #running: TValue | undefined;
  #loading = true;
  #keep = false;

  constructor(options: StateOptions) {
    const { lauxlib, lua } = fengari();
    this.#options = options;
    this.print = options.print;
    this.bornAt = options.host.clock.monotonic();
    this.budget = new Budget(options.host.clock, this);
    this.limits = options.budget === undefined ? handlerLimits : limitsOf(options.budget).handler;
    const L = lauxlib.luaL_newstate();
    this.#L = L;
    this.calling = L;
    L.l_G.policyState = this;
    this.context = this.#makeContext();
    this.classes = new StateClasses(L, options.bindings);
    lua.lua_atnativeerror(L, nativeErrorToText);
    this.#globals = openLibraries(L, options.files);
    this.#eventGlobals = new EventGlobals(this.#globals, (name, L) => this.#tellOfGlobal(name, L));
    const loaded = get(get(this.#globals, 'package').value as Table, 'loaded').value as Table;
    installModules(L, options.bindings, loaded, this.classes);
    if (options.validating) setGlobal(L, this.#globals, '_VALIDATING_CONFIG', true);
  }

  /** Runs the policy file. Throws PolicyLoadError. */
  load(): MaybePromise<void> {
    const chunk = this.#options.files.load(this.#L, this.#options.files.file);
    if (typeof chunk === 'string') throw new PolicyLoadError(chunk);
    const result = this.run(chunk, []);
    return result instanceof Promise ? result.then((r) => this.#finishLoad(r)) : this.#finishLoad(result);
  }

  #finishLoad(result: RunResult): void {
    this.#loading = false;
    if (result.kind === 'error') throw new PolicyLoadError(result.message);
    if (result.kind === 'reject')
      throw new PolicyLoadError(`${this.#options.files.file}: ${result.reject.message}`);
    this.#eventGlobals.watch(this.#L);
  }

  get loadLimits(): BudgetLimits {
    const { budget } = this.#options;
    return budget === undefined ? loadLimits : limitsOf(budget).load;
  }

  #setBudget(options: PolicyBudget): boolean {
    if (!this.#loading) return false;
    const { handler, load } = limitsOf(options);
    this.limits = handler;
    this.budget.use(load);
    return true;
  }

  /** FILE:LINE of the operator's line that is running in `L`. */
  where(L: LuaThread = this.calling): string {
    return whereIs(L, this.#options.files.helpersDir);
  }

  placesOf(L: LuaThread): string {
    return placesOf(L);
  }

  #tellOfGlobal(name: string, L: LuaThread): void {
    const { host } = this.#options;
    const text = `${this.where(L)}: the global '${name}' ends with the event; is a 'local' missing?`;
    if (host.once(text)) host.diagnostics.warn('lua', text);
  }

  /** Names the event that is being handled; undefined after it. */
  begin(event: string | undefined): void {
    this.event = event;
    if (event === undefined) {
      this.nesting = 0;
      if (this.usable) this.#eventGlobals.clear(this.#L);
    } else setGlobal(this.#L, this.#globals, '_KUMO_CURRENT_EVENT', event);
  }

  /**
   * Calls a function as a coroutine, with a budget of its own. Answers at once unless it waits or takes long. The values
   * that it returns are converted, or are LuaReferences with `keep`.
   */
  run(fn: TValue, args: readonly unknown[], keep = false): MaybePromise<RunResult> {
    const { lua, lobject } = fengari();
    const { budget } = this;
    this.#keep = keep;
    budget.begin(this.#limitsNow());
    this.#running = fn;
    budget.enter();
    try {
      const T = this.#thread ?? this.#newThread();
      this.#thread = undefined;
      lua.lua_checkstack(T, args.length + 1);
      T.stack[T.top++] = new lobject.TValue(fn.type, fn.value);
      for (const arg of args) T.stack[T.top++] = toLua(T, arg, this.classes);
      return this.#proceed(T, lua.lua_resume(T, null, args.length));
    } catch (error) {
      return this.#stopped(error);
    } finally {
      this.#leave();
    }
  }

  #limitsNow(): BudgetLimits {
    if (this.#loading || MAY_LOAD.has(this.event ?? '')) return this.loadLimits;
    return this.#isScript ? scriptLimits : this.limits;
  }

  /** Running `main` in script mode. */
  get #isScript(): boolean {
    return this.#options.script === true && this.event === 'main';
  }

  #leave(): void {
    this.budget.leave();
    // What a script keeps is not known; what it made is, and bounds it.
    if (this.budget.allocated > mostAllocated) this.usable = false;
  }

  /** A run that was over its budget leaves the state in no order. */
  #stopped(error: unknown): RunResult {
    if (!(error instanceof OverBudget)) throw error;
    this.usable = false;
    this.pending = undefined;
    // What becomes of the returned value belongs to no line.
    const where = error.where === '?' ? whereDefined(this.#running!) : error.where;
    const message = `${where}: stopped for being over its budget: ${error.what}`;
    endCalls(this.unfinished, message);
    return { kind: 'error', message, traceback: error.traceback, overBudget: true };
  }

  #proceed(T: LuaThread, result: number): MaybePromise<RunResult> {
    if (result === status.ok) return this.#results(T);
    if (result !== status.yield) return this.#failure(T);
    const pending = this.pending;
    if (pending !== undefined) return this.#wait(T, pending);
    return {
      kind: 'error',
      message: `${this.where(T)}: attempt to yield from outside a coroutine`,
      traceback: '',
    };
  }

  async #wait(T: LuaThread, pending: Promise<unknown>): Promise<RunResult> {
    this.pending = undefined;
    const name = this.pendingName;
    this.pendingName = '';
    const settled = await new Promise<Settled | undefined>((resolve) => {
      this.#endWait = () => resolve(undefined);
      pending.then(
        (value) => resolve({ failed: false, value }),
        (error) =>
          resolve({ failed: true, value: error instanceof Error ? error : new Error(String(error)) }),
      );
    });
    this.#endWait = undefined;
    if (this.abandoned !== undefined) return this.#abandonedResult(name, this.abandoned);
    this.#settled = settled;
    return this.#resume(T);
  }

  /**
   * Ends the handler, or the load, that waits: it does not go on, whatever becomes of what it waited for, and comes
   * to an error that says where it was and `why`.
   */
  abandon(why: string): void {
    this.usable = false;
    this.abandoned ??= why;
    this.#endWait?.();
  }

  #abandonedResult(name: string, why: string): RunResult {
    const what = name === '' ? why : `${name}: ${why}`;
    endCalls(this.unfinished, what);
    return { kind: 'error', message: `${this.where()}: ${what}`, traceback: '' };
  }

  #resume(T: LuaThread): MaybePromise<RunResult> {
    this.budget.enter();
    try {
      return this.#proceed(T, fengari().lua.lua_resume(T, null, 0));
    } catch (error) {
      return this.#stopped(error);
    } finally {
      this.#leave();
    }
  }

  /** What the awaited promise came to; asked once, by the binding that waits. */
  takeSettled(): Settled {
    const settled = this.#settled;
    this.#settled = undefined;
    return settled ?? { failed: true, value: new Error('resumed without a result') };
  }

  #newThread(): LuaThread {
    const { lua } = fengari();
    const T = lua.lua_newthread(this.#L);
    T.sliceable = true;
    lua.lua_settop(this.#L, 0);
    return T;
  }

  #results(T: LuaThread): RunResult {
    const { lua } = fengari();
    const count = lua.lua_gettop(T);
    const values = new Array<unknown>(count);
    try {
      for (let i = 0; i < count; i++) {
        const value = T.stack[T.top - count + i]!;
        values[i] = this.#keep ? new LuaReference(value) : fromLua(value);
      }
    } catch (error) {
      if (error instanceof OverBudget) throw error;
      return { kind: 'error', message: `the returned value: ${(error as Error).message}`, traceback: '' };
    } finally {
      lua.lua_settop(T, 0);
      this.#thread = T;
    }
    return { kind: 'values', values };
  }

  #failure(T: LuaThread): RunResult {
    const told = () => traceback(this.#L, T);
    const trace = rejectOf(T) === undefined ? this.budget.uninterrupted(told) : '';
    // Variables declared <close> are closed also where nobody catches the error.
    fengari().lfunc.luaF_closeerror(T, 0);
    const reject = rejectOf(T);
    if (reject !== undefined) return { kind: 'reject', reject };
    return { kind: 'error', message: this.#errorText(T), traceback: trace };
  }

  /** The error value as tostring shows it; a table without __tostring says where it was raised. */
  #errorText(T: LuaThread): string {
    const { lauxlib, lua } = fengari();
    const error = T.stack[T.top - 1]!;
    const L = this.#L;
    const top = lua.lua_gettop(L);
    L.stack[L.top++] = new (fengari().lobject.TValue)(error.type, error.value);
    try {
      const bytes = lauxlib.luaL_tolstring(L, -1);
      const text = Buffer.from(bytes.subarray(0, longestMessage)).toString();
      return (error.type & 0x0f) === tag.string ? text : `${this.where(T)}: ${text}`;
    } catch (error) {
      if (error instanceof OverBudget) throw error;
      return `${this.where(T)}: error object without text`;
    } finally {
      lua.lua_settop(L, top);
    }
  }

  #makeContext(): CallContext {
    const state = this;
    return {
      host: this.#options.host,
      where: () => state.where(),
      get event() {
        return state.event;
      },
      setBudget: (options) => state.#setBudget(options),
      register: (event, handler) => state.#register(event, handler),
      fire: (event, args) => state.#options.fire(event, args, state.nesting + 1),
      noteFile: (path, use = 'read') => state.#options.files.note(path, use),
      callStack: (level) => callStack(state.calling, level + 1),
      registrars: (event) =>
        (state.handlers.get(event) ?? []).map(({ where }) => {
          const [, file, line] = /^(.*):(\d+)$/s.exec(where) ?? [];
          return [{ short_src: file, currentline: line === undefined ? undefined : Number(line) }];
        }),
    };
  }

  #register(event: string, handler: LuaFunction): void {
    if (!(handler instanceof LuaFunctionReference)) {
      throw new Error(`the handler of '${event}' is not a function`);
    }
    if (!this.#isScript && (this.event !== undefined || !this.#loading)) {
      throw new Error(
        `'${event}': handlers are registered while the policy is loaded, not inside an event handler`,
      );
    }
    const known = this.handlers.get(event);
    if (known !== undefined && !this.#options.multipleEvents.has(event)) {
      throw new Error(`${event} event already has a handler defined at ${known[0]!.where}`);
    }
    const value = new (fengari().lobject.TValue)(handler.type, handler.value);
    const registered = { function: value, where: this.where() };
    if (known === undefined) this.handlers.set(event, [registered]);
    else known.push(registered);
  }
}
