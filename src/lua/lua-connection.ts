import type { MaybePromise, PolicyConnection, PolicyResult } from '../model/index.ts';
import { type LuaThread, multipleResults, type TValue, tag } from './fengari.ts';
import type { LuaReference } from './marshalling.ts';
import type { PolicyState, RunResult } from './policy-state.ts';
import type { StatePool } from './state-pool.ts';
import { fengari } from './vm.ts';

/** What a connection needs of the engine. */
export interface ConnectionParts {
  pool: Pick<StatePool, 'pinned' | 'isEnding'>;
  /** A handler waits in the state from `began` to `ended`. */
  began(state: PolicyState): void;
  ended(state: PolicyState): void;
  /** Results as they are told, errors reported. */
  resultOf(event: string, result: RunResult): PolicyResult;
  failure(event: string, error: unknown): PolicyResult;
}

const absent: PolicyResult = Object.freeze({ kind: 'absent' });

/**
 * A connection object of the policy, and the state it lives in.
 * new → opening → idle ↔ calling → released. Abandoned, it comes to errors from then on.
 */
export class LuaConnection implements PolicyConnection {
  readonly #event: string;
  readonly #parts: ConnectionParts;
  #state: PolicyState | undefined;
  #object: LuaReference | undefined;
  #abandoned: string | undefined;
  #isReleased = false;
  #isRunning = false;

  constructor(event: string, parts: ConnectionParts) {
    this.#event = event;
    this.#parts = parts;
  }

  get isToClose(): boolean {
    const { isEnding, pinned } = this.#parts.pool;
    return isEnding || pinned.waiting > 0 || this.#state?.usable !== true;
  }

  onToClose(callback: () => void): () => void {
    return this.#parts.pool.pinned.onWanted(callback);
  }

  open(args: readonly unknown[]): MaybePromise<PolicyResult> {
    let state: MaybePromise<PolicyState>;
    try {
      state = this.#parts.pool.pinned.take();
    } catch (error) {
      return this.#parts.failure(this.#event, error);
    }
    if (!(state instanceof Promise)) return this.#openIn(state, args);
    return state.then(
      (ready) => this.#openIn(ready, args),
      (error: unknown) => this.#parts.failure(this.#event, error),
    );
  }

  call(method: string, args: readonly unknown[], need?: 'if-there'): MaybePromise<PolicyResult> {
    const state = this.#state;
    const object = this.#object;
    const why = this.#abandoned ?? state?.abandoned;
    if (why !== undefined) return { kind: 'error', message: why };
    if (state === undefined || object === undefined) {
      return { kind: 'error', message: `'${this.#event}': the connection is not open` };
    }
    const { TValue } = fengari().lobject;
    const search: Search = { found: false };
    const caller = new TValue(tag.jsFunction, (L: LuaThread) => callMethod(L, search));
    return this.#run(state, caller, [method, object, ...args], false, (result) => {
      if (result.kind !== 'values' || search.found) return this.#parts.resultOf(this.#event, result);
      if (need === 'if-there') return absent;
      const message = `${this.#where(state)}: what '${this.#event}' returned has no function '${method}'`;
      return this.#parts.resultOf(this.#event, { kind: 'error', message, traceback: '' });
    });
  }

  abandon(why: string): void {
    this.#abandoned ??= why;
    this.#state?.abandon(why);
  }

  release(): void {
    this.#isReleased = true;
    const state = this.#state;
    this.#state = undefined;
    this.#object = undefined;
    if (state === undefined) return;
    if (this.#isRunning) state.abandon('the connection was given up');
    this.#parts.pool.pinned.release(state);
  }

  #openIn(state: PolicyState, args: readonly unknown[]): MaybePromise<PolicyResult> {
    const why = this.#abandoned ?? (this.#isReleased ? 'the connection was given up' : undefined);
    if (why !== undefined) {
      this.#parts.pool.pinned.release(state);
      return { kind: 'error', message: why };
    }
    this.#state = state;
    const [handler] = state.handlers.get(this.#event) ?? [];
    if (handler === undefined) return absent;
    return this.#run(state, handler.function, args, true, (result) => {
      if (result.kind !== 'values') return this.#parts.resultOf(this.#event, result);
      const object = result.values[0] as LuaReference | undefined;
      const type = (object?.type ?? tag.nil) & 0x0f;
      if (object === undefined || (type !== tag.table && type !== tag.userdata)) {
        const message = `${handler.where}: '${this.#event}' must return a connection object, a table with a function 'send'`;
        return this.#parts.resultOf(this.#event, { kind: 'error', message, traceback: '' });
      }
      this.#object = object;
      return { kind: 'values', values: [] };
    });
  }

  /** FILE:LINE where the event was registered. */
  #where(state: PolicyState): string {
    return state.handlers.get(this.#event)?.[0]?.where ?? '?';
  }

  #run(
    state: PolicyState,
    fn: TValue,
    args: readonly unknown[],
    keep: boolean,
    conclude: (result: RunResult) => PolicyResult,
  ): MaybePromise<PolicyResult> {
    state.uses++;
    state.begin(this.#event);
    let result: MaybePromise<RunResult>;
    try {
      result = state.run(fn, args, keep);
    } catch (error) {
      state.begin(undefined);
      return this.#parts.failure(this.#event, error);
    }
    if (!(result instanceof Promise)) {
      state.begin(undefined);
      return conclude(result);
    }
    return this.#await(state, result, conclude);
  }

  async #await(
    state: PolicyState,
    running: Promise<RunResult>,
    conclude: (result: RunResult) => PolicyResult,
  ): Promise<PolicyResult> {
    this.#parts.began(state);
    this.#isRunning = true;
    try {
      return conclude(await running);
    } catch (error) {
      return this.#parts.failure(this.#event, error);
    } finally {
      this.#isRunning = false;
      this.#parts.ended(state);
      state.begin(undefined);
    }
  }
}

/** Whether the object had the method. */
interface Search {
  found: boolean;
}

/** Called with the name of a method, the object and the arguments: calls the method, if the object has it. */
function callMethod(L: LuaThread, search: Search): number {
  const { lua } = fengari();
  lua.lua_pushvalue(L, 1);
  lua.lua_gettable(L, 2);
  const method = L.stack[L.top - 1]!;
  if ((method.type & 0x0f) === tag.nil) return 0;
  search.found = true;
  L.stack[L.ci.funcOff + 1]!.setfrom(method);
  lua.lua_settop(L, -2);
  lua.lua_callk(L, lua.lua_gettop(L) - 1, multipleResults, null, returnAll);
  return lua.lua_gettop(L);
}

const returnAll = (L: LuaThread): number => fengari().lua.lua_gettop(L);
