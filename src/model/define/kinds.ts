import type { Json } from '../json.ts';
import type { BoundClass, LuaFunction } from './function.ts';
import { type Kind, PolicyValueError } from './kind.ts';
import { typeOfValue } from './show-value.ts';

/** A kind that knows more than how to parse; each part is optional. */
export interface RichKind<T> extends Kind<T> {
  /** The value as policy reads it back from a config object; absent = as it is. */
  format?(value: T): Json;
  /** Owner of the table of options that this kind takes, for the reference pages. */
  readonly optionsOf?: string;
  /** Names below this one, such as `.supplemental_header`, which were given and have no effect yet. */
  later?(value: unknown): string[];
}

/** Refuses a value. `at` is where it stands, such as `relay_hosts[2]`. */
export function refuse(at: string, expected: string, value: unknown): never {
  throw new PolicyValueError(`${at}: expected ${expected}, got ${typeOfValue(value)}`);
}

/** The kind's own short form: everything but `parse` has a usual value. */
export function makeKind<T>(
  name: string,
  luaType: string,
  parse: (value: unknown, at: string, strict: boolean) => T,
  more: Partial<RichKind<T>> = {},
): RichKind<T> {
  return { name, luaType, optional: false, parse, ...more };
}

/** The same kind, but nil is fine: undefined, or `whenAbsent` as a policy would write it. */
export function optional<T>(kind: RichKind<T>): RichKind<T | undefined>;
export function optional<T>(kind: RichKind<T>, whenAbsent: unknown): RichKind<T>;
export function optional<T>(kind: RichKind<T>, whenAbsent?: unknown): RichKind<T | undefined> {
  return {
    ...(kind as RichKind<T | undefined>),
    optional: true,
    default: whenAbsent,
    parse(value, at, strict) {
      if (value !== undefined && value !== null) return kind.parse(value, at, strict);
      return whenAbsent === undefined ? undefined : kind.parse(whenAbsent, at, strict);
    },
  };
}

/** UTF-8 text. Arguments take numbers too; option tables do not. */
export function string(): RichKind<string> {
  return makeKind('string', 'string', (value, at, strict) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'number' && !strict) return String(value);
    return refuse(at, 'a string', value);
  });
}

/** Text of any bytes. */
export function bytes(): RichKind<Buffer> {
  return makeKind(
    'bytes',
    'string',
    (value, at, strict) => {
      if (Buffer.isBuffer(value)) return value;
      if (typeof value === 'string') return Buffer.from(value);
      if (typeof value === 'number' && !strict) return Buffer.from(String(value));
      return refuse(at, 'a string', value);
    },
    { raw: true },
  );
}

/** A whole number, from `min` (default: any) to `max`. Arguments take numeric strings and 3.0. */
export function integer(range: { min?: number; max?: number } = {}): RichKind<number> {
  const min = range.min ?? Number.MIN_SAFE_INTEGER;
  const max = range.max ?? Number.MAX_SAFE_INTEGER;
  return makeKind('integer', 'integer', (given, at, strict) => {
    const value = typeof given === 'string' && !strict && NUMERIC.test(given) ? Number(given) : given;
    if (typeof value !== 'number' || !Number.isInteger(value)) return refuse(at, 'an integer', given);
    if (value < min || value > max) {
      const bounds = range.max === undefined ? `at least ${min}` : `from ${min} to ${max}`;
      throw new PolicyValueError(`${at}: expected an integer ${bounds}, got ${value}`);
    }
    return value;
  });
}

const NUMERIC = /^\s*[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\s*$/;

export function number(): RichKind<number> {
  return makeKind('number', 'number', (given, at, strict) => {
    const value = typeof given === 'string' && !strict && NUMERIC.test(given) ? Number(given) : given;
    return typeof value === 'number' ? value : refuse(at, 'a number', given);
  });
}

/** In arguments nil is false and everything else is true, as in Lua; option tables want true or false. */
export function boolean(): RichKind<boolean> {
  return makeKind('boolean', 'boolean', (value, at, strict) => {
    if (typeof value === 'boolean') return value;
    if (strict) return refuse(at, 'true or false', value);
    return value !== undefined && value !== null;
  });
}

/** One of the names, written exactly so. */
export function oneOf<const N extends string>(...names: N[]): RichKind<N> {
  const known: ReadonlySet<unknown> = new Set(names);
  const shown = names.map((name) => `'${name}'`).join('|');
  return makeKind(`one of ${names.join(', ')}`, shown, (value, at) => {
    if (known.has(value)) return value as N;
    const got = typeof value === 'string' ? `'${value}'` : typeOfValue(value);
    throw new PolicyValueError(`${at}: expected one of ${names.join(', ')}, got ${got}`);
  });
}

/** Anything that JSON can hold. Not finite numbers become null, strings that are not UTF-8 lists of bytes. */
export function anyValue(): RichKind<Json> {
  return makeKind('any', 'any', toJson);
}

/** Classes whose instances may stand where a plain value is asked for, such as memoized tables. */
export interface JsonView {
  asJson(): Json;
}

export function isJsonView(value: unknown): value is JsonView {
  return typeof value === 'object' && value !== null && typeof (value as JsonView).asJson === 'function';
}

function toJson(value: unknown, at: string): Json {
  if (isJsonView(value)) return value.asJson();
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (Buffer.isBuffer(value)) return [...value];
  if (Array.isArray(value)) return value.map((entry, index) => toJson(entry, `${at}[${index + 1}]`));
  if (typeOfValue(value) !== 'table') return refuse(at, 'a value that JSON can hold', value);
  const result = Object.create(null) as { [key: string]: Json };
  for (const [key, entry] of Object.entries(value)) result[key] = toJson(entry, `${at}.${key}`);
  return result;
}

/** Whatever came, unchecked. For functions such as print that take all. */
export function unchecked(luaType = 'any'): RichKind<unknown> {
  return makeKind('any', luaType, (value) => value, { optional: true });
}

/** A function of the policy. */
export function luaFunction(signature = 'function'): RichKind<LuaFunction> {
  return makeKind('function', signature, (value, at) => {
    if (typeof value === 'object' && value !== null && 'luaFunction' in value) return value as LuaFunction;
    return refuse(at, 'a function', value);
  });
}

/** An object that one of our functions made, such as a message. */
export function instanceOf<T>(type: BoundClass<T>, luaType: string): RichKind<T> {
  return makeKind(luaType, luaType, (value, at) => {
    return value instanceof type ? value : refuse(at, `a ${luaType} object`, value);
  });
}

/** The first of the kinds that takes the value. */
export function anyOf<A, B>(first: RichKind<A>, second: RichKind<B>): RichKind<A | B> {
  return makeKind(
    `${first.name} or ${second.name}`,
    `${first.luaType}|${second.luaType}`,
    (value, at, strict) => {
      try {
        return first.parse(value, at, strict);
      } catch (error) {
        if (!(error instanceof PolicyValueError)) throw error;
        return second.parse(value, at, strict);
      }
    },
  );
}
