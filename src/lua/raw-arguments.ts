import { type LuaCFunction, type LuaThread, type TValue, tag } from './fengari.ts';
import { luaString, makeString } from './lua-text.ts';
import { raise } from './position.ts';
import { fengari } from './vm.ts';
import { stateOf } from './waiting.ts';

/** Arguments and results of functions that are written for the VM itself, such as those of `io`. */

export function argumentCount(L: LuaThread): number {
  return fengari().lua.lua_gettop(L);
}

export function isNil(L: LuaThread, index: number): boolean {
  return index > argumentCount(L) || (L.stack[L.ci.funcOff + index]!.type & 0x0f) === tag.nil;
}

export function bad(L: LuaThread, index: number, name: string, text: string): never {
  raise(L, `${stateOf(L).where(L)}: bad argument #${index} to '${name}' (${text})`);
}

export function bytesAt(L: LuaThread, index: number, name: string): Uint8Array {
  const value = index <= argumentCount(L) ? L.stack[L.ci.funcOff + index]! : undefined;
  const type = value === undefined ? tag.nil : value.type & 0x0f;
  if (type === tag.string) return value!.value.realstring;
  if (type !== tag.number) return bad(L, index, name, 'string expected');
  const bytes = fengari().lauxlib.luaL_tolstring(L, index);
  L.top--;
  return bytes;
}

export function textAt(L: LuaThread, index: number, name: string): string {
  const bytes = bytesAt(L, index, name);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  return text.includes('\0') ? bad(L, index, name, 'no NUL can be in it') : text;
}

export function integerAt(L: LuaThread, index: number, name: string): number {
  const { type, value } = L.stack[L.ci.funcOff + index]!;
  const number = (type & 0x0f) === tag.number ? (value as number) : Number.NaN;
  return Number.isInteger(number) ? number : bad(L, index, name, 'integer expected');
}

export function pushValue(L: LuaThread, value: TValue): number {
  L.stack[L.top++] = value;
  return 1;
}

export function push(L: LuaThread, type: number, value: unknown): number {
  return pushValue(L, new (fengari().lobject.TValue)(type, value));
}

export const pushNil = (L: LuaThread): number => push(L, tag.nil, null);
export const pushTrue = (L: LuaThread): number => push(L, tag.boolean, true);
export const pushNumber = (L: LuaThread, n: number): number => push(L, tag.integer, n);
export const pushText = (L: LuaThread, text: string): number => push(L, tag.longString, luaString(text));
export const pushFunction = (L: LuaThread, fn: LuaCFunction): number => push(L, tag.jsFunction, fn);

/** Strings of Lua never change, and buffers of files do: the bytes are copied. */
export function pushBytes(L: LuaThread, bytes: Buffer | undefined): number {
  return bytes === undefined ? pushNil(L) : push(L, tag.longString, makeString(new Uint8Array(bytes)));
}
