import { type HeaderField, headersOf, headerValue } from '../protocol/mime/index.ts';
import {
  boolean,
  defineOptions,
  field,
  type OptionsOf,
  oneOf,
  optional,
  PolicyValueError,
  string,
} from './define/index.ts';
import type { Json } from './json.ts';

export const headerImportOptions = defineOptions(
  'message.import_headers',
  { luaClass: 'table', doc: 'Which headers become metadata, and under which names.' },
  {
    name: field(string(), { required: true, doc: 'Name of the header, or a prefix that ends in `*`.' }),
    match: field(oneOf('last', 'first', 'all'), {
      default: 'last',
      doc: 'Which of several; `all` stores a list.',
    }),
    transform: field(oneOf('snake_case', 'kebab_case', 'camel_case', 'pascal_case'), {
      default: 'snake_case',
      doc: 'How the name of the header becomes the name of the metadata.',
    }),
    target: field(string(), { doc: 'Name of the metadata; not with `*`.' }),
    remove: field(optional(boolean(), false), {
      default: false,
      doc: 'Remove the headers from the message.',
    }),
  },
);

export type HeaderImport = OptionsOf<typeof headerImportOptions>;

/** What an import found. */
export interface ImportedHeaders {
  meta: Map<string, Json>;
  /** Names, in lower case, of the headers to be removed. */
  removed: Set<string>;
}

/** Throws PolicyValueError for specs that contradict themselves. */
export function checkHeaderImports(specs: readonly HeaderImport[]): void {
  for (const { name, target } of specs) {
    const star = name.indexOf('*');
    if (star >= 0 && star < name.length - 1) {
      throw new PolicyValueError(`import_headers: '${name}' may have one * at its end only`);
    }
    if (star >= 0 && target !== undefined) {
      throw new PolicyValueError(
        `import_headers: '${name}' names many headers, which cannot have one target`,
      );
    }
  }
}

/** Finds the headers that the specs name; for each header the first spec that matches holds. */
export function importHeaders(message: Buffer, specs: readonly HeaderImport[]): ImportedHeaders {
  const meta = new Map<string, Json>();
  const removed = new Set<string>();
  const wanted = specs.map((spec) => ({ spec, pattern: spec.name.toLowerCase() }));
  const specFor = (name: string): HeaderImport | undefined =>
    wanted.find(({ pattern }) =>
      pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
    )?.spec;
  for (const header of headersOf(message)) {
    const name = header.name.toLowerCase();
    const spec = specFor(name);
    if (spec === undefined) continue;
    const key = spec.target ?? transformName(name, spec.transform);
    store(meta, key, spec.match, textOf(message, header));
    if (spec.remove) removed.add(name);
  }
  return { meta, removed };
}

function store(meta: Map<string, Json>, key: string, match: HeaderImport['match'], value: string): void {
  const known = meta.get(key);
  if (match === 'all') {
    if (Array.isArray(known)) known.push(value);
    else meta.set(key, [value]);
  } else if (match === 'last' || known === undefined) meta.set(key, value);
}

function textOf(message: Buffer, header: HeaderField): string {
  return String(headerValue(message, header));
}

/** `X-Campaign-Id` as x_campaign_id, x-campaign-id, xCampaignId or XCampaignId. */
export function transformName(name: string, transform: HeaderImport['transform']): string {
  const words = name
    .toLowerCase()
    .split(/[-_]+/)
    .filter((word) => word !== '');
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  switch (transform) {
    case 'kebab_case':
      return words.join('-');
    case 'camel_case':
      return words.map((word, at) => (at === 0 ? word : capital(word))).join('');
    case 'pascal_case':
      return words.map(capital).join('');
    default:
      return words.join('_');
  }
}
