import { typeOfValue } from '../define/index.ts';
import type { DataPath } from '../texts/index.ts';
import { type AutomationRule, readAutomation } from './automation.ts';
import type { Findings } from './findings.ts';
import { type MatchRule, readMatch } from './provider-match.ts';
import { readSettings, type Section, type Settings } from './settings.ts';
import type { ShapingFile, Table } from './shaping-file.ts';

/** One block of a shaping file: `["default"]`, a domain, or a provider, with the tables in it. */
export interface Block {
  readonly section: Section;
  /** Of a domain: it is about all domains of its site. */
  readonly mxRollup: boolean;
  readonly replaceBase: boolean;
  readonly settings: Settings;
  /** By source. */
  readonly sources: ReadonlyMap<string, Settings>;
  readonly automation: readonly AutomationRule[];
  /** Of a provider. */
  readonly match: readonly MatchRule[];
}

const DOMAIN_KEYS: ReadonlySet<string> = new Set(['mx_rollup', 'replace_base', 'automation', 'sources']);
const PROVIDER_KEYS: ReadonlySet<string> = new Set(['replace_base', 'automation', 'sources', 'match']);
const NO_KEYS: ReadonlySet<string> = new Set();

/** The blocks of a file in their order, one by one. What cannot be used is noted and left out. */
export function* readBlocks(file: ShapingFile, findings: Findings): Generator<Block> {
  for (const [name, value] of Object.entries(file.table)) {
    if (name === 'provider') yield* readProviders(file, value, findings);
    else {
      const kind = name === 'default' ? 'default' : 'domain';
      const block = readBlock({ file, path: [name], kind, name }, value, findings);
      if (block !== undefined) yield block;
    }
  }
}

function* readProviders(file: ShapingFile, value: unknown, findings: Findings): Generator<Block> {
  if (typeOfValue(value) !== 'table') {
    const place = { file, path: ['provider'] };
    findings.note('wrong-type', place, `provider: expected [provider."NAME"], got ${typeOfValue(value)}`);
    return;
  }
  for (const [name, one] of Object.entries(value as Table)) {
    const section: Section = { file, path: ['provider', name], kind: 'provider', name };
    const block = readBlock(section, one, findings);
    if (block !== undefined) yield block;
  }
}

function readBlock(section: Section, value: unknown, findings: Findings): Block | undefined {
  const { file, path, kind, name } = section;
  if (typeOfValue(value) !== 'table') {
    findings.note('wrong-type', { file, path }, `'${name}': expected a block, got ${typeOfValue(value)}`);
    return undefined;
  }
  const table = value as Table;
  const unquoted = kind === 'domain' ? unquotedDomains(path, table) : [];
  for (const at of unquoted) {
    const domain = at.join('.');
    const text = `Entry for domain '${name}' consists of a single DNS label. [${domain}] is a table in a table; write ["${domain}"]`;
    findings.note('unquoted-domain', { file, path: at }, text);
  }
  if (unquoted.length > 0) return undefined;
  const keys = kind === 'provider' ? PROVIDER_KEYS : DOMAIN_KEYS;
  const mxRollup = readFlag(section, table, 'mx_rollup', kind === 'domain', findings);
  const isRollup = mxRollup || kind === 'default';
  return {
    section,
    mxRollup,
    replaceBase: readFlag(section, table, 'replace_base', false, findings),
    settings: readSettings(section, table, keys, findings),
    sources: readSources(section, table.sources, findings),
    automation:
      table.automation === undefined ? [] : readAutomation(section, table.automation, isRollup, findings),
    match: kind === 'provider' ? readMatch(section, table.match, findings) : [],
  };
}

function readFlag(
  section: Section,
  table: Table,
  key: string,
  fallback: boolean,
  findings: Findings,
): boolean {
  const value = table[key] ?? fallback;
  if (typeof value === 'boolean') return value;
  const place = { file: section.file, path: [...section.path, key] };
  findings.note('wrong-type', place, `${key}: expected true or false, got ${typeOfValue(value)}`);
  return fallback;
}

function readSources(section: Section, value: unknown, findings: Findings): Map<string, Settings> {
  const sources = new Map<string, Settings>();
  if (value === undefined) return sources;
  const path = [...section.path, 'sources'];
  if (typeOfValue(value) !== 'table') {
    findings.note(
      'wrong-type',
      { file: section.file, path },
      `sources: expected tables by source, got ${typeOfValue(value)}`,
    );
    return sources;
  }
  for (const [source, table] of Object.entries(value as Table)) {
    const inner = { ...section, path: [...path, source] };
    if (typeOfValue(table) === 'table')
      sources.set(source, readSettings(inner, table as Table, NO_KEYS, findings));
    else
      findings.note(
        'wrong-type',
        inner,
        `sources.${source}: expected a table of options, got ${typeOfValue(table)}`,
      );
  }
  return sources;
}

/**
 * The domains of headings such as [foo.com] without quotes: a name without a dot whose table holds nothing but tables
 * that are neither an option nor anything else of a block.
 */
function unquotedDomains(path: DataPath, table: Table): DataPath[] {
  const entries = Object.entries(table);
  const isPlain = String(path[0]).includes('.') || entries.length === 0;
  // One thing of a block among them says that the block is meant as it stands.
  if (isPlain || !entries.every(([key, value]) => typeOfValue(value) === 'table' && isLabel(key))) return [];
  return entries.flatMap(([label, inner]) => {
    const at = [...path, label];
    const deeper = unquotedDomains(at, inner as Table);
    return deeper.length > 0 ? deeper : [at];
  });
}

function isLabel(key: string): boolean {
  return /^[a-z0-9-]{1,63}$/i.test(key) && !DOMAIN_KEYS.has(key);
}
