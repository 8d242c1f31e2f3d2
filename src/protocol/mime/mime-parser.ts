import { HeaderMap, MOST_HEADERS } from './header-map.ts';
import { HeaderError, nextLine } from './headers.ts';
import { MIME_LIMITS, MimeError, MimePart } from './mime-part.ts';

const LF = 0x0a;
const CR = 0x0d;
const HYPHEN = 0x2d;
/** Lines of one block of headers, folded ones among them. */
const MOST_LINES = 5 * MOST_HEADERS;
const DELIMITER = Buffer.from('\n--');
/** RFC 2046 §5.1.1 allows 70; senders take more. A longer line of hyphens is no delimiter. */
const LONGEST_BOUNDARY = 250;

/** A multipart whose end has not been seen. */
interface OpenMultipart {
  part: MimePart;
  boundary: string;
  openings: Buffer[];
  children: MimePart[];
  /** The multipart outside with the same boundary, which is hidden until this one ends. */
  hidden: OpenMultipart | undefined;
}

/**
 * Parses a message into its parts. Any bytes are a message: what is not as RFC 2046 wants it ends up in a body, and
 * `bytes` of the result are always those given. One pass over the message, however deep it nests.
 * Throws MimeError, or HeaderError, beyond the caps (MIME_LIMITS, MOST_HEADERS).
 */
export function parseMime(message: Buffer): MimePart {
  return new MimeParser(message).parse();
}

class MimeParser {
  readonly #message: Buffer;
  readonly #open: OpenMultipart[] = [];
  readonly #boundaries = new Map<string, OpenMultipart>();
  /** How many open multiparts have a boundary that begins with the octet, and one of the length. */
  readonly #beginnings = new Uint8Array(256);
  readonly #lengths = new Uint8Array(LONGEST_BOUNDARY + 3);
  #parts = 0;
  #nearMisses = 0;
  /** Where the bytes begin that no part has yet. */
  #at = 0;

  constructor(message: Buffer) {
    this.#message = message;
  }

  parse(): MimePart {
    const root = this.#readPart();
    while (this.#open.length > 0) this.#end(this.#open.length - 1, this.#message.length);
    return root;
  }

  /**
   * Reads the part that begins at #at and everything inside it; afterwards #at is at the line end before the
   * delimiter that ended it, or at the end.
   */
  #readPart(): MimePart {
    let part = this.#readHeaders();
    const root = part;
    for (;;) {
      const open = this.#enter(part);
      // A part of one body, or a multipart up to its first delimiter.
      const found = this.#nextDelimiter(this.#at);
      if (open === undefined) {
        const end = found === undefined ? this.#message.length : Math.max(this.#at, found.start);
        part.setEncodedBody(this.#message.subarray(this.#at, end));
        this.#at = end;
      }
      if (found === undefined) return root;
      const next = this.#passDelimiters(found);
      if (next === undefined) return root;
      part = next;
    }
  }

  /** Opens and closes multiparts until a part begins. Undefined at the end of the message. */
  #passDelimiters(first: Delimiter): MimePart | undefined {
    let found: Delimiter | undefined = first;
    while (found !== undefined) {
      const level = this.#open.indexOf(found.owner);
      const start = Math.max(this.#at, found.start);
      // RFC 2046 §5.1.2: the delimiter of an outer multipart ends those inside it.
      while (this.#open.length - 1 > level) this.#end(this.#open.length - 1, start);
      if (!found.isLast) {
        found.owner.openings.push(this.#message.subarray(this.#at, found.end));
        this.#at = found.end;
        const part = this.#readHeaders();
        found.owner.children.push(part);
        return part;
      }
      this.#hide(found.owner);
      found = this.#nextDelimiter(found.end);
    }
    return undefined;
  }

  #readHeaders(): MimePart {
    if (++this.#parts > MIME_LIMITS.parts) throw new MimeError(`more than ${MIME_LIMITS.parts} parts`);
    const message = this.#message;
    const start = this.#at;
    let at = start;
    let lines = 0;
    while (at < message.length) {
      const isBlank = message[at] === LF || (message[at] === CR && message[at + 1] === LF);
      if (isBlank) {
        const body = message[at] === LF ? at + 1 : at + 2;
        this.#at = body;
        return new MimePart(HeaderMap.parse(message.subarray(start, at)), message.subarray(at, body));
      }
      if (this.#delimiterAt(at) !== undefined) break;
      // Before the fields are looked at, so that a block without end is not read to its end.
      if (++lines > MOST_LINES) throw new HeaderError(`more than ${MOST_LINES} lines of headers`);
      at = nextLine(message, at);
    }
    this.#at = at;
    return new MimePart(HeaderMap.parse(message.subarray(start, at)), EMPTY);
  }

  /** Notes a multipart whose delimiters are to be looked for. */
  #enter(part: MimePart): OpenMultipart | undefined {
    const { type, parameters } = part.contentType;
    const boundary = parameters.get('boundary')?.trimEnd();
    if (!type.startsWith('multipart/') || !boundary || boundary.length > LONGEST_BOUNDARY) return undefined;
    if (this.#open.length >= MIME_LIMITS.depth) {
      throw new MimeError(`parts nest deeper than ${MIME_LIMITS.depth}`);
    }
    const bytes = Buffer.from(boundary).toString('latin1');
    const hidden = this.#boundaries.get(bytes);
    const open: OpenMultipart = { part, boundary: bytes, openings: [], children: [], hidden };
    this.#open.push(open);
    this.#boundaries.set(bytes, open);
    this.#beginnings[bytes.charCodeAt(0)]! += 1;
    this.#lengths[bytes.length]! += 1;
    return open;
  }

  /** Its delimiters are not looked for any more; those of one outside with the same boundary are again. */
  #hide(open: OpenMultipart): void {
    if (this.#boundaries.get(open.boundary) !== open) return;
    this.#beginnings[open.boundary.charCodeAt(0)]! -= 1;
    this.#lengths[open.boundary.length]! -= 1;
    if (open.hidden === undefined) this.#boundaries.delete(open.boundary);
    else this.#boundaries.set(open.boundary, open.hidden);
  }

  /** Ends the innermost open multipart at `end`; what no part has is its last delimiter and epilogue. */
  #end(level: number, end: number): void {
    const open = this.#open[level]!;
    this.#open.length = level;
    this.#hide(open);
    const closing = this.#message.subarray(this.#at, end);
    this.#at = end;
    const boundary = Buffer.from(open.boundary, 'latin1').toString();
    open.part.divide({ boundary, openings: open.openings, closing }, open.children);
  }

  #nextDelimiter(from: number): Delimiter | undefined {
    if (this.#boundaries.size === 0) return undefined;
    const message = this.#message;
    const here = this.#delimiterAt(from);
    if (here !== undefined) return here;
    let at = this.#nextHyphens(from);
    while (at < message.length) {
      const found = this.#delimiterAt(at);
      if (found !== undefined) return found;
      at = this.#nextHyphens(at);
    }
    return undefined;
  }

  /**
   * The next line after `from` that begins with two hyphens; the length where there is none. The search of the
   * library is the fastest where such lines are rare, and the slowest where every line is one.
   */
  #nextHyphens(from: number): number {
    const message = this.#message;
    const { length } = message;
    const near = Math.min(length, from + 16);
    let at = from;
    for (; at < near; at++) {
      if (message[at] === LF && message[at + 1] === HYPHEN && message[at + 2] === HYPHEN) return at + 1;
    }
    if (at === length) return length;
    const found = message.indexOf(DELIMITER, at);
    return found < 0 ? length : found + 1;
  }

  /** The delimiter line that begins at `at`, which must be the begin of a line. */
  #delimiterAt(at: number): Delimiter | undefined {
    const message = this.#message;
    if (message[at] !== HYPHEN || message[at + 1] !== HYPHEN) return undefined;
    if (at > 0 && message[at - 1] !== LF) return undefined;
    if (this.#beginnings[message[at + 2]!] === 0) return undefined;
    const end = nextLine(message, at + 2);
    let last = end;
    while (last > at + 2 && isBlank(message[last - 1]!)) last -= 1;
    const length = last - at - 2;
    // Two hyphens more for the last delimiter.
    if (length > LONGEST_BOUNDARY + 2) return undefined;
    if (this.#lengths[length] === 0 && (length < 2 || this.#lengths[length - 2] === 0)) return undefined;
    const text = message.toString('latin1', at + 2, last);
    let owner = this.#boundaries.get(text);
    let isLast = false;
    if (owner === undefined && text.endsWith('--')) {
      owner = this.#boundaries.get(text.slice(0, -2));
      isLast = true;
    }
    if (owner === undefined) {
      if (++this.#nearMisses > MIME_LIMITS.nearMisses) {
        throw new MimeError(`more than ${MIME_LIMITS.nearMisses} lines that are almost delimiters`);
      }
      return undefined;
    }
    // RFC 2046 §5.1.1: the line end before the delimiter belongs to it.
    let start = at;
    if (start > 0) start -= 1;
    if (start > 0 && message[start - 1] === CR) start -= 1;
    return { owner, isLast, start, end };
  }
}

/** A line that parts two parts. */
interface Delimiter {
  owner: OpenMultipart;
  isLast: boolean;
  /** Of the line end before it. */
  start: number;
  /** After its own line end. */
  end: number;
}

const EMPTY = Buffer.alloc(0);

function isBlank(octet: number): boolean {
  return octet === 0x20 || octet === 0x09 || octet === CR || octet === LF;
}
