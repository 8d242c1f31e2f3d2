import { defineFunction, defineModule, defineObject } from '../../model/define/index.ts';
import { CidrMap, DomainMap, type KeptValue, keepValue, keptForLua } from '../../model/kept/index.ts';
import { PatternMap } from '../../model/patterns/index.ts';
import { keptTable } from './kept.ts';

/** Maps by domain, by address and by pattern: kumo.domain_map, kumo.cidr, kumo.regex_set_map. */

/** A map of patterns that may be memoized. */
export class RegexSetMap extends PatternMap<KeptValue> {
  readonly keepable = true;
}

interface AssignableMap {
  get(key: string): KeptValue;
  set(key: string, value: KeptValue): void;
  entries(): Map<string, KeptValue>;
}

function keyText(key: unknown, what: string): string {
  if (typeof key === 'string') return key;
  throw new Error(`a key of a ${what} is a string`);
}

function fill<M extends AssignableMap>(
  map: M,
  entries: ReadonlyMap<string | number, KeptValue> | undefined,
): M {
  for (const [key, value] of entries ?? []) map.set(String(key), value);
  return map;
}

/** Reading, assignment and pairs, the same for both maps that can be assigned to. */
function mapAccess(what: string) {
  return {
    entries: (self: AssignableMap) =>
      new Map([...self.entries()].map(([key, value]) => [key, keptForLua(value)])),
    index: (self: AssignableMap, key: unknown) =>
      typeof key === 'string' ? keptForLua(self.get(key)) : undefined,
    assign: (self: AssignableMap, key: unknown, value: unknown) =>
      self.set(keyText(key, what), keepValue(value, String(key))),
  };
}

export const domainMapModule = defineModule(
  'kumo.domain_map',
  { doc: 'Values by domain name, with wildcards.' },
  {
    new: defineFunction({
      params: { entries: keptTable() },
      returns: 'domain_map',
      doc: 'A map from names such as `example.com` and `*.example.com` to values.',
      call: ({ entries }) => fill(new DomainMap(), entries),
    }),
  },
);

export const domainMapObject = defineObject('domain_map', DomainMap, {
  doc: 'Values by domain name. Index it with a name; assign to names.',
  ...mapAccess('domain_map'),
});

export const cidrModule = defineModule(
  'kumo.cidr',
  { doc: 'Values by block of addresses.' },
  {
    make_map: defineFunction({
      params: { entries: keptTable() },
      returns: 'cidr_map',
      doc: 'A map from addresses and blocks such as `10.0.0.0/8` to values; the narrowest block wins.',
      call: ({ entries }) => fill(new CidrMap(), entries),
    }),
  },
);

export const cidrMapObject = defineObject('cidr_map', CidrMap, {
  doc: 'Values by block of addresses. Index it with `IP` or `IP:PORT`; assign to addresses and blocks.',
  ...mapAccess('cidr_map'),
});

export const regexSetMapModule = defineModule(
  'kumo.regex_set_map',
  { doc: 'Values by pattern.' },
  {
    new: defineFunction({
      params: { entries: keptTable() },
      returns: 'regex_set_map',
      doc: 'A map from patterns to values; the first pattern that matches anywhere in the key wins.',
      call: ({ entries }) =>
        new RegexSetMap([...(entries ?? [])].map(([pattern, value]) => [String(pattern), value])),
    }),
  },
);

export const regexSetMapObject = defineObject('regex_set_map', RegexSetMap, {
  doc: 'Values by pattern. Index it with a text.',
  entries: (self) => new Map([...self.entries()].map(([pattern, value]) => [pattern, keptForLua(value)])),
  index: (self, key) => (typeof key === 'string' ? keptForLua(self.get(key)) : undefined),
});
