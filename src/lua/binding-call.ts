import {
  type FunctionDeclaration,
  type ObjectDeclaration,
  PolicyValueError,
  Several,
} from '../model/define/index.ts';
import { type LuaCFunction, type LuaThread, tag, type Userdata } from './fengari.ts';
import { fromLua, toLua } from './marshalling.ts';
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
        const value = given === undefined ? undefined : fromLua(given);
        const at = params[i]?.name ?? `argument ${i + 1}`;
        if (value !== undefined || !kind.optional) args.push(kind.parse(value, at, false));
        else args.push(kind.default === undefined ? undefined : kind.parse(kind.default, at, false));
      } catch (error) {
        if (!(error instanceof PolicyValueError)) throw error;
        raise(L, `${stateOf(L).where(L)}: bad argument #${i + 1} to '${name}' (${error.message})`);
      }
    }
    return args;
  };

  return (L) => {
    const state = stateOf(L);
    const args = readArguments(L);
    // Stays set while the call waits, so that where() goes on to name this line.
    state.calling = L;
    let result: unknown;
    try {
      result = declaration.call(args, state.context);
    } catch (error) {
      fail(L, name, error);
    }
    return isPromise(result) ? waitFor(L, result, waiting) : pushResult(L, result ?? nothing, name);
  };
}

function waitingCall(name: string, nothing: null | undefined): Waiting {
  return {
    name,
    deliver: (L, value) => pushResult(L, value ?? nothing, name),
    fail: (L, error) => fail(L, name, error),
  };
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
  raise(L, `${stateOf(L).where(L)}: ${name}: ${error.message}`);
}
