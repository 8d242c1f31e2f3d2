import {
  type FunctionDeclaration,
  type Kind,
  LuaCall,
  LuaErrorText,
  type LuaOutcome,
  type ObjectDeclaration,
  PolicyValueError,
  Several,
  shortened,
} from '../model/define/index.ts';
import { costOf } from './binding-cost.ts';
import { currentBudget } from './budget.ts';
import {
  type Continuation,
  type LuaCFunction,
  type LuaThread,
  multipleResults,
  status,
  type TValue,
  tag,
  type Userdata,
} from './fengari.ts';
import { exactFromLua, fromLua, rawFromLua, toLua } from './marshalling.ts';
import { meter, OverBudget } from './meter.ts';
import { PolicyReject } from './policy-reject.ts';
import { raise } from './position.ts';
import { fengari } from './vm.ts';
import { isPromise, stateOf, type Waiting, waitFor } from './waiting.ts';

/** Class whose method this is; undefined for a plain function. */
export interface Receiver {
  readonly name: string;
  readonly type: ObjectDeclaration['type'];
}

/** The declared function as Lua calls it. Holds nothing of a state, so all states share it. */
export function luaFunctionOf(
  declaration: FunctionDeclaration,
  owner: string,
  receiver?: Receiver,
): LuaCFunction {
  const name = receiver === undefined ? `${owner}.${declaration.name}` : `${owner}:${declaration.name}`;
  const { params, rest } = declaration;
  // A function that returns something returns nil, rather than no value, where there is nothing.
  const nothing = declaration.returns === '' ? undefined : null;
  const waiting = waitingCall(name, nothing);
  const first = receiver === undefined ? 0 : 1;

  const readArguments = (L: LuaThread): unknown[] => {
    const base = L.ci.funcOff + 1;
    const count = L.top - base;
    const args: unknown[] = [];
    if (receiver !== undefined) args.push(receiverOf(L, count, receiver, name));
    const taken = rest === undefined ? params.length : Math.max(params.length, count - first);
    for (let i = 0; i < taken; i++) {
      const kind = params[i]?.kind ?? rest!;
      const given = i + first < count ? L.stack[base + first + i] : undefined;
      try {
        const value = given === undefined ? undefined : argumentOf(given, kind);
        const at = params[i]?.name ?? `argument ${i + 1}`;
        if (value !== undefined || !kind.optional) args.push(kind.parse(value, at, false));
        else args.push(kind.default === undefined ? undefined : kind.parse(kind.default, at, false));
      } catch (error) {
        if (!(error instanceof PolicyValueError)) throw error;
        const reason = shortened(error.message);
        raise(L, `${stateOf(L).where(L)}: bad argument #${i + 1} to '${name}' (${reason})`);
      }
    }
    return args;
  };

  const nanoseconds = costOf(name);

  return (L) => {
    const state = stateOf(L);
    const bytes = stringBytes(L);
    meter.left -= 30 + (bytes >> 3);
    if (bytes > fewBytes && nanoseconds > 0) checkLength(L, name, bytes, nanoseconds);
    const args = readArguments(L);
    // Stays set while the call waits, so that where() goes on to name this line.
    state.calling = L;
    let result: unknown;
    try {
      result = declaration.call(args, state.context);
    } catch (error) {
      fail(L, name, error);
    }
    if (L.nny === 0) currentBudget()?.rest();
    return deliver(L, result, waiting, nothing);
  };
}

function argumentOf(given: TValue, kind: Kind<unknown>): unknown {
  if (kind.raw) return rawFromLua(given);
  return kind.exact ? exactFromLua(given) : fromLua(given);
}

const fewBytes = 10_000;

function stringBytes(L: LuaThread): number {
  let bytes = 0;
  for (let at = L.ci.funcOff + 1; at < L.top; at++) {
    const value = L.stack[at]!;
    if ((value.type & 0x0f) === tag.string) bytes += value.value.realstring.length;
  }
  return bytes;
}

/** A call cannot be interrupted: one that would take too long is not begun. */
function checkLength(L: LuaThread, name: string, bytes: number, nanoseconds: number): void {
  const budget = currentBudget();
  if (budget === undefined) return;
  const most = Math.floor((budget.longestCall * 1e6) / nanoseconds);
  if (bytes <= most) return;
  const where = stateOf(L).where(L);
  raise(
    L,
    `${where}: ${name}: ${bytes} bytes take too long in one call; at most ${most} (call_time of kumo.policy.set_budget)`,
  );
}

function waitingCall(name: string, nothing: null | undefined): Waiting {
  const waiting: Waiting = {
    name,
    deliver: (L, value) => deliver(L, value, waiting, nothing),
    fail: (L, error) => fail(L, name, error),
  };
  return waiting;
}

/** Brings what a binding answered to its caller: now, or when it is there. */
function deliver(L: LuaThread, result: unknown, waiting: Waiting, nothing: null | undefined): number {
  if (isPromise(result)) return waitFor(L, result, waiting);
  if (result instanceof LuaCall) return callBack(L, result, waiting, nothing);
  return pushResult(L, result ?? nothing, waiting.name);
}

interface CallingBack {
  readonly call: LuaCall;
  readonly waiting: Waiting;
  readonly nothing: null | undefined;
  /** Place on the stack where the results will begin. */
  readonly base: number;
  /** Gives the handler its own limits back. */
  readonly giveBack: (() => void) | undefined;
}

/** Calls a function of the policy, protected, in the coroutine of the caller, so that it may wait. */
function callBack(L: LuaThread, call: LuaCall, waiting: Waiting, nothing: null | undefined): number {
  const { lua } = fengari();
  const { classes, loadLimits, unfinished } = stateOf(L);
  const giveBack = call.isShared ? currentBudget()?.lend(loadLimits) : undefined;
  const context: CallingBack = { call, waiting, nothing, base: L.top, giveBack };
  unfinished.add(call);
  lua.lua_checkstack(L, call.args.length + 1);
  L.stack[L.top++] = toLua(L, call.fn, classes);
  for (const arg of call.args) L.stack[L.top++] = toLua(L, arg, classes);
  const result = lua.lua_pcallk(L, call.args.length, multipleResults, 0, context, calledBack);
  return calledBack(L, result, context);
}

const calledBack: Continuation = (L, result, context) => {
  const { call, waiting, nothing, base, giveBack } = context as CallingBack;
  const outcome = outcomeOf(L, result, base);
  stateOf(L).unfinished.delete(call);
  fengari().lua.lua_settop(L, base - L.ci.funcOff - 1);
  stateOf(L).calling = L;
  let settled: unknown;
  try {
    settled = call.settle(outcome);
  } catch (error) {
    fail(L, waiting.name, error);
  } finally {
    giveBack?.();
  }
  return deliver(L, settled, waiting, nothing);
};

function outcomeOf(L: LuaThread, result: number, base: number): LuaOutcome {
  if (result !== status.ok && result !== status.yield) {
    return { ok: false, message: Buffer.from(fengari().lauxlib.luaL_tolstring(L, -1)).toString() };
  }
  try {
    return { ok: true, values: L.stack.slice(base, L.top).map((value) => exactFromLua(value)) };
  } catch (error) {
    if (error instanceof OverBudget) throw error;
    return { ok: false, message: `the returned value: ${(error as Error).message}` };
  }
}

function receiverOf(L: LuaThread, count: number, receiver: Receiver, name: string): unknown {
  const self = count > 0 ? L.stack[L.ci.funcOff + 1]! : undefined;
  if (self !== undefined && (self.type & 0x0f) === tag.userdata) {
    const instance = (self.value as Userdata).data;
    if (instance instanceof receiver.type) return instance;
  }
  const got = count > 0 ? Buffer.from(fengari().lauxlib.luaL_typename(L, 1)).toString() : 'no value';
  raise(L, `${stateOf(L).where(L)}: calling '${name}' on bad self (${receiver.name} expected, got ${got})`);
}

/** Pushes what a binding returned; returns the number of results. */
export function pushResult(L: LuaThread, result: unknown, name: string): number {
  const state = stateOf(L);
  try {
    if (result === undefined) return 0;
    if (!(result instanceof Several)) {
      L.stack[L.top] = toLua(L, result, state.classes);
      L.top++;
      return 1;
    }
    fengari().lua.lua_checkstack(L, result.values.length);
    for (const value of result.values) {
      L.stack[L.top] = toLua(L, value, state.classes);
      L.top++;
    }
    return result.values.length;
  } catch (error) {
    return fail(L, name, error);
  }
}

/** Turns what a binding threw into a Lua error. */
export function fail(L: LuaThread, name: string, error: unknown): never {
  if (error instanceof PolicyReject) {
    L.stack[L.top] = toLua(L, error, stateOf(L).classes);
    L.top++;
    return fengari().lua.lua_error(L);
  }
  // A Lua error on its way up from a function that the binding called.
  if (!(error instanceof Error)) throw error;
  if (error instanceof LuaErrorText) raise(L, error.message);
  raise(L, `${stateOf(L).where(L)}: ${name}: ${reasonOf(error)}`);
}

function reasonOf(error: Error): string {
  // Readers and writers of nested values call themselves.
  const isTooDeep = error instanceof RangeError && error.message.startsWith('Maximum call stack');
  return isTooDeep ? 'the value nests too deep' : shortened(error.message);
}
