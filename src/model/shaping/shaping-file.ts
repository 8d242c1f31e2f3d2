import { LRUCache } from 'lru-cache';
import { parse, TomlError } from 'smol-toml';
import { parseJsonText, withoutComments } from '../json-text.ts';
import { type DataPath, positionsInJson, positionsInToml, type TextPosition } from '../texts/index.ts';
import { findJsonMistake } from './json-syntax.ts';

/** A decoded table; values may be anything that TOML or JSON has. */
export type Table = Readonly<Record<string, unknown>>;

/** A text that cannot be decoded. */
export interface SyntaxProblem extends TextPosition {
  readonly reason: string;
  /** The line, and below it a caret at the column. */
  readonly picture: string;
  /** True where the name says neither TOML nor JSON, so that both were tried. */
  readonly guessed: boolean;
}

type Decoded = { table: Table; format: 'toml' | 'json' } | { problem: SyntaxProblem };

/** One shaping file, local or remote: its text, what it says, and where in it that stands. */
export class ShapingFile {
  /** As the policy names it; for messages. */
  readonly name: string;
  readonly isRemote: boolean;
  readonly #text: string;
  readonly #decoded: Decoded;
  #positions: ReturnType<typeof positionsInToml> | undefined;

  /**
   * TOML or JSON by the end of the name; without one of these ends TOML is tried, then JSON. Without a text, since it
   * could not be read, the file says nothing.
   */
  constructor(name: string, text?: string) {
    this.name = name;
    this.isRemote = isRemoteName(name);
    this.#text = text ?? '';
    this.#decoded = text === undefined ? { table: {}, format: 'toml' } : decode(name, text);
  }

  /** What the file says; empty when it cannot be decoded. */
  get table(): Table {
    return 'table' in this.#decoded ? this.#decoded.table : {};
  }

  get problem(): SyntaxProblem | undefined {
    return 'problem' in this.#decoded ? this.#decoded.problem : undefined;
  }

  /**
   * Where a value stands, or the table around it. Its first use parses the text a second time, which takes some 0.6 ms
   * per KB: only for findings and explanations.
   */
  locate(path: DataPath): TextPosition {
    const key = JSON.stringify(path);
    const known = foundIn(this.#text);
    let position = known.get(key);
    if (position === undefined) {
      position = this.#find(path);
      known.set(key, position);
    }
    return position;
  }

  #find(path: DataPath): TextPosition {
    const isJson = 'format' in this.#decoded && this.#decoded.format === 'json';
    this.#positions ??= isJson ? positionsInJson(withoutComments(this.#text)) : positionsInToml(this.#text);
    return this.#positions.near(path) ?? { line: 1, column: 1 };
  }

  /** Gives back the memory that `locate` took. */
  forgetPositions(): void {
    this.#positions = undefined;
  }
}

/** Files are read again every minute, and what is wrong with them stays for hours: it is looked for once. */
const found = new LRUCache<string, Map<string, TextPosition>>({ max: 32 });

function foundIn(text: string): Map<string, TextPosition> {
  let positions = found.get(text);
  if (positions === undefined) {
    positions = new Map();
    found.set(text, positions);
  }
  return positions;
}

/** Whether a name in a list of shaping files is that of a URL. */
export function isRemoteName(name: string): boolean {
  return /^https?:\/\//.test(name);
}

function decode(name: string, text: string): Decoded {
  if (name.endsWith('.toml')) return decodeToml(text);
  if (name.endsWith('.json')) return decodeJson(text);
  const asToml = decodeToml(text);
  if ('table' in asToml) return asToml;
  const asJson = decodeJson(text);
  if ('table' in asJson) return asJson;
  const reason = `parsing ${name}: as toml: ${asToml.problem.reason}, as json: ${asJson.problem.reason}`;
  const likely = /^\s*\{/.test(text) ? asJson.problem : asToml.problem;
  return { problem: { ...likely, reason, guessed: true } };
}

function decodeToml(text: string): Decoded {
  try {
    return { table: parse(text) as Table, format: 'toml' };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '');
    return { problem: problemAt(text, error.line, error.column, reason) };
  }
}

function decodeJson(text: string): Decoded {
  let value: unknown;
  try {
    value = parseJsonText(text);
  } catch (error) {
    const mistake = findJsonMistake(withoutComments(text));
    const { offset, reason } = mistake ?? { offset: 0, reason: (error as Error).message };
    const before = text.slice(0, offset).split('\n');
    return { problem: problemAt(text, before.length, before.at(-1)!.length + 1, reason) };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return { table: value as Table, format: 'json' };
  return { problem: problemAt(text, 1, 1, 'a shaping file is a table with names') };
}

function problemAt(text: string, line: number, column: number, reason: string): SyntaxProblem {
  const shown = (text.split('\n')[line - 1] ?? '').slice(0, 200).replace(/\r$/, '');
  const gutter = `${line} | `;
  const indent = ' '.repeat(gutter.length - 2);
  const before = shown.slice(0, column - 1).replace(/[^\t]/g, ' ');
  return {
    line,
    column,
    reason,
    picture: `${gutter}${shown}\n${indent}| ${before}^`,
    guessed: false,
  };
}
