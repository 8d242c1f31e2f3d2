import { isAscii, isUtf8 } from 'node:buffer';
import { decodeEncodedWords, encodeWords } from './encoded-word.ts';
import { foldText } from './fold.ts';

/**
 * Headers of a message, found and edited in its bytes. What an edit does not name keeps every byte, also where
 * it is not what RFC 5322 wants: bare LF, lines without a colon, 8-bit text.
 */

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;

/** One header as offsets into the message. */
export interface HeaderField {
  /** As written, without white space before the colon. */
  name: string;
  start: number;
  /** After the colon. */
  valueStart: number;
  /** After the line ending of the last line. */
  end: number;
}

/** A header that cannot be added, or more of them than are looked at. */
export class HeaderError extends Error {}

/** A name as errors show it. */
export function clipped(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}

/** More headers than this are not listed. */
const MOST_FIELDS = 100_000;

/**
 * Visits the headers in order until `visit` returns false. Gives where the blank line begins that ends them,
 * or -1 when it did not get there or there is none. Lines that are no header are passed over.
 */
export function eachHeader(message: Buffer, visit: (field: HeaderField) => boolean | undefined): number {
  return scanHeaders(message, (start, nameEnd, valueStart, end) =>
    visit({ name: message.toString('latin1', start, nameEnd), start, valueStart, end }),
  );
}

/** Gives a header as offsets; false ends the scan. */
type VisitOffsets = (start: number, nameEnd: number, valueStart: number, end: number) => boolean | undefined;

/**
 * As eachHeader. Reads every octet once and makes nothing of it: searches of the library cost as much for a line of
 * three octets as for one of a hundred, which is 1.4 s for 25 MB of short headers.
 */
function scanHeaders(message: Buffer, visit: VisitOffsets): number {
  const { length } = message;
  let start = 0;
  while (start < length) {
    const first = message[start]!;
    if (first === LF || (first === CR && message[start + 1] === LF)) return start;
    const nameEnd = endOfName(message, start);
    let colon = nameEnd;
    while (message[colon] === SPACE || message[colon] === TAB) colon += 1;
    const isHeader = nameEnd > start && message[colon] === COLON;
    const end = endOfField(message, isHeader ? colon : nameEnd);
    if (isHeader && visit(start, nameEnd, colon + 1, end) === false) return -1;
    start = end;
  }
  return -1;
}

/** RFC 5322 §3.6.8: a name is printable ASCII without the colon. */
function endOfName(message: Buffer, start: number): number {
  let at = start;
  while (at < message.length) {
    const octet = message[at]!;
    if (octet <= SPACE || octet === COLON || octet > 0x7e) break;
    at += 1;
  }
  return at;
}

/** After the line ending of the last line of the header that goes on at `from`. */
function endOfField(message: Buffer, from: number): number {
  let at = nextLine(message, from);
  while (message[at] === SPACE || message[at] === TAB) at = nextLine(message, at);
  return at;
}

/** After the next LF, or the length where there is none. */
export function nextLine(message: Buffer, from: number): number {
  // Most lines are short; the search of the library is for those that are not.
  const near = Math.min(message.length, from + 80);
  let at = from;
  while (at < near && message[at] !== LF) at += 1;
  if (at === near) at = message.indexOf(LF, at);
  return at < 0 ? message.length : at + 1;
}

/** RFC 5322 §3.6.8: printable ASCII without the colon. */
function isName(name: string): boolean {
  return /^[!-9;-~]+$/.test(name);
}

/** The first header of the name, in any case. */
export function firstHeader(message: Buffer, name: string): HeaderField | undefined {
  const wanted = name.toLowerCase();
  let found: HeaderField | undefined;
  scanHeaders(message, (start, nameEnd, valueStart, end) => {
    if (nameEnd - start !== wanted.length) return true;
    const written = message.toString('latin1', start, nameEnd);
    if (written.toLowerCase() !== wanted) return true;
    found = { name: written, start, valueStart, end };
    return false;
  });
  return found;
}

/** All headers, or those that `wanted` takes, in their order. Throws HeaderError when there are more than `most`. */
export function headersOf(
  message: Buffer,
  wanted: (name: string) => boolean = () => true,
  most = MOST_FIELDS,
): HeaderField[] {
  const fields: HeaderField[] = [];
  eachHeader(message, (field) => {
    if (!wanted(field.name)) return true;
    if (fields.length === most) throw new HeaderError(`more than ${most} headers`);
    fields.push(field);
    return true;
  });
  return fields;
}

/** A test for one name in any case. */
export function isNamed(name: string): (candidate: string) => boolean {
  const wanted = name.toLowerCase();
  return (candidate) => candidate.length === wanted.length && candidate.toLowerCase() === wanted;
}

/** Encoded words of a longer value than this stay as they are. */
const LONGEST_DECODED = 1024 * 1024;

/** The value unfolded and without encoded words: text, or bytes when it is not UTF-8. */
export function headerValue(message: Buffer, field: HeaderField): string | Buffer {
  const plain = plainValue(message, field);
  if (plain !== undefined) return plain;
  const unfolded = unfold(message.subarray(field.valueStart, field.end));
  const value = unfolded.length > LONGEST_DECODED ? unfolded : decodeEncodedWords(unfolded);
  return isUtf8(value) ? value.toString() : value;
}

/** The value where it is one line of ASCII without encoded words, as nearly all are: a sixth of the work. */
function plainValue(message: Buffer, { valueStart, end }: HeaderField): string | undefined {
  let [from, to] = [valueStart, end];
  while (from < to && isBlank(message[from]!)) from += 1;
  while (to > from && isBlank(message[to - 1]!)) to -= 1;
  if (to - from > 1000 || !isAscii(message.subarray(from, to))) return undefined;
  const text = message.toString('latin1', from, to);
  return text.includes('\n') || text.includes('=?') ? undefined : text;
}

/** RFC 5322 §2.2.3: line endings go, the white space after them stays. */
export function unfold(value: Buffer): Buffer {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value[start]!)) start += 1;
  while (end > start && isBlank(value[end - 1]!)) end -= 1;
  const trimmed = value.subarray(start, end);
  if (!trimmed.includes(LF)) return trimmed;
  const unfolded = Buffer.allocUnsafe(trimmed.length);
  let length = 0;
  for (let at = 0; at < trimmed.length; at++) {
    const octet = trimmed[at]!;
    if (octet !== LF && (octet !== CR || trimmed[at + 1] !== LF)) unfolded[length++] = octet;
  }
  return unfolded.subarray(0, length);
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === CR || byte === LF;
}

/** Where the blank line begins after the headers; -1 when there is none. */
export function endOfHeaders(message: Buffer): number {
  return scanHeaders(message, () => true);
}

/** The message with a header line (which ends in CRLF) before all others. */
export function prependHeader(message: Buffer, line: string): Buffer {
  return Buffer.concat([Buffer.from(line), message]);
}

/** The message with a header line after all others. Throws HeaderError when nothing ends its headers. */
export function appendHeader(message: Buffer, line: string): Buffer {
  const end = endOfHeaders(message);
  if (end < 0) throw new HeaderError('the message has no blank line after its headers');
  return Buffer.concat([message.subarray(0, end), Buffer.from(line), message.subarray(end)]);
}

/** The message without the headers that `unwanted` takes; the same buffer when there are none. */
export function removeHeaders(message: Buffer, unwanted: (name: string) => boolean): Buffer {
  const kept: Buffer[] = [];
  let end = 0;
  for (const field of headersOf(message, unwanted)) {
    kept.push(message.subarray(end, field.start));
    end = field.end;
  }
  return end === 0 ? message : Buffer.concat([...kept, message.subarray(end)]);
}

/**
 * The line `name: value` with CRLF. `encode`: folded at 75 and at most 900 characters, RFC 2047 where it is not
 * ASCII; otherwise as given. Throws HeaderError for a name that is none and for a line break that would begin
 * a header of its own.
 */
export function formatHeader(name: string, value: string, encode = false): string {
  if (!isName(name)) throw new HeaderError(`'${clipped(name)}' is no header name`);
  if (encode) {
    const column = name.length + 2;
    const text = value.replace(/[\r\n]+[ \t]*/g, ' ').trim();
    return `${name}: ${foldText(encodeWords(text, column), 75, 900, column, true)}\r\n`;
  }
  const folded = value.replace(/\r?\n$/, '').replace(/\r?\n(?=[ \t])/g, '\r\n');
  if (/\r(?!\n)|\n(?![ \t])/.test(folded)) {
    throw new HeaderError(
      `the value of ${clipped(name)} has a line break that is not followed by white space`,
    );
  }
  return `${name}: ${folded}\r\n`;
}
