import { parse, TomlError } from 'smol-toml';
import { type JsonWithFloats, keepFloat } from '../float.ts';
import type { Json } from '../json.ts';
import { plainValue } from './plain.ts';

type Table = { [key: string]: Json };

/** Key of the table that a TOML date becomes, so that it can be told from text and written again. */
const DATE_KEY = '$__toml_private_datetime';

/** Throws an Error that names line and column. */
export function parseToml(text: string): JsonWithFloats {
  return plainValue(parsed(text), {
    date: (date) => ({ [DATE_KEY]: date.toISOString() }),
    number: keepFloat,
  });
}

function parsed(text: string): unknown {
  try {
    return parse(text, { integersAsBigInt: true });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The lines after the first are a picture of the place.
    const reason = error.message.split('\n')[0]!;
    throw new Error(`${reason} (line ${error.line}, column ${error.column})`);
  }
}

export interface TomlStyle {
  /** Lists of more than one value take a line for each. */
  readonly pretty?: boolean;
  /** Keys in order of the alphabet, and tables without entries within their line. */
  readonly compact?: boolean;
}

/** A table as TOML. nil is left out. Throws an Error for what TOML cannot say. */
export function formatToml(value: Json, style: TomlStyle = {}): string {
  if (!isTable(value)) throw new Error('TOML is made of a table with names');
  const lines: string[] = [];
  writeTable(lines, value, [], style);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** A value as it stands after `key =`, tables within the line. */
export function formatTomlValue(value: Json): string {
  return valueText(value, {});
}

function isTable(value: Json | undefined): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(DATE_KEY in value);
}

function isTableList(value: Json): value is Table[] {
  return Array.isArray(value) && value.length > 0 && value.every(isTable);
}

/** Whether it is a table that is not written within a line. */
function hasHeading(value: Json, style: TomlStyle): value is Table {
  return isTable(value) && (style.compact !== true || Object.keys(value).length > 0);
}

/** Values come before tables: what follows a heading belongs to it. */
function writeTable(lines: string[], table: Table, path: readonly string[], style: TomlStyle): void {
  const entries = Object.entries(table).filter(([, value]) => value !== null);
  if (style.compact === true) entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const later: [string, Table | Table[]][] = [];
  for (const [key, value] of entries) {
    if (hasHeading(value, style) || isTableList(value)) later.push([key, value]);
    else lines.push(`${keyText(key)} = ${valueText(value, style)}`);
  }
  for (const [key, value] of later) {
    const inner = [...path, keyText(key)];
    for (const one of Array.isArray(value) ? value : [value]) {
      // A table that holds nothing but tables needs no heading of its own.
      const bare =
        !Array.isArray(value) &&
        Object.keys(one).length > 0 &&
        Object.values(one).every((inner) => hasHeading(inner, style));
      if (!bare) {
        if (lines.length > 0) lines.push('');
        lines.push(Array.isArray(value) ? `[[${inner.join('.')}]]` : `[${inner.join('.')}]`);
      }
      writeTable(lines, one, inner, style);
    }
  }
}

function keyText(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : stringText(key);
}

function stringText(text: string): string {
  return JSON.stringify(text).replaceAll('\x7f', '\\u007f');
}

function valueText(value: Json, style: TomlStyle): string {
  if (value === null) throw new Error('TOML has no nil, which stands in a list here');
  if (typeof value === 'string') return stringText(value);
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) {
    const parts = value.map((entry) => valueText(entry, style));
    if (style.pretty === true && parts.length > 1)
      return `[\n${parts.map((part) => `    ${part},\n`).join('')}]`;
    return `[${parts.join(', ')}]`;
  }
  if (DATE_KEY in value) return String(value[DATE_KEY]);
  const parts = Object.entries(value)
    .filter(([, entry]) => entry !== null)
    .map(([key, entry]) => `${keyText(key)} = ${valueText(entry, style)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}
