import {
  type FieldDeclaration,
  type ModuleDeclaration,
  type ObjectDeclaration,
  shortened,
} from '../model/define/index.ts';
import { fail, luaFunctionOf, pushResult } from './binding-call.ts';
import { type LuaCFunction, type LuaThread, type Table, type TValue, tag, type Userdata } from './fengari.ts';
import { luaString, textOf } from './lua-text.ts';
import { type ClassRegistry, exactFromLua, fromLua, markEmptyLists, toLua } from './marshalling.ts';
import { rememberClass, rememberModule } from './nearest-name.ts';
import { PolicyReject } from './policy-reject.ts';
import { raise } from './position.ts';
import { fengari } from './vm.ts';
import { isPromise, stateOf, waitFor } from './waiting.ts';

type Constructor = ObjectDeclaration['type'];

/** The error object of kumo.reject as policy sees it (policy-api.md 1.4). */
const rejectObject: ObjectDeclaration = {
  name: 'reject',
  doc: '',
  type: PolicyReject,
  methods: [],
  fields: [
    { name: 'code', luaType: 'integer', doc: '', get: (self) => (self as PolicyReject).code },
    { name: 'message', luaType: 'string', doc: '', get: (self) => (self as PolicyReject).text },
    { name: 'disconnect', luaType: 'string', doc: '', get: (self) => (self as PolicyReject).disconnect },
  ],
  text: (self) => (self as PolicyReject).message,
};

/** All declarations as functions that Lua can call, made once and shared by the states of an engine. */
export class BindingSet {
  readonly modules: ReadonlyMap<string, BoundModule>;
  /** By the prototype of their instances. */
  readonly objects: ReadonlyMap<object, BoundObject>;

  readonly declared: readonly ObjectDeclaration[];

  constructor(modules: readonly ModuleDeclaration[], objects: readonly ObjectDeclaration[]) {
    this.declared = objects;
    this.modules = new Map(modules.map((module) => [module.name, bindModule(module)]));
    this.objects = new Map(
      [rejectObject, ...objects].map((object) => [object.type.prototype, bindObject(object)]),
    );
  }
}

const boundBefore = new WeakMap<object, BindingSet>();

/** The bindings of these declarations; those of every generation of a policy are the same. */
export function bindingsOf(
  modules: readonly ModuleDeclaration[],
  objects: readonly ObjectDeclaration[],
): BindingSet {
  const known = boundBefore.get(modules);
  if (known?.declared === objects) return known;
  const made = new BindingSet(modules, objects);
  boundBefore.set(modules, made);
  return made;
}

interface BoundModule {
  readonly functions: readonly (readonly [name: string, fn: LuaCFunction])[];
  readonly values: Readonly<Record<string, unknown>>;
}

interface BoundObject {
  readonly type: Constructor;
  readonly name: string;
  readonly methods: readonly (readonly [name: string, fn: LuaCFunction])[];
  /** Names of methods and fields. */
  readonly members: readonly string[];
  readonly metamethods: readonly (readonly [name: string, fn: LuaCFunction])[];
}

function bindModule(module: ModuleDeclaration): BoundModule {
  return {
    functions: module.functions.map((fn) => [fn.name, luaFunctionOf(fn, module.name)] as const),
    values: module.values ?? {},
  };
}

function bindObject(object: ObjectDeclaration): BoundObject {
  const methods = object.methods.map((fn) => [fn.name, luaFunctionOf(fn, object.name, object)] as const);
  const metamethods: [string, LuaCFunction][] = [
    ['__newindex', object.assign === undefined ? refuseAssignment(object) : assignment(object)],
  ];
  for (const [name, operate] of Object.entries(object.operators ?? {})) {
    metamethods.push([name, operator(`${object.name} ${name}`, operate)]);
  }
  if ((object.fields ?? object.entries ?? object.index) !== undefined) {
    metamethods.push(['__index', indexFunction(object, new Map(methods))]);
  }
  if (object.text !== undefined) metamethods.push(['__tostring', readFunction(object, object.text)]);
  if (object.entries !== undefined) {
    metamethods.push(['__pairs', pairsFunction(object)], ['__len', lengthFunction(object)]);
  }
  const members = [...object.methods, ...(object.fields ?? [])].map(({ name }) => name);
  return { type: object.type, name: object.name, methods, members, metamethods };
}

function selfOf(L: LuaThread): unknown {
  return (L.stack[L.ci.funcOff + 1]!.value as Userdata).data;
}

/** A metamethod that reads something of the object; metamethods cannot wait. */
function readFunction(object: ObjectDeclaration, read: (self: unknown) => unknown): LuaCFunction {
  return (L) => {
    let result: unknown;
    try {
      result = read(selfOf(L));
    } catch (error) {
      fail(L, object.name, error);
    }
    return pushResult(L, result ?? null, object.name);
  };
}

function refuseAssignment(object: ObjectDeclaration): LuaCFunction {
  return (L) => {
    const key = L.stack[L.ci.funcOff + 2]!;
    const name = (key.type & 0x0f) === tag.string ? shortened(`'${textOf(key.value)}'`) : 'that';
    raise(L, `${stateOf(L).where(L)}: ${object.name} has no field ${name} that can be set`);
  };
}

function assignment(object: ObjectDeclaration): LuaCFunction {
  return (L) => {
    const at = L.ci.funcOff;
    try {
      object.assign!(selfOf(L), fromLua(L.stack[at + 2]!), exactFromLua(L.stack[at + 3]!));
    } catch (error) {
      fail(L, object.name, error);
    }
    return 0;
  };
}

function operator(name: string, operate: (left: unknown, right: unknown) => unknown): LuaCFunction {
  return (L) => {
    const at = L.ci.funcOff;
    let result: unknown;
    try {
      result = operate(fromLua(L.stack[at + 1]!), fromLua(L.stack[at + 2]!));
    } catch (error) {
      fail(L, name, error);
    }
    return pushResult(L, result ?? null, name);
  };
}

function indexFunction(object: ObjectDeclaration, methods: ReadonlyMap<unknown, LuaCFunction>): LuaCFunction {
  const fields = new Map<unknown, FieldDeclaration>(object.fields?.map((field) => [field.name, field]));
  const methodValues = new Map<unknown, TValue>();
  for (const [name, fn] of methods)
    methodValues.set(name, new (fengari().lobject.TValue)(tag.jsFunction, fn));
  return (L) => {
    const keyValue = L.stack[L.ci.funcOff + 2]!;
    const key = (keyValue.type & 0x0f) === tag.string ? textOf(keyValue.value) : keyValue.value;
    const method = methodValues.get(key);
    if (method !== undefined) {
      L.stack[L.top] = new (fengari().lobject.TValue)(method.type, method.value);
      L.top++;
      return 1;
    }
    let result: unknown;
    try {
      const field = fields.get(key);
      if (field !== undefined) result = field.get(selfOf(L));
      else if (object.index !== undefined) result = object.index(selfOf(L), key);
      else if (object.entries !== undefined) result = entryOf(object.entries(selfOf(L)), key);
    } catch (error) {
      fail(L, object.name, error);
    }
    if (isPromise(result)) return waitForField(L, result, `${object.name}.${String(key)}`);
    return pushResult(L, result ?? null, object.name);
  };
}

function waitForField(L: LuaThread, promise: Promise<unknown>, name: string): number {
  return waitFor(L, promise, {
    name,
    deliver: (L, value) => pushResult(L, value ?? null, name),
    fail: (L, error) => fail(L, name, error),
  });
}

function entryOf(entries: unknown, key: unknown): unknown {
  if (Array.isArray(entries)) return typeof key === 'number' ? entries[key - 1] : undefined;
  if (entries instanceof Map) return entries.get(key);
  if (typeof entries !== 'object' || entries === null) return undefined;
  return Object.hasOwn(entries, String(key)) ? (entries as Record<string, unknown>)[String(key)] : undefined;
}

/** `pairs(object)` walks a table made of its entries. */
function pairsFunction(object: ObjectDeclaration): LuaCFunction {
  return (L) => {
    const { lobject, ltable } = fengari();
    const globals = ltable.luaH_getint(L.l_G.l_registry.value as Table, 2).value as Table;
    const next = ltable.luaH_getstr(globals, luaString('next'));
    L.stack[L.top] = new lobject.TValue(next.type, next.value);
    L.top++;
    return 1 + readFunction(object, object.entries!)(L);
  };
}

function lengthFunction(object: ObjectDeclaration): LuaCFunction {
  return readFunction(object, (self) => {
    const entries = object.entries!(self);
    if (entries instanceof Map) return entries.size;
    return Array.isArray(entries) ? entries.length : 0;
  });
}

/**
 * The classes of one state: their metatables, found by the constructor of an instance or an ancestor of it. Each is
 * made when its first instance comes; most policies meet few of them, and a new state is wanted quickly.
 */
export class StateClasses implements ClassRegistry {
  readonly emptyList: Table;
  readonly #L: LuaThread;
  readonly #bindings: BindingSet;
  readonly #metatables = new Map<unknown, Table>();

  constructor(L: LuaThread, bindings: BindingSet) {
    this.emptyList = markEmptyLists(newTable(L, { __metatable: false }));
    this.#L = L;
    this.#bindings = bindings;
  }

  metatableOf(instance: object): Table | undefined {
    const prototype = Object.getPrototypeOf(instance) as object;
    const known = this.#metatables.get(prototype);
    if (known !== undefined) return known;
    for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      const metatable = this.#metatableFor(at);
      if (metatable === undefined) continue;
      this.#metatables.set(prototype, metatable);
      return metatable;
    }
    return undefined;
  }

  #metatableFor(prototype: object): Table | undefined {
    const known = this.#metatables.get(prototype);
    if (known !== undefined) return known;
    const object = this.#bindings.objects.get(prototype);
    if (object === undefined) return undefined;
    const made = metatableFor(this.#L, object);
    this.#metatables.set(prototype, made);
    return made;
  }

  callable(call: (...args: unknown[]) => unknown): LuaCFunction {
    const any = { name: 'any', luaType: 'any', optional: false, parse: (value: unknown) => value };
    return luaFunctionOf(
      {
        name: call.name || 'function',
        params: [],
        rest: any,
        returns: 'any',
        since: '',
        doc: '',
        call: (args) => call(...args),
      },
      'kumo',
    );
  }
}

function metatableFor(L: LuaThread, object: BoundObject): Table {
  // __metatable keeps getmetatable and setmetatable away from what all objects of the class share.
  const metatable = newTable(L, { __name: object.name, __metatable: false });
  rememberClass(metatable, object.name, object.members);
  const methods = newTable(L, {});
  for (const [name, fn] of object.methods) setFunction(L, methods, name, fn);
  set(L, metatable, '__index', tableValue(methods));
  for (const [name, fn] of object.metamethods) setFunction(L, metatable, name, fn);
  return metatable;
}

/**
 * Puts the modules of `bindings` into `loaded` (package.loaded): `kumo.digest` becomes the field `digest` of
 * `kumo`, and can also be required by its full name.
 */
export function installModules(
  L: LuaThread,
  bindings: BindingSet,
  loaded: Table,
  classes: ClassRegistry,
): void {
  const tables = new Map<string, Table>();
  const tableOf = (name: string): Table => {
    const known = tables.get(name);
    if (known !== undefined) return known;
    const table = newTable(L, {});
    tables.set(name, table);
    rememberModule(table, name);
    set(L, loaded, name, tableValue(table));
    const dot = name.lastIndexOf('.');
    if (dot > 0) set(L, tableOf(name.slice(0, dot)), name.slice(dot + 1), tableValue(table));
    return table;
  };
  for (const [name, module] of bindings.modules) {
    const table = tableOf(name);
    for (const [function_, fn] of module.functions) setFunction(L, table, function_, fn);
    for (const [key, value] of Object.entries(module.values)) set(L, table, key, toLua(L, value, classes));
  }
}

export function newTable(L: LuaThread, entries: Record<string, string | boolean>): Table {
  const table = fengari().ltable.luaH_new(L);
  for (const [key, value] of Object.entries(entries)) {
    const type = typeof value === 'string' ? tag.longString : tag.boolean;
    const content = typeof value === 'string' ? luaString(value) : value;
    set(L, table, key, new (fengari().lobject.TValue)(type, content));
  }
  return table;
}

export function tableValue(table: Table): TValue {
  return new (fengari().lobject.TValue)(tag.table, table);
}

export function set(L: LuaThread, table: Table, key: string, value: TValue): void {
  const { lobject, ltable } = fengari();
  ltable.luaH_setfrom(L, table, new lobject.TValue(tag.longString, luaString(key)), value);
  ltable.invalidateTMcache(table);
}

export function setFunction(L: LuaThread, table: Table, key: string, fn: LuaCFunction): void {
  set(L, table, key, new (fengari().lobject.TValue)(tag.jsFunction, fn));
}

/** Reads a field without metamethods. */
export function get(table: Table, key: string): TValue {
  return fengari().ltable.luaH_getstr(table, luaString(key));
}
