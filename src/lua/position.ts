import { type Closure, type LuaThread, type TValue, tag } from './fengari.ts';
import { luaString } from './lua-text.ts';
import { fengari } from './vm.ts';

const sourceAndLine = Buffer.from('Sl');

/**
 * `FILE:LINE` of the innermost line of the operator's own files, passing over our helpers (whose names start
 * with `helpersDir`) as long as somebody else called them. '?' where no Lua code runs.
 */
export function whereIs(L: LuaThread, helpersDir: string): string {
  const { lua } = fengari();
  const record = new lua.lua_Debug();
  let inHelper: string | undefined;
  for (let level = 0; lua.lua_getstack(L, level, record); level++) {
    lua.lua_getinfo(L, sourceAndLine, record);
    if (!(record.currentline > 0)) continue;
    const file = Buffer.from(record.short_src).toString();
    const where = `${file}:${record.currentline}`;
    if (!file.startsWith(`${helpersDir}/`)) return where;
    inHelper ??= where;
  }
  return inHelper ?? '?';
}

/** `FILE:LINE` where a function begins; '?' for one of JavaScript. */
export function whereDefined(fn: TValue): string {
  if (fn.type !== tag.luaClosure) return '?';
  const { source, linedefined } = (fn.value as Closure).p;
  return `${Buffer.from(source?.realstring ?? [])
    .toString()
    .replace(/^@/, '')}:${Math.max(linedefined, 1)}`;
}

/** Leaves `text` as the error value and throws. */
export function raise(L: LuaThread, text: string): never {
  const { lua, lobject } = fengari();
  L.stack[L.top++] = new lobject.TValue(tag.longString, luaString(text));
  return lua.lua_error(L);
}

/** The stack of a thread that stopped with an error, as Lua's own interpreter prints it. */
export function traceback(L: LuaThread, of: LuaThread): string {
  const { lua, lauxlib } = fengari();
  const top = lua.lua_gettop(L);
  lauxlib.luaL_traceback(L, of, null, 0);
  const text = Buffer.from(lauxlib.luaL_tolstring(L, -1)).toString();
  lua.lua_settop(L, top);
  return text;
}

const mostPlaces = 12;

/** The lines that are running, innermost first, as a traceback without names. */
export function placesOf(L: LuaThread): string {
  const { lua } = fengari();
  const record = new lua.lua_Debug();
  const places = ['stack traceback:'];
  for (let level = 0; places.length <= mostPlaces && lua.lua_getstack(L, level, record); level++) {
    lua.lua_getinfo(L, sourceAndLine, record);
    if (record.currentline > 0) places.push(`${Buffer.from(record.short_src)}:${record.currentline}`);
  }
  return places.join('\n\t');
}
