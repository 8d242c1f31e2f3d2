import type { Json } from '../json.ts';
import { PolicyValueError } from './kind.ts';
import { isJsonView, makeKind, type RichKind, refuse } from './kinds.ts';
import { typeOfValue } from './show-value.ts';

/** What a memoized table or a config object holds; other values as they are. */
const plain = (value: unknown): unknown => (isJsonView(value) ? value.asJson() : value);

/** A sequence. An empty table is an empty list; in arguments a table with names is one too, as Lua has it. */
export function list<T>(kind: RichKind<T>): RichKind<T[]> {
  return makeKind(
    `list of ${kind.name}`,
    kind.luaType.includes('|') ? `(${kind.luaType})[]` : `${kind.luaType}[]`,
    (source, at, strict) => {
      const value = plain(source);
      if (Array.isArray(value)) {
        return value.map((entry, index) => kind.parse(entry, `${at}[${index + 1}]`, strict));
      }
      if (typeOfValue(value) === 'table') {
        if (!strict || Object.keys(value as object).length === 0) return [];
        throw new PolicyValueError(`${at}: expected a list, got a table with names`);
      }
      return refuse(at, 'a list', value);
    },
    {
      format: kind.format && ((value) => value.map((entry) => kind.format!(entry))),
      later:
        kind.later &&
        ((source) => {
          const value = plain(source);
          return Array.isArray(value) ? value.flatMap((entry) => kind.later!(entry)) : [];
        }),
    },
  );
}

/** A table from names to values of one kind. `key` refuses names that cannot be. */
export function map<T>(kind: RichKind<T>, key?: RichKind<unknown>): RichKind<Record<string, T>> {
  return makeKind(
    `map of ${kind.name}`,
    `table<string, ${kind.luaType}>`,
    (source, at, strict) => {
      const value = plain(source);
      const isEmptyList = Array.isArray(value) && value.length === 0;
      if (typeOfValue(value) !== 'table' && !isEmptyList) return refuse(at, 'a table with names', value);
      const result = Object.create(null) as Record<string, T>;
      for (const [name, entry] of Object.entries(value as object)) {
        key?.parse(name, `key of ${at}`, strict);
        result[name] = kind.parse(entry, `${at}.${name}`, strict);
      }
      return result;
    },
    {
      format: kind.format && ((value) => formatMap(value, (entry) => kind.format!(entry))),
      later: kind.later && ((value) => laterInMap(value, (entry) => kind.later!(entry))),
    },
  );
}

function formatMap<T>(value: Record<string, T>, format: (value: T) => Json): Json {
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, format(entry)]));
}

function laterInMap(source: unknown, later: (value: unknown) => string[]): string[] {
  const value = plain(source);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(later) : [];
}
