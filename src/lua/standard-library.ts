import { get, newTable, set, setFunction, tableValue } from './bindings.ts';
import { dateFields, formatDate, localTime } from './date-format.ts';
import {
  type LuaCFunction,
  type LuaThread,
  multipleResults,
  type Table,
  type TValue,
  tag,
} from './fengari.ts';
import { openFileLibrary } from './file-library.ts';
import { luaString, textOf } from './lua-text.ts';
import { fromLua, toLua } from './marshalling.ts';
import { isPlanned } from './nearest-name.ts';
import { compile, type PolicyFiles } from './policy-files.ts';
import { raise } from './position.ts';
import { openRandom } from './random-library.ts';
import { fengari } from './vm.ts';
import { coroutineClose, coroutineResume, stateOf, wrappedCoroutine } from './waiting.ts';

/** Lua's own library as policy gets it: text chunks only, no processes, no way to tamper with the VM. */

const removed: Record<string, readonly string[]> = {
  string: ['dump'],
  debug: [
    'debug',
    'getmetatable',
    'getregistry',
    'getupvalue',
    'getuservalue',
    'sethook',
    'gethook',
    'setlocal',
    'setmetatable',
    'setupvalue',
    'setuservalue',
    'upvalueid',
    'upvaluejoin',
  ],
  package: ['loadlib', 'jspath', 'config'],
};

const refused: Record<string, Record<string, string>> = {
  os: {
    execute: 'os.execute is not available to policy',
    exit: 'os.exit is not available to policy: a policy cannot stop the server',
  },
  io: {
    popen: 'io.popen is not available to policy',
  },
};

/** Opens the libraries in a new state. Answers the table of globals. */
export function openLibraries(L: LuaThread, files: PolicyFiles): Table {
  const { lualib, ltable } = fengari();
  lualib.luaL_openlibs(L);
  const globals = ltable.luaH_getint(L.l_G.l_registry.value, 2).value as Table;
  const library = (name: string) => get(globals, name).value as Table;
  const loaded = get(library('package'), 'loaded').value as Table;
  for (const gone of [globals, loaded]) set(L, gone, 'fengari', nil());
  for (const [name, functions] of Object.entries(removed)) {
    for (const fn of functions) set(L, library(name), fn, nil());
  }
  for (const name of ['os', 'io']) {
    const table = newTable(L, {});
    set(L, globals, name, tableValue(table));
    set(L, loaded, name, tableValue(table));
    for (const [fn, text] of Object.entries(refused[name]!)) {
      setFunction(L, table, fn, (L) => raise(L, `${stateOf(L).where(L)}: ${text}`));
    }
  }
  openTime(L, library('os'));
  openFileLibrary(L, library('io'), library('os'), files);
  openRandom(L, library('math'));
  openLoading(L, globals, library('package'), files);
  openCoroutines(L, library('coroutine'));
  setFunction(L, globals, 'print', print);
  setFunction(L, globals, 'warn', warn);
  set(L, globals, '_VERSION', toValue(L, 'Lua 5.4'));
  return globals;
}

function nil(): TValue {
  return new (fengari().lobject.TValue)(tag.nil, null);
}

function toValue(L: LuaThread, value: unknown): TValue {
  return toLua(L, value, stateOf(L).classes);
}

function argument(L: LuaThread, index: number): unknown {
  const at = L.ci.funcOff + index;
  return at < L.top ? fromLua(L.stack[at]!) : undefined;
}

function push(L: LuaThread, value: unknown): number {
  L.stack[L.top] = toValue(L, value);
  L.top++;
  return 1;
}

function pushValue(L: LuaThread, value: TValue): number {
  L.stack[L.top] = value;
  L.top++;
  return 1;
}

function shownArguments(L: LuaThread, separator: string): string {
  const { lauxlib, lua } = fengari();
  const count = lua.lua_gettop(L);
  const parts: string[] = [];
  for (let i = 1; i <= count; i++) {
    parts.push(Buffer.from(lauxlib.luaL_tolstring(L, i)).toString());
    lua.lua_settop(L, count);
  }
  return parts.join(separator);
}

const print: LuaCFunction = (L) => {
  stateOf(L).print(`${shownArguments(L, '\t')}\n`);
  return 0;
};

const warn: LuaCFunction = (L) => {
  stateOf(L).context.host.diagnostics.warn('lua', `${stateOf(L).where(L)}: ${shownArguments(L, '')}`);
  return 0;
};

function openTime(L: LuaThread, os: Table): void {
  const bad = (L: LuaThread, text: string): never => raise(L, `${stateOf(L).where(L)}: ${text}`);
  const seconds = (L: LuaThread, index: number, name: string): number => {
    const value = Number(argument(L, index));
    return Number.isFinite(value) ? value : bad(L, `bad argument #${index} to '${name}' (number expected)`);
  };
  const clock = (L: LuaThread) => stateOf(L).context.host.clock;
  setFunction(L, os, 'clock', (L) => push(L, clock(L).monotonic() / 1000));
  setFunction(L, os, 'difftime', (L) => push(L, seconds(L, 1, 'difftime') - seconds(L, 2, 'difftime')));
  setFunction(L, os, 'getenv', (L) => push(L, process.env[String(argument(L, 1))]));
  setFunction(L, os, 'setlocale', (L) =>
    push(L, [undefined, '', 'C', 'POSIX'].includes(argument(L, 1) as string) ? 'C' : undefined),
  );
  setFunction(L, os, 'time', (L) => {
    const fields = argument(L, 1) as Record<string, number> | undefined;
    if (fields === undefined) return push(L, Math.floor(clock(L).now() / 1000));
    if (typeof fields !== 'object') bad(L, "bad argument #1 to 'time' (table expected)");
    const field = (name: string, otherwise?: number): number => {
      const value = Number(fields[name] ?? otherwise);
      return Number.isInteger(value)
        ? value
        : bad(L, `field '${name}' missing or not an integer in date table`);
    };
    const time = localTime({
      year: field('year'),
      month: field('month'),
      day: field('day'),
      hour: field('hour', 12),
      min: field('min', 0),
      sec: field('sec', 0),
    });
    return push(L, Math.floor(time / 1000));
  });
  setFunction(L, os, 'date', (L) => {
    const given = String(argument(L, 1) ?? '%c');
    const utc = given.startsWith('!');
    const format = utc ? given.slice(1) : given;
    const time = argument(L, 2) === undefined ? clock(L).now() : Math.floor(seconds(L, 2, 'date')) * 1000;
    if (format.startsWith('*t')) return push(L, dateFields(time, utc));
    try {
      return push(L, formatDate(format, time, utc));
    } catch (error) {
      return bad(L, `bad argument #1 to 'date' (${(error as Error).message})`);
    }
  });
}

function openCoroutines(L: LuaThread, table: Table): void {
  const create = get(table, 'create').value as LuaCFunction;
  setFunction(L, table, 'resume', coroutineResume);
  setFunction(L, table, 'wrap', (L) => {
    create(L);
    const coroutine = L.stack[L.top - 1]!.value as LuaThread;
    return pushValue(L, new (fengari().lobject.TValue)(tag.jsFunction, wrappedCoroutine(coroutine)));
  });
  setFunction(L, table, 'close', coroutineClose);
}

function openLoading(L: LuaThread, globals: Table, library: Table, files: PolicyFiles): void {
  set(L, library, 'path', toValue(L, files.packagePath));
  set(L, library, 'cpath', toValue(L, ''));
  const searchers = get(library, 'searchers').value as Table;
  const { ltable, lobject } = fengari();
  ltable.luaH_setint(searchers, 2, new lobject.TValue(tag.jsFunction, searchFiles(library, files)));
  for (const index of [3, 4]) ltable.luaH_setint(searchers, index, nil());
  setFunction(L, library, 'searchpath', (L) => {
    const result = files.search(String(argument(L, 1)), String(argument(L, 2)));
    if ('found' in result) return push(L, result.found);
    return push(L, null) + push(L, notFound(result.tried));
  });
  setFunction(L, globals, 'loadfile', (L) => {
    const loaded = files.load(L, String(argument(L, 1)));
    if (typeof loaded === 'string') return push(L, null) + push(L, loaded);
    return pushValue(L, withEnvironment(L, loaded, 3));
  });
  setFunction(L, globals, 'dofile', (L) => {
    const loaded = files.load(L, String(argument(L, 1)));
    if (typeof loaded === 'string') raise(L, loaded);
    fengari().lua.lua_settop(L, 0);
    pushValue(L, loaded);
    const results = (L: LuaThread) => fengari().lua.lua_gettop(L);
    fengari().lua.lua_callk(L, 0, multipleResults, 0, results);
    return results(L);
  });
  setFunction(L, globals, 'load', loadText);
}

function notFound(tried: readonly string[]): string {
  return tried.map((file) => `\n\tno file '${file}'`).join('');
}

function searchFiles(library: Table, files: PolicyFiles): LuaCFunction {
  return (L) => {
    const path = get(library, 'path');
    if ((path.type & 0x0f) !== tag.string) raise(L, "'package.path' must be a string");
    const name = String(argument(L, 1));
    const result = files.search(name, String(textOf(path.value)));
    if ('tried' in result) {
      const later = isPlanned(name) ? `\n\t'${name}' comes in a later release of Moonpost` : '';
      return push(L, notFound(result.tried) + later);
    }
    const loaded = files.load(L, result.found);
    if (typeof loaded === 'string') raise(L, `error loading module '${name}':\n\t${loaded}`);
    return pushValue(L, loaded) + push(L, result.found);
  };
}

/** Gives a loaded chunk the table at `index` as its globals, where one was given. */
function withEnvironment(L: LuaThread, chunk: TValue, index: number): TValue {
  const at = L.ci.funcOff + index;
  if (at < L.top) chunk.value.upvals[0]?.setfrom(L.stack[at]!);
  return chunk;
}

/** load(text or function, name, mode, environment): text only. */
const loadText: LuaCFunction = (L) => {
  const { lua } = fengari();
  const source = L.stack[L.ci.funcOff + 1];
  let text: Uint8Array;
  if (source !== undefined && L.top > L.ci.funcOff + 1 && (source.type & 0x0f) === tag.string) {
    text = source.value.realstring;
  } else {
    text = readPieces(L);
  }
  const name =
    argument(L, 2) ??
    (text === source?.value?.realstring ? Buffer.from(text.subarray(0, 200)).toString() : '=(load)');
  const mode = String(argument(L, 3) ?? 't');
  const compiled = mode.includes('t')
    ? compile(L, text, String(name))
    : `attempt to load a text chunk (mode is '${mode}')`;
  if (typeof compiled === 'string') return push(L, null) + push(L, compiled);
  const environment = lua.lua_gettop(L) >= 4;
  return pushValue(L, environment ? withEnvironment(L, compiled, 4) : compiled);
};

function readPieces(L: LuaThread): Uint8Array {
  const { lua } = fengari();
  const reader = L.stack[L.ci.funcOff + 1];
  if (L.top <= L.ci.funcOff + 1 || reader === undefined || (reader.type & 0x0f) !== tag.function) {
    raise(L, `${stateOf(L).where(L)}: bad argument #1 to 'load' (function expected)`);
  }
  const pieces: Uint8Array[] = [];
  const top = lua.lua_gettop(L);
  for (;;) {
    lua.lua_pushvalue(L, 1);
    lua.lua_callk(L, 0, 1, 0, null as never);
    const piece = L.stack[L.top - 1]!;
    lua.lua_settop(L, top);
    if ((piece.type & 0x0f) === tag.nil) break;
    if ((piece.type & 0x0f) !== tag.string) raise(L, 'reader function must return a string');
    if (piece.value.realstring.length === 0) break;
    pieces.push(piece.value.realstring);
  }
  return Buffer.concat(pieces);
}

/** Sets a global of the state. */
export function setGlobal(L: LuaThread, globals: Table, name: string, text: string | boolean): void {
  const { lobject } = fengari();
  const value =
    typeof text === 'string'
      ? new lobject.TValue(tag.longString, luaString(text))
      : new lobject.TValue(tag.boolean, text);
  set(L, globals, name, value);
}
