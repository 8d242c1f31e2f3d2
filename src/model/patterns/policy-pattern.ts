import { type Matcher, RE2JS } from 're2js';
import { shortened } from '../define/index.ts';
import { translatePattern, unsupportedPart } from './rust-syntax.ts';

/** One place where a pattern matched; offsets count UTF-16 units. */
interface Match {
  readonly start: number;
  readonly end: number;
}

/**
 * A regular expression of a policy (policy-api.md 4.10). The time it takes grows linearly with the text, whatever
 * the pattern: texts come from anybody.
 */
export class PolicyPattern {
  readonly source: string;
  readonly #compiled: RE2JS;
  readonly #names: readonly (readonly [name: string, group: number])[];

  /** Throws an Error that names the pattern when it is invalid or needs look-around or back-references. */
  constructor(source: string) {
    this.source = source;
    this.#compiled = compilePattern(source);
    this.#names = Object.entries(this.#compiled.namedGroups());
  }

  isMatch(text: string): boolean {
    return this.#compiled.test(text);
  }

  /** The first match. */
  find(text: string): string | undefined {
    const matcher = this.#compiled.matcher(text);
    return matcher.find() ? (matcher.group() ?? undefined) : undefined;
  }

  findAll(text: string): string[] {
    return [...this.#matches(text)].map(({ start, end }) => text.slice(start, end));
  }

  /** Groups of the first match by number and by name, those that took no part left out. */
  captures(text: string): Map<number | string, string> | undefined {
    const matcher = this.#compiled.matcher(text);
    if (!matcher.find()) return undefined;
    const groups = new Map<number | string, string>();
    for (let group = 0; group <= matcher.groupCount(); group++) {
      const found = matcher.group(group);
      if (found !== null) groups.set(group, found);
    }
    for (const [name, group] of this.#names) {
      const found = matcher.group(group);
      if (found !== null) groups.set(name, found);
    }
    return groups;
  }

  /** Replaces the first `limit` matches, all for 0. `$1`, `$name`, `${name}` and `$$` may stand in `replacement`. */
  replace(text: string, replacement: string, limit: number): string {
    const parts = parseReplacement(replacement);
    let result = '';
    let done = 0;
    let count = 0;
    for (const { start, end, matcher } of this.#matches(text)) {
      result += text.slice(done, start);
      for (const part of parts)
        result += part.group === undefined ? part.text : this.#group(matcher, part.group);
      done = end;
      if (++count === limit) break;
    }
    return result + text.slice(done);
  }

  /** The pieces between the matches, empty ones too. */
  split(text: string): string[] {
    const pieces: string[] = [];
    let done = 0;
    for (const { start, end } of this.#matches(text)) {
      pieces.push(text.slice(done, start));
      done = end;
    }
    pieces.push(text.slice(done));
    return pieces;
  }

  #group(matcher: Matcher, group: string): string {
    if (/^\d+$/.test(group))
      return Number(group) <= matcher.groupCount() ? (matcher.group(Number(group)) ?? '') : '';
    const known = this.#names.find(([name]) => name === group);
    return known === undefined ? '' : (matcher.group(known[1]) ?? '');
  }

  /** Matches from left to right; an empty one does not follow directly on another. */
  *#matches(text: string): Generator<Match & { matcher: Matcher }> {
    const matcher = this.#compiled.matcher(text);
    let lastEnd = -1;
    let from = 0;
    while (from <= text.length && matcher.find(from)) {
      const start = matcher.start();
      const end = matcher.end();
      if (end > start || start !== lastEnd) {
        yield { start, end, matcher };
        lastEnd = end;
      }
      from = end > start ? end : end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1);
    }
  }
}

/** Characters of a pattern. Compiling takes some 10 us for each. */
const LONGEST = 100_000;

/** Compiles in the syntax of Rust's regex crate. Throws an Error that names the pattern. */
export function compilePattern(source: string): RE2JS {
  if (source.length > LONGEST) {
    throw new Error(`a pattern of ${source.length} characters is too long: ${LONGEST} are the most`);
  }
  const part = unsupportedPart(source);
  if (part !== undefined) {
    throw new Error(
      `the pattern '${shortened(source)}' uses ${part}, which Moonpost does not have: it can take forever on some texts`,
    );
  }
  try {
    return RE2JS.compile(translatePattern(source));
  } catch (error) {
    throw new Error(`the pattern '${shortened(source)}' is invalid: ${shortened((error as Error).message)}`);
  }
}

/** The text with every character that means something in a pattern escaped. */
export function escapePattern(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$#&\-~]/g, '\\$&');
}

type Part = { text: string; group?: undefined } | { group: string };

/** The longest run of letters, digits and `_` after `$` is the name. */
function parseReplacement(replacement: string): Part[] {
  const parts: Part[] = [];
  let done = 0;
  for (const match of replacement.matchAll(/\$(?:\$|\{([^{}]*)\}|([0-9A-Za-z_]+))/g)) {
    parts.push({ text: replacement.slice(done, match.index) });
    const group = match[1] ?? match[2];
    parts.push(group === undefined ? { text: '$' } : { group });
    done = match.index + match[0].length;
  }
  parts.push({ text: replacement.slice(done) });
  return parts;
}
