import { makeKind, type RichKind } from '../../model/define/index.ts';
import type { PolicyHost } from '../../model/index.ts';
import { type KeptValue, keepValue } from '../../model/kept/index.ts';

/** An argument that outlives the Lua state; tables keep all their keys. */
export function keptValue(): RichKind<KeptValue> {
  return makeKind('any', 'any', keepValue, { exact: true, optional: true });
}

/** A table whose values are kept, or nothing. */
export function keptTable(): RichKind<ReadonlyMap<string | number, KeptValue> | undefined> {
  return makeKind(
    'table',
    'table',
    (value, at) => {
      if (value === undefined || value === null) return undefined;
      const kept = keepValue(value, at);
      if (kept instanceof Map) return kept;
      throw new Error(`${at}: expected a table`);
    },
    { exact: true, optional: true },
  );
}

/** Something that all Lua states of one host share, made when it is first asked for. */
export function sharedBy<T>(make: (host: PolicyHost) => T): (host: PolicyHost) => T {
  const made = new WeakMap<PolicyHost, T>();
  return (host) => {
    let shared = made.get(host);
    if (shared === undefined) {
      shared = make(host);
      made.set(host, shared);
    }
    return shared;
  };
}
