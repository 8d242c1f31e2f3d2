import { HeaderError } from './headers.ts';

/** A header whose value is not of the structure that was asked for. */
export class HeaderSyntaxError extends HeaderError {}

const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;

/** RFC 5322 §3.2.3 specials, controls and white space end an atom; all beyond ASCII belongs to it (RFC 6532 §3.2). */
const ENDS_ATOM = endsOf('()<>[]:;@\\,."');
/** RFC 2045 §5.1 tspecials. */
const ENDS_TOKEN = endsOf('()<>@,;:\\"/[]?=');

function endsOf(specials: string): Uint8Array {
  const ends = new Uint8Array(128);
  ends.fill(1, 0, 0x21);
  ends[0x7f] = 1;
  for (const character of specials) ends[character.charCodeAt(0)] = 1;
  return ends;
}

/** Reads the lexical tokens of structured headers (RFC 5322 §3.2) from unfolded text; every step is linear. */
export class HeaderTokens {
  readonly text: string;
  index = 0;

  constructor(text: string) {
    this.text = text;
  }

  get isAtEnd(): boolean {
    return this.index >= this.text.length;
  }

  /** The character at the present place; '' at the end. */
  get next(): string {
    return this.text.charAt(this.index);
  }

  /** Passes over white space and comments; true when there were any. */
  skip(): boolean {
    const start = this.index;
    for (;;) {
      const code = this.text.charCodeAt(this.index);
      if (code === OPEN) this.#skipComment();
      else if (code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a) this.index += 1;
      else return this.index > start;
    }
  }

  /** Comments nest; depth is counted, so that no input can exhaust the stack. */
  #skipComment(): void {
    let depth = 0;
    for (; this.index < this.text.length; this.index++) {
      const code = this.text.charCodeAt(this.index);
      if (code === BACKSLASH) this.index += 1;
      else if (code === OPEN) depth += 1;
      else if (code === CLOSE && --depth === 0) {
        this.index += 1;
        return;
      }
    }
    throw new HeaderSyntaxError('a comment does not end');
  }

  isAt(character: string): boolean {
    return this.text.charAt(this.index) === character;
  }

  /** Takes the character when it is next. */
  take(character: string): boolean {
    if (this.text.charAt(this.index) !== character) return false;
    this.index += 1;
    return true;
  }

  /** An atom without dots; '' when there is none. */
  atom(): string {
    return this.#run(ENDS_ATOM);
  }

  /** A token of RFC 2045 §5.1; '' when there is none. */
  token(): string {
    return this.#run(ENDS_TOKEN);
  }

  #run(ends: Uint8Array): string {
    const start = this.index;
    while (this.index < this.text.length) {
      const code = this.text.charCodeAt(this.index);
      if (code < 128 && ends[code] === 1) break;
      this.index += 1;
    }
    return this.text.slice(start, this.index);
  }

  /** Everything up to one of the characters, or to the end. */
  until(characters: string): string {
    const start = this.index;
    while (this.index < this.text.length && !characters.includes(this.text[this.index]!)) this.index += 1;
    return this.text.slice(start, this.index);
  }

  /** The content of the quoted string that begins here (RFC 5322 §3.2.4). */
  quoted(): string {
    const start = this.index + 1;
    let plain = true;
    for (let at = start; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at);
      if (code === BACKSLASH) {
        plain = false;
        at += 1;
      } else if (code === QUOTE) {
        this.index = at + 1;
        const content = this.text.slice(start, at);
        return plain ? content : content.replace(/\\([\s\S])/g, '$1');
      }
    }
    throw new HeaderSyntaxError('a quoted string does not end');
  }

  /** Throws; `expected` is what should have stood here. */
  fail(expected: string): never {
    const rest = this.text.slice(this.index, this.index + 20);
    throw new HeaderSyntaxError(`expected ${expected} at '${rest}'`);
  }
}

/** The text as it stands in a header: an atom or token when it is one (by `plain`), else a quoted string. */
export function quoteUnless(plain: RegExp, text: string): string {
  return plain.test(text) ? text : `"${text.replace(/[\r\n]+/g, ' ').replace(/["\\]/g, '\\$&')}"`;
}
