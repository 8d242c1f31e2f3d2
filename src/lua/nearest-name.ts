import { nearestName } from '../model/define/index.ts';
import { differences } from '../model/index.ts';
import { type LuaThread, type Table, type TValue, tag, type Userdata } from './fengari.ts';

/** What an error about a member that is not there may say: the name that was meant, or that it comes later. */

/** A module or a class of objects; both look their members up by name. */
interface Owner {
  /** `kumo.dns` or `message`. */
  readonly name: string;
  /** Names that are known, where they are not the keys of the table. */
  readonly members?: readonly string[];
}

/** By the table of a module and by the metatable of a class. */
const owners = new WeakMap<Table, Owner>();
/** A table with more keys is data. */
const mostKeys = 500;

export function rememberModule(table: Table, name: string): void {
  owners.set(table, { name });
}

export function rememberClass(metatable: Table, name: string, members: readonly string[]): void {
  owners.set(metatable, { name, members });
}

let planned: ReadonlySet<string> | undefined;

/** Whether this, or something below it, is announced: `kumo.aaa` because of `kumo.aaa.load_acl_map`. */
export function isPlanned(name: string): boolean {
  if (planned === undefined) {
    const names = differences
      .filter(({ status, kind }) => status === 'planned' && (kind === 'function' || kind === 'method'))
      .map((row) => row.name);
    planned = new Set(names.flatMap((full) => [full, ...parentsOf(full)]));
  }
  return planned.has(name);
}

function parentsOf(name: string): string[] {
  const parts = name.split('.');
  return parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('.'));
}

/**
 * What to add to "attempt to call a nil value (field 'x')": text after a semicolon, or nothing. `owner` is where
 * `name` was looked for.
 */
export function memberHint(L: LuaThread, owner: TValue, nameBytes: Uint8Array): string {
  const name = Buffer.from(nameBytes).toString();
  const found = membersOf(L, owner);
  if (found === undefined || name.length > 100) return '';
  if (found.name !== undefined) {
    const full = found.isClass ? `${found.name}:${name}` : `${found.name}.${name}`;
    if (isPlanned(full)) return `; ${full} comes in a later release of Moonpost`;
  }
  const meant = nearestName(name, found.members);
  return meant === undefined ? '' : `; did you mean '${meant}'?`;
}

interface Members {
  name: string | undefined;
  isClass: boolean;
  members: Iterable<string>;
}

function membersOf(L: LuaThread, { type, value }: TValue): Members | undefined {
  switch (type & 0x0f) {
    case tag.table: {
      const name = owners.get(value as Table)?.name;
      return { name, isClass: false, members: keysOf(value as Table) };
    }
    case tag.userdata: {
      const { metatable } = value as Userdata;
      const known = metatable === null ? undefined : owners.get(metatable);
      return known && { name: known.name, isClass: true, members: known.members ?? [] };
    }
    case tag.string: {
      const library = indexOf(L.l_G.mt[tag.string] ?? null);
      return library && { name: undefined, isClass: true, members: keysOf(library) };
    }
    default:
      return undefined;
  }
}

/** The table behind __index. */
function indexOf(metatable: Table | null): Table | undefined {
  for (let entry = metatable?.f; entry !== undefined; entry = entry.n) {
    if ((entry.value.type & 0x0f) === tag.table && textOf(entry.key) === '__index') return entry.value.value;
  }
  return undefined;
}

function textOf(key: TValue): string | undefined {
  const isText = (key.type & 0x0f) === tag.string;
  return isText ? Buffer.from(key.value.realstring as Uint8Array).toString() : undefined;
}

/** Keys that hold a function or a table: what can be called or looked into. */
function keysOf(table: Table): string[] {
  const keys: string[] = [];
  if (table.strong.size > mostKeys) return keys;
  for (let entry = table.f; entry !== undefined; entry = entry.n) {
    const kind = entry.value.type & 0x0f;
    const text = textOf(entry.key);
    if (text !== undefined && (kind === tag.function || kind === tag.table)) keys.push(text);
  }
  return keys;
}
