import { newTable, setFunction } from './bindings.ts';
import { type LuaThread, type Table, type TValue, tag } from './fengari.ts';
import { fromLua } from './marshalling.ts';
import { fengari } from './vm.ts';

/** Names told of; a policy that computes names does not fill the memory with them. */
const MOST_TOLD = 100;
const kindOfFunction = Buffer.from('S');

/**
 * Globals that a handler makes end with its event, so that a forgotten `local` does not show the values of one
 * message to the next. Those that a file makes while it is loaded stay: the policy itself, and a module that a
 * handler requires.
 */
export class EventGlobals {
  readonly #globals: Table;
  readonly #tell: (name: string, L: LuaThread) => void;
  /** Names made since the event began. */
  readonly #made: TValue[] = [];
  readonly #told = new Set<string>();

  /** `tell` hears of each such global once, with the thread that made it. */
  constructor(globals: Table, tell: (name: string, L: LuaThread) => void) {
    this.#globals = globals;
    this.#tell = tell;
  }

  /** From now on. A policy that has given _G a metatable of its own looks after its globals itself. */
  watch(L: LuaThread): void {
    if (this.#globals.metatable !== null) return;
    const metatable = newTable(L, {});
    setFunction(L, metatable, '__newindex', (L) => this.#make(L));
    this.#globals.metatable = metatable;
  }

  /** The event is over. */
  clear(L: LuaThread): void {
    if (this.#made.length === 0) return;
    const { ltable, lobject } = fengari();
    const nil = new lobject.TValue(tag.nil, null);
    for (const name of this.#made.splice(0)) ltable.luaH_setfrom(L, this.#globals, name, nil);
  }

  #make(L: LuaThread): number {
    const { ltable, lobject } = fengari();
    const base = L.ci.funcOff;
    const key = L.stack[base + 2]!;
    const name = new lobject.TValue(key.type, key.value);
    if (!isLoading(L)) {
      this.#made.push(name);
      const text = fromLua(name);
      if (typeof text === 'string' && !this.#told.has(text) && this.#told.size < MOST_TOLD) {
        this.#told.add(text);
        this.#tell(text, L);
      }
    }
    ltable.luaH_setfrom(L, this.#globals, name, L.stack[base + 3]!);
    return 0;
  }
}

/** Whether the line that runs is of the top level of a file. */
function isLoading(L: LuaThread): boolean {
  const { lua } = fengari();
  const record = new lua.lua_Debug();
  if (!lua.lua_getstack(L, 1, record)) return false;
  lua.lua_getinfo(L, kindOfFunction, record);
  return record.what !== null && Buffer.from(record.what).toString() === 'main';
}
