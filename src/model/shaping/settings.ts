import {
  limitSpec,
  nearestName,
  PolicyValueError,
  type RichKind,
  throttleSpec,
  typeOfValue,
} from '../define/index.ts';
import { egressPathOptions } from '../options/index.ts';
import type { DataPath } from '../texts/index.ts';
import type { Findings, Place } from './findings.ts';
import type { ShapingRuleName } from './rules.ts';
import type { ShapingFile } from './shaping-file.ts';

/** A table of a shaping file with options in it. */
export interface Section {
  readonly file: ShapingFile;
  readonly path: DataPath;
  readonly kind: 'default' | 'provider' | 'domain';
  /** The provider or domain. */
  readonly name: string;
}

/** The value of one option, or of one key in a table of limits or throttles, and where it was said. */
export interface Setting {
  readonly option: string;
  /** Key within a table of limits or throttles, which merge key by key. */
  readonly inner: string | undefined;
  /** As it was written. */
  readonly value: unknown;
  readonly section: Section;
  /** The option that brought it, where it is another. */
  readonly said?: string;
}

/** Settings by option, or by option and inner key. */
export type Settings = Map<string, Setting>;

/** Tables that merge key by key instead of one replacing the other. */
const MERGED: ReadonlySet<string> = new Set([
  'additional_connection_limits',
  'additional_message_rate_throttles',
  'additional_source_selection_rates',
]);

const PATH_KINDS: Readonly<Record<string, RichKind<unknown>>> = Object.fromEntries(
  Object.entries(egressPathOptions.fields).map(([name, { kind }]) => [name, kind]),
);
/** What a provider has besides. */
const PROVIDER_KINDS: Readonly<Record<string, RichKind<unknown>>> = {
  provider_connection_limit: limitSpec(),
  provider_max_message_rate: throttleSpec(),
};
const PROVIDER_SOURCE_KINDS: Readonly<Record<string, RichKind<unknown>>> = {
  ...PROVIDER_KINDS,
  provider_source_selection_rate: throttleSpec(),
};

export function settingKey(option: string, inner: string | undefined): string {
  return inner === undefined ? option : `${option}\0${inner}`;
}

export function placeOf({ section, option, inner, said }: Setting): Place {
  const path = said !== undefined ? [said] : inner === undefined ? [option] : [option, inner];
  return { file: section.file, path: [...section.path, ...path] };
}

/** The heading of a section as TOML writes it: `["example.org".sources."ip-9"]`. */
export function sectionText({ path }: Pick<Section, 'path'>): string {
  const parts = path.map((part) => {
    if (typeof part === 'number') return String(part + 1);
    return part === 'sources' || part === 'provider' ? part : JSON.stringify(part);
  });
  return `[${parts.join('.')}]`;
}

/** Reads the options of one table; `notOptions` are the keys that are read elsewhere. */
export function readSettings(
  section: Section,
  table: Readonly<Record<string, unknown>>,
  notOptions: ReadonlySet<string>,
  findings: Findings,
): Settings {
  const isSource = section.path.includes('sources');
  const own = section.kind !== 'provider' ? {} : isSource ? PROVIDER_SOURCE_KINDS : PROVIDER_KINDS;
  const settings: Settings = new Map();
  for (const [option, value] of Object.entries(table)) {
    if (notOptions.has(option) || value === null) continue;
    const kind = Object.hasOwn(PATH_KINDS, option) ? PATH_KINDS[option]! : ownKind(own, option);
    if (kind === undefined) {
      noteUnknown(
        section,
        option,
        [...Object.keys(PATH_KINDS), ...Object.keys(own), ...notOptions],
        findings,
      );
    } else if (MERGED.has(option) && typeOfValue(value) === 'table') {
      for (const [inner, one] of Object.entries(value as object)) {
        const setting = { option, inner, value: one as unknown, section };
        if (checkValue(kind, { [inner]: one as unknown }, option, placeOf(setting), findings))
          settings.set(settingKey(option, inner), setting);
      }
    } else {
      const setting = { option, inner: undefined, value, section };
      if (checkValue(kind, value, option, placeOf(setting), findings)) settings.set(option, setting);
    }
  }
  return settings;
}

function ownKind(kinds: Readonly<Record<string, RichKind<unknown>>>, option: string) {
  return Object.hasOwn(kinds, option) ? kinds[option] : undefined;
}

function noteUnknown(section: Section, option: string, known: readonly string[], findings: Findings): void {
  const place = { file: section.file, path: [...section.path, option] };
  const at = sectionText(section);
  if (Object.hasOwn(PROVIDER_SOURCE_KINDS, option) || KEYS_OF_BLOCKS.has(option)) {
    const where = PLACES[option] ?? 'in a [provider."NAME"]';
    findings.note('misplaced-option', place, `'${option}' stands ${where}, not in ${at}`);
    return;
  }
  findings.note('unknown-option', place, `'${option}' is no option, in ${at}${adviceOn(option, known)}`);
}

const KEYS_OF_BLOCKS = new Set(['mx_rollup', 'replace_base', 'automation', 'sources', 'match']);
const PLACES: Readonly<Record<string, string>> = {
  provider_source_selection_rate: 'in a [provider."NAME".sources."SOURCE"]',
  mx_rollup: 'in the block of a domain',
  replace_base: 'in the block of a domain or provider',
  automation: 'in a block',
  sources: 'in a block',
};

/** `; did you mean 'x'?`, or nothing when no name is near. */
export function adviceOn(name: string, known: Iterable<string>): string {
  const near = nearestName(name, known);
  return near === undefined ? '' : `; did you mean '${near}'?`;
}

/** Whether an option takes the value; what is wrong is noted. */
export function checkValue(
  kind: RichKind<unknown>,
  value: unknown,
  option: string,
  place: Place,
  findings: Findings,
): boolean {
  try {
    kind.parse(value, option, true);
    return true;
  } catch (error) {
    if (!(error instanceof PolicyValueError)) throw error;
    findings.note(ruleFor(kind, value), place, error.message);
    return false;
  }
}

function ruleFor(kind: RichKind<unknown>, value: unknown): ShapingRuleName {
  const inMap = kind.name.startsWith('map of ') && typeOfValue(value) === 'table';
  const [name, one] = inMap
    ? [kind.name.slice(7), Object.values(value as object)[0] as unknown]
    : [kind.name, value];
  if (!takesType(inMap ? kind.luaType.replace(/^table<string, (.*)>$/, '$1') : kind.luaType, one))
    return 'wrong-type';
  if (name === 'duration') return 'bad-duration';
  return name === 'throttle' ? 'bad-throttle' : 'bad-value';
}

/** Whether a value is of the Lua type that a kind names, as far as names tell. */
function takesType(luaType: string, value: unknown): boolean {
  const type = typeOfValue(value);
  return luaType.split('|').some((name) => {
    if (name === type) return true;
    if (name === 'integer') return type === 'number' && Number.isInteger(value);
    if (name.startsWith("'")) return type === 'string';
    if (name.endsWith('[]')) return type === 'list';
    return name.startsWith('kumo.') && (type === 'table' || type === 'string');
  });
}
