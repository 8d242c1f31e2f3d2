import { RE2Set } from 're2js';
import { compilePattern } from './policy-pattern.ts';
import { translatePattern } from './rust-syntax.ts';

/** Values by pattern; the first pattern in order that matches anywhere in the name wins. All are tried at once. */
export class PatternMap<T> {
  readonly #set = new RE2Set();
  readonly #patterns: string[] = [];
  readonly #values: T[] = [];

  /** Throws an Error that names the pattern that is invalid. */
  constructor(entries: Iterable<readonly [pattern: string, value: T]>) {
    for (const [pattern, value] of entries) {
      compilePattern(pattern);
      this.#set.add(translatePattern(pattern));
      this.#patterns.push(pattern);
      this.#values.push(value);
    }
    if (this.#patterns.length > 0) this.#set.compile();
  }

  get(text: string): T | undefined {
    if (this.#patterns.length === 0) return undefined;
    let first = Number.POSITIVE_INFINITY;
    for (const index of this.#set.match(text)) if (index < first) first = index;
    return this.#values[first];
  }

  get size(): number {
    return this.#patterns.length;
  }

  *entries(): Generator<[string, T]> {
    for (const [index, pattern] of this.#patterns.entries()) yield [pattern, this.#values[index]!];
  }
}

/** Many patterns, all of which are tried on a text at once. */
export class PatternSet {
  readonly #set = new RE2Set();
  readonly #patterns: readonly string[];

  /** Throws an Error that names the pattern that is invalid. */
  constructor(patterns: Iterable<string>) {
    this.#patterns = [...patterns];
    for (const pattern of this.#patterns) {
      compilePattern(pattern);
      this.#set.add(translatePattern(pattern));
    }
    if (this.#patterns.length > 0) this.#set.compile();
  }

  /** The patterns that match anywhere in the text. */
  match(text: string): ReadonlySet<string> {
    if (this.#patterns.length === 0) return NONE;
    return new Set([...this.#set.match(text)].map((index) => this.#patterns[index]!));
  }
}

const NONE: ReadonlySet<string> = new Set();
