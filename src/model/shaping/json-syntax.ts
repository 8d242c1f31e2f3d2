/** Where a JSON text stops being JSON, and what is wanted there. */
export interface JsonMistake {
  readonly offset: number;
  readonly reason: string;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\r\n]*/y;
const DEEPEST = 500;

/**
 * Looks for the first mistake, since JSON.parse seldom says where it is. undefined when the text is JSON. Comments
 * must have been taken out.
 */
export function findJsonMistake(text: string): JsonMistake | undefined {
  const scanner = new Scanner(text);
  try {
    scanner.value(0);
    scanner.end();
    return undefined;
  } catch (error) {
    if (error instanceof Mistake) return { offset: error.offset, reason: error.message };
    throw error;
  }
}

class Mistake extends Error {
  readonly offset: number;
  constructor(offset: number, reason: string) {
    super(reason);
    this.offset = offset;
  }
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): void {
    this.#skip(SPACE);
    if (depth > DEEPEST) throw new Mistake(this.#at, 'tables or lists in one another too often');
    const c = this.#text[this.#at];
    if (c === '{') this.#members('}', () => this.#member(depth));
    else if (c === '[') this.#members(']', () => this.value(depth + 1));
    else if (c === '"') this.#string('a string');
    else if (!this.#skip(NUMBER) && !this.#skip(WORD)) this.#refuse('a value');
  }

  end(): void {
    this.#skip(SPACE);
    if (this.#at < this.#text.length) this.#refuse('the end of the text');
  }

  #members(close: string, member: () => void): void {
    this.#at += 1;
    if (this.#has(close)) return;
    for (;;) {
      member();
      if (this.#has(close)) return;
      if (!this.#has(',')) this.#refuse(`',' or '${close}'`);
    }
  }

  #member(depth: number): void {
    this.#skip(SPACE);
    this.#string('a name in quotes');
    if (!this.#has(':')) this.#refuse("':'");
    this.value(depth + 1);
  }

  #string(what: string): void {
    if (this.#skip(STRING)) return;
    if (this.#text[this.#at] === '"')
      throw new Mistake(this.#at, 'a string that has no end, or is not as JSON has it');
    this.#refuse(what);
  }

  #has(mark: string): boolean {
    this.#skip(SPACE);
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return false;
    this.#at += found[0].length;
    return found[0].length > 0;
  }

  #refuse(wanted: string): never {
    const c = this.#text[this.#at];
    throw new Mistake(
      this.#at,
      `expected ${wanted}, got ${c === undefined ? 'the end of the text' : `'${c}'`}`,
    );
  }
}
