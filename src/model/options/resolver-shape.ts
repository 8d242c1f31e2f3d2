import {
  boolean,
  defineOptions,
  field,
  laterOptions,
  list,
  makeKind,
  nearestName,
  type OptionsOf,
  PolicyValueError,
  parseOptions,
  type RichKind,
  string,
  table,
  typeOfValue,
} from '../define/index.ts';
import { type ConfigureResolverOptions, configureResolverOptions } from './dns-resolver.ts';

export const testZoneOptions = defineOptions(
  'dns.define_resolver.Test.zones',
  { luaClass: 'kumo.dns.TestZone', doc: 'A zone that is answered from without asking anybody.' },
  {
    zone: field(string(), { required: true, doc: 'Text of the zone, as in a zone file.' }),
    secure: field(boolean(), { default: false, doc: 'Whether its answers count as proved by DNSSEC.' }),
  },
);

/** The text of a zone is short for a table with nothing else. */
function testZone(): RichKind<OptionsOf<typeof testZoneOptions>> {
  const long = table(testZoneOptions);
  return makeKind('zone', `string|${testZoneOptions.luaClass}`, (value, at, strict) =>
    typeof value === 'string' ? { zone: value, secure: false } : long.parse(value, at, strict),
  );
}

export const testResolverOptions = defineOptions(
  'dns.define_resolver.Test',
  { luaClass: 'kumo.dns.TestResolver', doc: 'A resolver that knows nothing but its zones.' },
  {
    zones: field(list(testZone()), { default: [], doc: 'Zones.' }),
    servfail: field(list(string()), { default: [], doc: 'Names whose look-up fails.' }),
  },
);

/** A resolver as policy describes it: plain data that can be posted to a worker. */
export type ResolverShape =
  | { kind: 'servers'; options: ConfigureResolverOptions }
  | { kind: 'system' }
  | { kind: 'test'; options: OptionsOf<typeof testResolverOptions> }
  | { kind: 'aggregate'; of: ResolverShape[] };

const SYSTEM = 'HickorySystemConfig';
const SHAPES = ['Hickory', 'Unbound', 'Test', 'Aggregate'];
const DEEPEST = 8;

/** A shape, and the names of what was given and has no effect yet. */
export interface GivenResolver {
  shape: ResolverShape;
  later: string[];
}

/**
 * `'HickorySystemConfig'`, or a table with one of Hickory, Unbound, Test and Aggregate (policy-api.md 5.2). With
 * `bare`, a table without any of these is the content of Hickory.
 */
export function resolverShape(bare: boolean): RichKind<GivenResolver> {
  const luaType = `'${SYSTEM}'|{Hickory: ${configureResolverOptions.luaClass}}|{Unbound: ${configureResolverOptions.luaClass}}|{Test: ${testResolverOptions.luaClass}|string[]}|{Aggregate: table[]}`;
  const parse = (value: unknown): GivenResolver => {
    const later: string[] = [];
    return { shape: parseShape(value, bare, later, 0), later };
  };
  return makeKind('resolver', bare ? `${configureResolverOptions.luaClass}|${luaType}` : luaType, parse, {
    optionsOf: configureResolverOptions.owner,
  });
}

/** The zones of a resolver for tests: a list of them, or a table with `zones` and `servfail`. */
export function testZones(): RichKind<GivenResolver> {
  const luaType = `(string|${testZoneOptions.luaClass})[]|${testResolverOptions.luaClass}`;
  return makeKind('zones', luaType, (value) => ({
    shape: { kind: 'test', options: parseOptions(testResolverOptions, testContent(value)) },
    later: [],
  }));
}

function parseShape(value: unknown, bare: boolean, later: string[], depth: number): ResolverShape {
  if (value === SYSTEM) return { kind: 'system' };
  if (typeOfValue(value) !== 'table') {
    const got = typeof value === 'string' ? `'${value}'` : typeOfValue(value);
    throw new PolicyValueError(
      `expected '${SYSTEM}' or a table with one of ${SHAPES.join(', ')}, got ${got}`,
    );
  }
  if (depth > DEEPEST) throw new PolicyValueError('Aggregate nests too deep');
  const names = Object.keys(value as object);
  const name = names.find((one) => SHAPES.includes(one));
  if (name === undefined && bare) return servers(value, later);
  if (name === undefined || names.length !== 1) throw unknownShape(names);
  const content = (value as Record<string, unknown>)[name];
  switch (name) {
    case 'Test':
      return { kind: 'test', options: parseOptions(testResolverOptions, testContent(content)) };
    case 'Aggregate':
      if (!Array.isArray(content)) throw new PolicyValueError('Aggregate: expected a list of resolvers');
      return { kind: 'aggregate', of: content.map((one) => parseShape(one, false, later, depth + 1)) };
    default:
      return servers(content, later);
  }
}

function servers(value: unknown, later: string[]): ResolverShape {
  const options = parseOptions(configureResolverOptions, value);
  later.push(...laterOptions(configureResolverOptions, value));
  return { kind: 'servers', options };
}

/** A list of zones is short for a table with nothing else. */
function testContent(content: unknown): unknown {
  return Array.isArray(content) ? { zones: content } : content;
}

function unknownShape(names: readonly string[]): PolicyValueError {
  const odd = names.find((name) => !SHAPES.includes(name)) ?? names[0];
  const near = odd === undefined ? undefined : nearestName(odd, SHAPES);
  const advice = near === undefined ? '' : `; did you mean \`${near}\`?`;
  return new PolicyValueError(
    `expected one of ${SHAPES.join(', ')}, got ${names.join(', ') || 'nothing'}${advice}`,
  );
}
