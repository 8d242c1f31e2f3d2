import { type EnhancedCode, parseEnhancedCode, type Reply } from './reply.ts';

/** What a peer sent is no SMTP reply, or more of it than anybody needs. */
export class ReplySyntaxError extends Error {}

/** RFC 5321 §4.5.3.1.5 wants 512 octets a line; replies of big providers are longer. */
const MAX_LINE = 4096;
const MAX_LINES = 256;
const MAX_REPLY = 65_536;

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/**
 * Turns what a server sends into replies (RFC 5321 §4.2), whatever the pieces it arrives in. A line may end in
 * LF alone. Control characters in the text become U+FFFD, because it goes into logs and reports.
 */
export class ReplyParser {
  #pending: Buffer = NOTHING;
  #code = 0;
  #lines: string[] = [];
  #size = 0;

  /** True between replies: nothing of the next one has arrived. */
  get idle(): boolean {
    return this.#pending.length === 0 && this.#lines.length === 0;
  }

  /**
   * Takes what arrived and calls back for each reply that is now complete, its `command` null. Throws
   * ReplySyntaxError at what is none; the parser is of no use after that.
   */
  push(chunk: Buffer, each: (reply: Reply) => void): void {
    const input = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let start = 0;
    for (let end = input.indexOf(LF); end >= 0; end = input.indexOf(LF, start)) {
      const lineEnd = end > start && input[end - 1] === CR ? end - 1 : end;
      if (lineEnd - start > MAX_LINE) throw new ReplySyntaxError('reply line too long');
      const complete = this.#line(input.toString('utf8', start, lineEnd));
      start = end + 1;
      if (complete !== undefined) each(complete);
    }
    if (input.length - start > MAX_LINE) throw new ReplySyntaxError('reply line too long');
    // A copy, so that a few octets do not keep a whole network buffer alive.
    this.#pending = start === input.length ? NOTHING : Buffer.from(input.subarray(start));
  }

  #line(line: string): Reply | undefined {
    const code = replyCode(line);
    const separator = line.charAt(3);
    if (code === 0 || (separator !== '' && separator !== ' ' && separator !== '-')) {
      throw new ReplySyntaxError(`not an SMTP reply: ${JSON.stringify(line.slice(0, 80))}`);
    }
    if (this.#lines.length > 0 && code !== this.#code) {
      throw new ReplySyntaxError(`reply code changes from ${this.#code} to ${code} within one reply`);
    }
    this.#code = code;
    this.#size += line.length;
    if (this.#lines.length >= MAX_LINES || this.#size > MAX_REPLY) {
      throw new ReplySyntaxError('reply too long');
    }
    this.#lines.push(line.slice(4));
    if (separator === '-') return undefined;
    const lines = this.#lines;
    this.#lines = [];
    this.#size = 0;
    return compose(code, lines);
  }
}

/** The three digits at the start of the line; 0 unless RFC 5321 §4.2.1 knows the first. */
function replyCode(line: string): number {
  const first = line.charCodeAt(0) - 0x30;
  const second = line.charCodeAt(1) - 0x30;
  const third = line.charCodeAt(2) - 0x30;
  // NaN, from a line that is too short, fails every comparison.
  const known = first >= 2 && first <= 5 && second >= 0 && second <= 9 && third >= 0 && third <= 9;
  return known ? first * 100 + second * 10 + third : 0;
}

function compose(code: number, lines: string[]): Reply {
  const first = lines[0]!;
  const enhanced = leadingEnhancedCode(code, first);
  if (enhanced !== null) {
    const blank = first.indexOf(' ');
    const prefix = blank < 0 ? first : first.slice(0, blank);
    // RFC 2034 §4: the code is repeated on every line; peers that write it only once exist too.
    for (const [index, line] of lines.entries()) {
      if (line === prefix) lines[index] = '';
      else if (line.startsWith(`${prefix} `)) lines[index] = line.slice(prefix.length + 1);
    }
  }
  const text = lines.length === 1 ? lines[0]! : lines.join('\n');
  return {
    code,
    enhanced,
    content: CONTROL.test(text) ? text.replace(ALL_CONTROLS, '\ufffd') : text,
    command: null,
  };
}

/** RFC 3463 §2: the class says what the reply code says; anything else is text that looks like a code. */
function leadingEnhancedCode(code: number, text: string): EnhancedCode | null {
  const digit = text.charCodeAt(0) - 0x30;
  if (digit !== Math.trunc(code / 100) || text.charAt(1) !== '.') return null;
  const blank = text.indexOf(' ');
  return parseEnhancedCode(blank < 0 ? text : text.slice(0, blank));
}

const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/;
const ALL_CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;
