import type { LuaFunction } from '../model/define/index.ts';
import { PolicyValueError } from '../model/define/index.ts';
import { Float } from '../model/index.ts';
import { type LuaCFunction, type LuaThread, type Table, type TValue, tag, type Userdata } from './fengari.ts';
import { luaString, makeString, textOf } from './lua-text.ts';
import { charge } from './meter.ts';
import { fengari } from './vm.ts';

/** Null that Lua sees as light userdata, truthy, where the reference says so (policy-api.md 1.2). */
export const luaNull: unique symbol = Symbol('null');

const nullPointer = Object.freeze(Object.create(null));
const deepest = 100;

/** What an entry of a table costs on its way, in instructions: tables that contain others twice grow without end. */
const UNITS = 6;

/** A Lua value as it is, on the JavaScript side. It belongs to the state it came from. */
export class LuaReference {
  readonly type: number;
  readonly value: unknown;

  constructor({ type, value }: TValue) {
    this.type = type;
    this.value = value;
  }
}

/** A Lua function on the JavaScript side. */
export class LuaFunctionReference extends LuaReference implements LuaFunction {
  readonly luaFunction = true;
}

/** What marshalling needs to know of the state that values come from or go to. */
export interface ClassRegistry {
  /** Metatable for an instance of a bound class or of a subclass of one. */
  metatableOf(instance: object): Table | undefined;
  /** Marks an empty list, so that it comes back as a list. */
  readonly emptyList: Table;
  /** Wraps a function that a binding returned. */
  callable(call: (...args: unknown[]) => unknown): LuaCFunction;
}

/** The JavaScript value of a Lua value; throws PolicyValueError for what has none. */
export function fromLua(value: TValue, depth = 0): unknown {
  switch (value.type & 0x0f) {
    case tag.nil:
      return undefined;
    case tag.boolean:
    case tag.number:
      return value.value;
    case tag.string:
      return textOf(value.value);
    case tag.table:
      return tableFromLua(value.value, depth);
    case tag.function:
      return new LuaFunctionReference(value);
    case tag.userdata:
      return (value.value as Userdata).data;
    case tag.lightUserdata:
      if (value.value === nullPointer) return null;
      throw new PolicyValueError('light userdata cannot be used here');
    default:
      throw new PolicyValueError('a coroutine cannot be used here');
  }
}

/** As fromLua, but a string is always the Buffer of its bytes. */
export function rawFromLua(value: TValue): unknown {
  if ((value.type & 0x0f) !== tag.string) return fromLua(value);
  const bytes = value.value.realstring;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * As fromLua, but a table is a Map of its strings and integers, so that nothing of it is lost. For values that
 * are kept. Throws PolicyValueError for functions and for other keys.
 */
export function exactFromLua(value: TValue, depth = 0): unknown {
  const type = value.type & 0x0f;
  if (type === tag.function) throw new PolicyValueError('a function cannot be kept');
  if (type !== tag.table) return fromLua(value);
  if (depth >= deepest) throw new PolicyValueError(`a table nests deeper than ${deepest} or contains itself`);
  const entries = new Map<string | number, unknown>();
  for (let entry = plainOf(value.value as Table).f; entry !== undefined; entry = entry.n) {
    charge(undefined, UNITS);
    const { key } = entry;
    const name = (key.type & 0x0f) === tag.number ? (key.value as number) : keyFromLua(key);
    if (typeof name === 'number' && !Number.isInteger(name)) {
      throw new PolicyValueError('a table key is neither a string nor an integer');
    }
    entries.set(name, exactFromLua(entry.value, depth + 1));
  }
  return entries;
}

/**
 * The table that an empty one stands for: a table that checks what is assigned to it keeps its entries elsewhere and
 * names them as `__plain` in its metatable (see helpers/typing.lua).
 */
function plainOf(table: Table): Table {
  if (table.f !== undefined || table.metatable === null) return table;
  const plain = fengari().ltable.luaH_getstr(table.metatable, luaString('__plain'));
  return (plain.type & 0x0f) === tag.table ? (plain.value as Table) : table;
}

function tableFromLua(given: Table, depth: number): unknown {
  const table = plainOf(given);
  if (depth >= deepest) throw new PolicyValueError(`a table nests deeper than ${deepest} or contains itself`);
  const length = table.f === undefined ? 0 : fengari().ltable.luaH_getn(table);
  if (length > 0 && isList(table, length)) return listFromLua(table, length, depth + 1);
  if (table.f === undefined && isEmptyList(table)) return [];
  // Keys come from mail and from policy: no prototype for them to meet.
  const object = Object.create(null) as Record<string, unknown>;
  for (let entry = table.f; entry !== undefined; entry = entry.n) {
    charge(undefined, UNITS);
    object[keyFromLua(entry.key)] = fromLua(entry.value, depth + 1);
  }
  return object;
}

/** The length of a table without a first entry may be any, so it is no list where one would lose entries. */
function isList(table: Table, length: number): boolean {
  if (table.strong.get(1) !== undefined) return true;
  let found = 0;
  for (let i = 2; i <= length; i++) if (table.strong.get(i) !== undefined) found++;
  return found === table.strong.size;
}

function listFromLua(table: Table, length: number, depth: number): unknown[] {
  const list = new Array<unknown>(length);
  charge(undefined, UNITS * length);
  for (let i = 1; i <= length; i++) {
    // A list that was written with nil in it has holes.
    const entry = table.strong.get(i);
    list[i - 1] = entry === undefined ? null : fromLua(entry.value, depth);
  }
  return list;
}

const listMark = Symbol('list');

function isEmptyList(table: Table): boolean {
  return table.metatable !== null && listMark in table.metatable;
}

/** Makes `table` the metatable that marks empty lists. */
export function markEmptyLists(table: Table): Table {
  return Object.assign(table, { [listMark]: true });
}

function keyFromLua(key: TValue): string {
  switch (key.type & 0x0f) {
    case tag.string: {
      const text = textOf(key.value);
      if (typeof text === 'string') return text;
      throw new PolicyValueError('a table key is not valid UTF-8');
    }
    case tag.number:
      return String(key.value);
    default:
      throw new PolicyValueError('a table key is neither a string nor a number');
  }
}

/** The Lua value of a JavaScript value; throws TypeError for what no binding may return. */
export function toLua(L: LuaThread, value: unknown, classes: ClassRegistry): TValue {
  const { TValue } = fengari().lobject;
  switch (typeof value) {
    case 'undefined':
      return new TValue(tag.nil, null);
    case 'string':
      return new TValue(tag.longString, luaString(value));
    case 'number':
      return numberToLua(value);
    case 'boolean':
      return new TValue(tag.boolean, value);
    case 'bigint':
      return numberToLua(Number(value));
    case 'function':
      return new TValue(tag.jsFunction, classes.callable(value as (...args: unknown[]) => unknown));
    case 'symbol':
      if (value === luaNull) return new TValue(tag.lightUserdata, nullPointer);
      throw new TypeError('a symbol cannot go to Lua');
    default:
      return value === null ? new TValue(tag.nil, null) : objectToLua(L, value as object, classes);
  }
}

function numberToLua(n: number): TValue {
  const integer = Number.isSafeInteger(n) && !Object.is(n, -0);
  return new (fengari().lobject.TValue)(integer ? tag.integer : tag.float, n);
}

function objectToLua(L: LuaThread, object: object, classes: ClassRegistry): TValue {
  const { TValue, Udata } = fengari().lobject;
  if (object instanceof Uint8Array) return new TValue(tag.longString, makeString(new Uint8Array(object)));
  if (object instanceof LuaReference) return new TValue(object.type, object.value);
  if (Array.isArray(object)) return listToLua(L, object, classes);
  const prototype = Object.getPrototypeOf(object) as object | null;
  if (prototype !== null && prototype !== Object.prototype) {
    const metatable = classes.metatableOf(object);
    if (metatable !== undefined) {
      const userdata = new Udata(L, 0);
      userdata.metatable = metatable;
      userdata.data = object;
      return new TValue(tag.userdata, userdata);
    }
    if (object instanceof Float) return new TValue(tag.float, object.value);
    if (object instanceof Map) return entriesToLua(L, object.entries(), classes);
    throw new TypeError(`${object.constructor?.name ?? 'object'} is not bound to Lua`);
  }
  return entriesToLua(L, Object.entries(object), classes);
}

function listToLua(L: LuaThread, list: readonly unknown[], classes: ClassRegistry): TValue {
  const { ltable, lobject } = fengari();
  const table = ltable.luaH_new(L);
  if (list.length === 0) table.metatable = classes.emptyList;
  for (let i = 0; i < list.length; i++) {
    charge(false, UNITS);
    ltable.luaH_setint(table, i + 1, toLua(L, list[i], classes));
  }
  return new lobject.TValue(tag.table, table);
}

/** Entries whose value is nil are left out. */
function entriesToLua(L: LuaThread, entries: Iterable<[unknown, unknown]>, classes: ClassRegistry): TValue {
  const { ltable, lobject } = fengari();
  const table = ltable.luaH_new(L);
  for (const [key, value] of entries) {
    if (value === undefined || value === null) continue;
    charge(false, UNITS);
    ltable.luaH_setfrom(L, table, toLua(L, key, classes), toLua(L, value, classes));
  }
  return new lobject.TValue(tag.table, table);
}
