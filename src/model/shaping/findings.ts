import type { DataPath } from '../texts/index.ts';
import { raises, type ShapingLevel, type ShapingRuleName } from './rules.ts';
import type { ShapingFile } from './shaping-file.ts';

/** Where a value stands; line and column are looked up when somebody asks. */
export interface Place {
  readonly file: ShapingFile;
  readonly path: DataPath;
}

/** Something that is wrong with shaping files. Line and column count from 1. */
export interface ShapingFinding {
  readonly rule: ShapingRuleName;
  readonly level: 'Warn' | 'Error';
  /** kumo.shaping.load gives nothing but an error. */
  readonly raises: boolean;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  /** Lines that show the place. */
  readonly picture?: string;
}

interface Noted {
  readonly rule: ShapingRuleName;
  readonly level: 'Warn' | 'Error';
  readonly place: Place | { file: ShapingFile; line: number; column: number };
  readonly text: string;
  readonly more: NoteDetails;
}

interface NoteDetails {
  /** Another place that the text is about; its FILE:LINE ends the text. */
  readonly beside?: Place;
  readonly picture?: string;
  /** In place of what the rule has: for what counts as a failure to load. */
  readonly like?: ShapingRuleName;
}

/** Collects what is found while files are read. */
export class Findings {
  readonly #levels: Readonly<Record<ShapingRuleName, ShapingLevel>>;
  readonly #noted: Noted[] = [];

  constructor(levels: Readonly<Record<ShapingRuleName, ShapingLevel>>) {
    this.#levels = levels;
  }

  /** Whether anybody wants to know; for what is costly to find. */
  wants(rule: ShapingRuleName): boolean {
    return this.#levels[rule] !== 'Ignore';
  }

  note(rule: ShapingRuleName, place: Noted['place'], text: string, more: NoteDetails = {}): void {
    const level = this.#levels[more.like ?? rule];
    if (level !== 'Ignore') this.#noted.push({ rule, level, place, text, more });
  }

  /** All with their places, file by file in the order of the text. */
  located(files: readonly ShapingFile[]): ShapingFinding[] {
    const order = new Map(files.map((file, index) => [file.name, index]));
    const found = this.#noted.map((noted) => located(noted));
    for (const file of files) file.forgetPositions();
    const rank = ({ file }: ShapingFinding): number => order.get(file) ?? files.length;
    return found.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
  }
}

function located({ rule, level, place, text, more }: Noted): ShapingFinding {
  const { line, column } = 'path' in place ? place.file.locate(place.path) : place;
  const beside = more.beside === undefined ? '' : ` (${fileAndLine(more.beside)})`;
  return {
    rule,
    level,
    raises: raises(rule) && more.like === undefined,
    file: place.file.name,
    line,
    column,
    text: text + beside,
    ...(more.picture !== undefined && { picture: more.picture }),
  };
}

function fileAndLine({ file, path }: Place): string {
  return `${file.name}:${file.locate(path).line}`;
}

/** `FILE:LINE:COLUMN: RULE: TEXT`, and the picture where there is one. */
export function formatFinding({ file, line, column, rule, text, picture }: ShapingFinding): string {
  const shown = picture === undefined ? '' : `\n${picture.replace(/^/gm, '  ')}`;
  return `${file}:${line}:${column}: ${rule}: ${text}${shown}`;
}
