import { PolicyValueError } from '../define/index.ts';
import type { Json } from '../json.ts';

/**
 * Values that outlive the Lua state that made them: results of memoized functions, entries of maps, what goes
 * through an mpsc queue (policy-api.md 2.2). Tables are Maps of strings and integers.
 */
export type KeptValue = null | undefined | string | Uint8Array | number | boolean | KeptEntries | Keepable;
export type KeptEntries = ReadonlyMap<string | number, KeptValue>;

/** An object that may be kept, since it holds nothing of a Lua state; mark the class with `keepable = true`. */
export interface Keepable {
  readonly keepable: true;
}

/** A table that was kept, as policy sees it: reading shares it, the first assignment copies it for this holder. */
export class KeptTable {
  readonly #kept: KeptEntries;
  #own: Map<string | number, KeptValue> | undefined;

  constructor(kept: KeptEntries) {
    this.#kept = kept;
  }

  get entries(): KeptEntries {
    return this.#own ?? this.#kept;
  }

  get(key: string | number): unknown {
    return keptForLua(this.entries.get(key));
  }

  set(key: string | number, value: KeptValue): void {
    this.#own ??= new Map(this.#kept);
    if (value === undefined || value === null) this.#own.delete(key);
    else this.#own.set(key, value);
  }

  /** For json_encode and options tables: a list when its keys are 1 to n. */
  asJson(): Json {
    return keptAsJson(this.entries);
  }
}

/** What policy gets of a kept value: tables as objects, the rest as it is. */
export function keptForLua(value: KeptValue): unknown {
  return value instanceof Map ? new KeptTable(value) : value;
}

/** Checks a value that came out of Lua (tables as Maps). Throws PolicyValueError naming `at`. */
export function keepValue(value: unknown, at: string): KeptValue {
  if (value instanceof KeptTable) return value.entries;
  if (Buffer.isBuffer(value)) return new Uint8Array(value);
  if (value instanceof Map) {
    const kept = new Map<string | number, KeptValue>();
    for (const [key, entry] of value as Map<string | number, unknown>)
      kept.set(key, keepValue(entry, `${at}.${key}`));
    return kept;
  }
  if (typeof value !== 'object' || value === null) return value as KeptValue;
  if ((value as Partial<Keepable>).keepable === true) return value as Keepable;
  throw new PolicyValueError(
    `${at}: a ${value.constructor?.name ?? 'value'} belongs to one event and cannot be kept`,
  );
}

/** The value as JSON; what JSON has no word for is null, bytes are a list of numbers. */
export function keptAsJson(value: KeptValue): Json {
  if (value instanceof Uint8Array) return [...value];
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (!(value instanceof Map)) return null;
  const entries = value as KeptEntries;
  const list: Json[] = [];
  for (let i = 1; entries.has(i); i++) list.push(keptAsJson(entries.get(i)));
  if (list.length > 0 && list.length === entries.size) return list;
  const object = Object.create(null) as { [key: string]: Json };
  for (const [key, entry] of entries) object[key] = keptAsJson(entry);
  return object;
}

/** Plain JSON as a kept value. */
export function keptFromJson(value: Json): KeptValue {
  if (Array.isArray(value)) return new Map(value.map((entry, index) => [index + 1, keptFromJson(entry)]));
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([key, entry]) => [key, keptFromJson(entry)]));
}
