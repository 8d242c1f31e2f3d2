export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };
/** What never waits comes back at once; what waits comes back as a promise. */
export type MaybePromise<T> = T | Promise<T>;

/** A deep copy; several times cheaper than structuredClone for the small objects metadata is made of. */
export function cloneJson<T extends Json>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneJson) as unknown as T;
  // Without a prototype a key such as `__proto__` is only data.
  const copy = Object.create(null) as JsonObject;
  for (const key of Object.keys(value)) copy[key] = cloneJson((value as JsonObject)[key]!);
  return copy as T;
}

/** The value of a name that policy or a peer chose: never one of the prototype, such as `constructor`. */
export function getOwn(table: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Sets a name that policy or a peer chose, `__proto__` like any other. */
export function setOwn(table: JsonObject, name: string, value: Json): void {
  if (name !== '__proto__') table[name] = value;
  else Object.defineProperty(table, name, { value, writable: true, enumerable: true, configurable: true });
}
