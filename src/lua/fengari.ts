/** Types of the part of fengari that the engine uses. Sources: fengari/src/{lobject,lstring,ltable,lstate,lapi}.js. */

/** Type tags, low four bits of TValue.type; variants sit in bits 4 and 5. */
export const tag = {
  nil: 0,
  boolean: 1,
  lightUserdata: 2,
  float: 3,
  integer: 3 | (1 << 4),
  number: 3,
  string: 4,
  longString: 4 | (1 << 4),
  table: 5,
  function: 6,
  luaClosure: 6,
  jsFunction: 6 | (1 << 4),
  jsClosure: 6 | (2 << 4),
  userdata: 7,
  thread: 8,
} as const;

export const status = { ok: 0, yield: 1, runtime: 2, syntax: 3 } as const;

export const multipleResults = -1;

export interface TString {
  readonly realstring: Uint8Array;
  hash: string | null;
  /** Memo of the JavaScript value, set by marshalling. */
  js: string | Buffer | undefined;
}

export interface TValue {
  type: number;
  // biome-ignore lint/suspicious/noExplicitAny: what it is follows from `type`.
  value: any;
  setfrom(other: TValue): void;
  setnilvalue(): void;
}

export interface TableEntry {
  readonly key: TValue;
  readonly value: TValue;
  /** Next in order of insertion. */
  readonly n: TableEntry | undefined;
}

export interface Table {
  /** First entry in order of insertion. */
  readonly f: TableEntry | undefined;
  readonly strong: Map<unknown, TableEntry>;
  metatable: Table | null;
}

export interface Userdata {
  metatable: Table | null;
  data: unknown;
}

/** A compiled function; holds nothing of the state that compiled it except `cache`. */
export interface Prototype {
  readonly source: TString | null;
  readonly linedefined: number;
  readonly p: Prototype[];
  readonly upvalues: unknown[];
  cache: unknown;
}

export interface Closure {
  p: Prototype;
  nupvalues: number;
  upvals: TValue[];
}

export interface CallInfo {
  readonly funcOff: number;
  readonly callstatus: number;
}

/** What is common to the threads of one state. Our engine hangs itself in here. */
export interface GlobalState {
  policyState: unknown;
  readonly l_registry: TValue;
  readonly mt: (Table | null)[];
}

/** A thread (coroutine) of Lua. */
export interface LuaThread {
  stack: TValue[];
  top: number;
  status: number;
  /** Non-yieldable calls in progress; waiting is possible only at 0. */
  readonly nny: number;
  /** Whoever resumed it can be suspended, and so can it: our scheduler's mark. */
  sliceable: boolean;
  readonly ci: CallInfo;
  readonly l_G: GlobalState;
}

/** A function of JavaScript that Lua can call: leaves its results on the stack and returns their number. */
export type LuaCFunction = (L: LuaThread) => number;
export type Continuation = (L: LuaThread, status: number, context: unknown) => number;

export interface DebugRecord {
  readonly short_src: Uint8Array;
  readonly source: Uint8Array | null;
  readonly currentline: number;
  /** `main` for the top level of a file. */
  readonly what: Uint8Array | null;
}

export interface LuaApi {
  readonly LUA_REGISTRYINDEX: number;
  lua_Debug: new () => DebugRecord;
  lua_atnativeerror(L: LuaThread, handler: LuaCFunction): unknown;
  lua_checkstack(L: LuaThread, n: number): boolean;
  lua_error(L: LuaThread): never;
  lua_getinfo(L: LuaThread, what: Uint8Array, record: DebugRecord): number;
  lua_getstack(L: LuaThread, level: number, record: DebugRecord): number;
  /** Replaces the key on top by the entry of the table at `index`; metamethods are obeyed. */
  lua_gettable(L: LuaThread, index: number): number;
  lua_gettop(L: LuaThread): number;
  lua_isyieldable(L: LuaThread): boolean;
  lua_newthread(L: LuaThread): LuaThread;
  lua_pushcclosure(L: LuaThread, fn: LuaCFunction, upvalues: number): void;
  lua_pushvalue(L: LuaThread, index: number): void;
  lua_resume(L: LuaThread, from: LuaThread | null, args: number): number;
  lua_setglobal(L: LuaThread, name: Uint8Array): void;
  lua_settop(L: LuaThread, index: number): void;
  /** Pushes the number that the bytes spell and returns their length + 1; 0 and nothing when they spell none. */
  lua_stringtonumber(L: LuaThread, text: Uint8Array): number;
  lua_toboolean(L: LuaThread, index: number): boolean;
  lua_tothread(L: LuaThread, index: number): LuaThread | null;
  lua_upvalueindex(index: number): number;
  lua_xmove(from: LuaThread, to: LuaThread, n: number): void;
  lua_yieldk(L: LuaThread, results: number, context: unknown, k: Continuation): never;
  lua_callk(L: LuaThread, args: number, results: number, context: unknown, k: Continuation): void;
  lua_pcallk(
    L: LuaThread,
    args: number,
    results: number,
    errorHandler: number,
    context: unknown,
    k: Continuation,
  ): number;
}

export interface AuxiliaryApi {
  luaL_newstate(): LuaThread;
  luaL_loadbufferx(L: LuaThread, bytes: Uint8Array, size: number, name: Uint8Array, mode: Uint8Array): number;
  luaL_tolstring(L: LuaThread, index: number): Uint8Array;
  luaL_traceback(L: LuaThread, of: LuaThread, message: Uint8Array | null, level: number): void;
  luaL_checkstring(L: LuaThread, index: number): Uint8Array;
  luaL_typename(L: LuaThread, index: number): Uint8Array;
}

/** The modules of one loaded VM. */
export interface Fengari {
  readonly lua: LuaApi;
  readonly lauxlib: AuxiliaryApi;
  readonly lualib: { luaL_openlibs(L: LuaThread): void };
  readonly lobject: {
    readonly TValue: new (type: number, value: unknown) => TValue;
    readonly Udata: new (L: LuaThread, size: number) => Userdata;
    readonly LClosure: new (L: LuaThread, upvalues: number) => Closure;
  };
  readonly lfunc: {
    /** Closes the `<close>` variables from `level` on after an error whose value is on top of the stack. */
    luaF_closeerror(L: LuaThread, level: number): void;
  };
  readonly lstring: { readonly TString: new (L: LuaThread | null, bytes: Uint8Array) => TString };
  readonly ltable: {
    readonly Table: abstract new (...args: never[]) => Table;
    luaH_new(L: LuaThread): Table;
    luaH_getn(table: Table): number;
    luaH_getint(table: Table, key: number): TValue;
    luaH_getstr(table: Table, key: TString): TValue;
    luaH_setint(table: Table, key: number, value: TValue): void;
    luaH_setfrom(L: LuaThread, table: Table, key: TValue, value: TValue): void;
    invalidateTMcache(table: Table): void;
  };
}
