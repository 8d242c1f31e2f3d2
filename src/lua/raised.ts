import { type LuaThread, tag, type Userdata } from './fengari.ts';
import { toLua } from './marshalling.ts';
import { PolicyReject } from './policy-reject.ts';
import { stateOf } from './waiting.ts';

/** The kumo.reject that a thread stopped with. */
export function rejectOf(T: LuaThread): PolicyReject | undefined {
  const error = T.stack[T.top - 1]!;
  if ((error.type & 0x0f) !== tag.userdata) return undefined;
  const instance = (error.value as Userdata).data;
  return instance instanceof PolicyReject ? instance : undefined;
}

/** A JavaScript error inside the VM, such as a too deep recursion, as the text of a Lua error. */
export function nativeErrorToText(L: LuaThread): number {
  const error = L.stack[L.top - 1]!.value as unknown;
  const state = stateOf(L);
  const text =
    error instanceof RangeError && /call stack/.test(error.message) ? 'stack overflow' : String(error);
  if (error instanceof Error) state.context.host.diagnostics.debug('lua', error.stack ?? text);
  const value = toLua(L, `${state.where(L)}: ${text}`, state.classes);
  L.stack[L.top++] = value;
  return 1;
}
