import { type AST, parseTOML } from 'toml-eslint-parser';
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';

/** A place in a text; both count from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** Names, and places in lists counted from 0, from the top of a data file down to one value. */
export type DataPath = readonly (string | number)[];

/**
 * Where the values of a data file stand: a value at its key, an entry of a list at itself, a table at its first mention.
 */
export class DataPositions {
  readonly #root: Entry = { position: undefined, below: new Map() };

  /** The place of a value; undefined where there is none by that path. */
  at(path: DataPath): TextPosition | undefined {
    let entry: Entry | undefined = this.#root;
    for (const key of path) entry = entry?.below.get(key);
    return entry?.position;
  }

  /** The place of a value, or that of the innermost table around where it would be. */
  near(path: DataPath): TextPosition | undefined {
    let entry = this.#root;
    for (const key of path) {
      const next = entry.below.get(key);
      if (next === undefined) break;
      entry = next;
    }
    return entry.position;
  }

  /** Notes a value; the first mention counts. */
  note(path: DataPath, position: TextPosition): void {
    let entry = this.#root;
    for (const key of path) {
      let next = entry.below.get(key);
      if (next === undefined) {
        next = { position, below: new Map() };
        entry.below.set(key, next);
      }
      entry = next;
    }
  }
}

interface Entry {
  readonly position: TextPosition | undefined;
  readonly below: Map<string | number, Entry>;
}

/** Places in a text that parseToml has taken; in one that it has not, there are none. */
export function positionsInToml(text: string): DataPositions {
  const positions = new DataPositions();
  let program: AST.TOMLProgram;
  try {
    program = parseTOML(text, { tomlVersion: 'latest' });
  } catch {
    return positions;
  }
  for (const node of program.body[0].body) {
    if (node.type === 'TOMLKeyValue') noteKeyValue(positions, [], node);
    else {
      noteKey(positions, node.resolvedKey, node.key);
      for (const inner of node.body) noteKeyValue(positions, node.resolvedKey, inner);
    }
  }
  return positions;
}

function startOf(node: AST.TOMLNode): TextPosition {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}

/** The parts of a heading; an index in its path follows the name of the list. */
function noteKey(positions: DataPositions, path: DataPath, key: AST.TOMLKey): void {
  let name = -1;
  path.forEach((part, index) => {
    if (typeof part === 'string') name += 1;
    positions.note(path.slice(0, index + 1), startOf(key.keys[name] ?? key));
  });
}

function noteKeyValue(positions: DataPositions, above: DataPath, node: AST.TOMLKeyValue): void {
  const names = node.key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
  names.forEach((_, index) => {
    positions.note([...above, ...names.slice(0, index + 1)], startOf(node.key.keys[index]!));
  });
  noteContent(positions, [...above, ...names], node.value);
}

function noteContent(positions: DataPositions, path: DataPath, node: AST.TOMLContentNode): void {
  if (node.type === 'TOMLInlineTable') for (const inner of node.body) noteKeyValue(positions, path, inner);
  if (node.type !== 'TOMLArray') return;
  node.elements.forEach((element, index) => {
    positions.note([...path, index], startOf(element));
    noteContent(positions, [...path, index], element);
  });
}

/** Places in a JSON text, which may have comments that begin with `#`. */
export function positionsInJson(text: string): DataPositions {
  const positions = new DataPositions();
  const lines = new LineCounter();
  const place = (node: Node): TextPosition | undefined => {
    const offset = node.range?.[0];
    if (offset === undefined) return undefined;
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const walk = (path: DataPath, node: unknown): void => {
    if (isMap(node)) {
      for (const { key, value } of node.items as Pair<Node, Node>[]) {
        if (!isScalar(key)) continue;
        const at = place(key);
        const inner = [...path, String(key.value)];
        if (at !== undefined) positions.note(inner, at);
        walk(inner, value);
      }
    } else if (isSeq(node)) {
      node.items.forEach((item, index) => {
        const at = place(item as Node);
        if (at !== undefined) positions.note([...path, index], at);
        walk([...path, index], item);
      });
    }
  };
  try {
    walk([], parseDocument(text, { lineCounter: lines, logLevel: 'silent' }).contents);
  } catch {
    return positions;
  }
  return positions;
}
