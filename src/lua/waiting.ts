import type { CallContext, LuaCall } from '../model/define/index.ts';
import type { BudgetLimits } from './budget.ts';
import { type Continuation, type LuaThread, status, type TValue, tag } from './fengari.ts';
import type { ClassRegistry } from './marshalling.ts';
import { raise } from './position.ts';
import { fengari } from './vm.ts';

/**
 * The bridge between bindings that wait and coroutines. A binding stores its promise in the state and yields;
 * whoever resumed the handler awaits the promise and resumes; the continuation pushes the result or raises.
 */

/** The state that a thread belongs to, as bindings and libraries see it. */
export interface OwningState {
  readonly context: CallContext;
  readonly classes: ClassRegistry;
  readonly print: (text: string) => void;
  /** Promise of the binding that suspended the running handler. */
  pending: Promise<unknown> | undefined;
  /** Name of that binding; empty where it was none. */
  pendingName: string;
  /** Thread of the binding call in progress. */
  calling: LuaThread;
  /** Calls of functions of the policy that bindings made and that are not over. */
  readonly unfinished: Set<LuaCall>;
  /** What loading the policy may use. */
  readonly loadLimits: BudgetLimits;
  /** FILE:LINE of the operator's line that is running in `L`. */
  where(L?: LuaThread): string;
  /** What the awaited promise came to; asked once, by the binding that waits. */
  takeSettled(): { failed: boolean; value: unknown };
}

export function stateOf(L: LuaThread): OwningState {
  return L.l_G.policyState as OwningState;
}

/** Others may wait for what a handler that was stopped had begun. */
export function endCalls(unfinished: Set<LuaCall>, message: string): void {
  for (const { settle } of unfinished) {
    try {
      settle({ ok: false, message });
    } catch {
      // Answers for a caller that is not there any more.
    }
  }
  unfinished.clear();
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

/** What a waiting binding does with what its promise came to. */
export interface Waiting {
  readonly name: string;
  deliver(L: LuaThread, value: unknown): number;
  fail(L: LuaThread, error: unknown): never;
}

/** Suspends the handler until `promise` settles. Raises where Lua cannot be suspended. */
export function waitFor(L: LuaThread, promise: Promise<unknown>, waiting: Waiting): number {
  const state = stateOf(L);
  if (!fengari().lua.lua_isyieldable(L)) {
    promise.catch(() => undefined);
    const where = state.where(L);
    raise(
      L,
      `${where}: ${waiting.name} waits, which is not possible inside __tostring, __close or the reader of load`,
    );
  }
  state.pending = promise;
  state.pendingName = waiting.name;
  return fengari().lua.lua_yieldk(L, 0, waiting, continueWaiting);
}

const continueWaiting: Continuation = (L, _status, context) => {
  const waiting = context as Waiting;
  const settled = stateOf(L).takeSettled();
  return settled.failed ? waiting.fail(L, settled.value) : waiting.deliver(L, settled.value);
};

/** Moves the arguments over and resumes; passes a wait inside `coroutine` on to whoever resumed us. */
function resumeInner(L: LuaThread, coroutine: LuaThread, args: number, finish: Finish): number {
  const { lua } = fengari();
  coroutine.sliceable = L.sliceable && lua.lua_isyieldable(L);
  const result = lua.lua_resume(coroutine, L, args);
  const state = stateOf(L);
  if (result === status.yield && state.pending !== undefined) {
    if (lua.lua_isyieldable(L)) {
      return lua.lua_yieldk(L, 0, null, (L) => resumeInner(L, coroutine, 0, finish));
    }
    state.pending.catch(() => undefined);
    state.pending = undefined;
    coroutine.status = status.runtime;
    raise(L, `${state.where(L)}: cannot wait inside __tostring, __close or the reader of load`);
  }
  if (result === status.ok || result === status.yield) {
    const results = lua.lua_gettop(coroutine);
    lua.lua_checkstack(L, results + 1);
    lua.lua_xmove(coroutine, L, results);
    return finish(L, true, results);
  }
  fengari().lfunc.luaF_closeerror(coroutine, 0);
  lua.lua_xmove(coroutine, L, 1);
  return finish(L, false, 1);
}

type Finish = (L: LuaThread, ok: boolean, results: number) => number;

function startInner(L: LuaThread, coroutine: LuaThread, args: number, finish: Finish): number {
  const { lua, lobject } = fengari();
  const dead = coroutine.status === status.ok && lua.lua_gettop(coroutine) === 0;
  if (dead || (coroutine.status !== status.ok && coroutine.status !== status.yield)) {
    L.stack[L.top++] = new lobject.TValue(tag.longString, deadMessage());
    return finish(L, false, 1);
  }
  lua.lua_checkstack(coroutine, args);
  lua.lua_xmove(L, coroutine, args);
  return resumeInner(L, coroutine, args, finish);
}

const deadText = new Uint8Array(Buffer.from('cannot resume dead coroutine'));
const deadMessage = () => new (fengari().lstring.TString)(null, deadText);

/** coroutine.resume that lets a wait inside the coroutine suspend the whole handler. */
export function coroutineResume(L: LuaThread): number {
  const { lua, lobject } = fengari();
  const coroutine = lua.lua_tothread(L, 1);
  if (coroutine === null)
    raise(L, `${stateOf(L).where(L)}: bad argument #1 to 'resume' (coroutine expected)`);
  return startInner(L, coroutine, lua.lua_gettop(L) - 1, (L, ok, results) => {
    // The flag goes below the results.
    const first = L.top - results;
    for (let i = L.top; i > first; i--) L.stack[i] = L.stack[i - 1]!;
    L.stack[first] = new lobject.TValue(tag.boolean, ok);
    L.top++;
    return results + 1;
  });
}

/** coroutine.close: ends a suspended coroutine, closing its `<close>` variables. */
export function coroutineClose(L: LuaThread): number {
  const { lua, lobject, lfunc } = fengari();
  const coroutine = lua.lua_tothread(L, 1);
  if (coroutine === null) raise(L, `${stateOf(L).where(L)}: bad argument #1 to 'close' (coroutine expected)`);
  if (coroutine.status !== status.yield && coroutine.ci.callstatus !== 0) {
    raise(L, `${stateOf(L).where(L)}: cannot close a running coroutine`);
  }
  coroutine.status = status.runtime;
  coroutine.stack[coroutine.top++] = new lobject.TValue(tag.nil, null);
  lfunc.luaF_closeerror(coroutine, 0);
  L.stack[L.top++] = new lobject.TValue(tag.boolean, true);
  return 1;
}

/** The function that coroutine.wrap returns. */
export function wrappedCoroutine(coroutine: LuaThread): (L: LuaThread) => number {
  return (L) => {
    const { lua } = fengari();
    return startInner(L, coroutine, lua.lua_gettop(L), (L, ok, results) => {
      if (ok) return results;
      const error = L.stack[L.top - 1] as TValue;
      if ((error.type & 0x0f) === tag.string && error.value.realstring === deadText) {
        raise(L, `${stateOf(L).where(L)}: cannot resume dead coroutine`);
      }
      return lua.lua_error(L);
    });
  };
}
