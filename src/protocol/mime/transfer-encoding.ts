import { isAscii, isUtf8 } from 'node:buffer';
import { hasBareLineEnding } from '../smtp/index.ts';
import { textDecoder } from './text-decoders.ts';

/** RFC 5322 §2.1.1: octets of a line without its CRLF. */
export const LONGEST_LINE = 998;

export type TransferEncoding = '7bit' | '8bit' | 'binary' | 'base64' | 'quoted-printable';

const LF = 0x0a;
const CR = 0x0d;
const EQUALS = 0x3d;

/** Undoes a Content-Transfer-Encoding (RFC 2045 §6). Lenient; undefined for an encoding that nobody knows. */
export function decodeTransfer(body: Buffer, encoding: string): Buffer | undefined {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case '7bit':
    case '8bit':
    case 'binary':
      return body;
    case 'base64':
      return Buffer.from(body.toString('latin1'), 'base64');
    case 'quoted-printable':
      return decodeQuotedPrintable(body);
    default:
      return undefined;
  }
}

/** RFC 2045 §6.7; an `=` that begins nothing stays as it is. */
export function decodeQuotedPrintable(body: Buffer): Buffer {
  if (!body.includes(EQUALS)) return body;
  const decoded = Buffer.allocUnsafe(body.length);
  let length = 0;
  let at = 0;
  while (at < body.length) {
    const octet = body[at++]!;
    if (octet !== EQUALS) {
      decoded[length++] = octet;
      continue;
    }
    const escaped = (hexDigit(body[at]) << 4) | hexDigit(body[at + 1]);
    if (escaped >= 0) {
      decoded[length++] = escaped;
      at += 2;
      continue;
    }
    const lineEnd = softBreak(body, at);
    if (lineEnd > 0) at = lineEnd;
    else decoded[length++] = EQUALS;
  }
  return decoded.subarray(0, length);
}

/** -1 when it is none, which keeps any number it is or-ed into below zero. */
function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** After the line end that, with white space before it, begins at `from`; 0 when there is none. */
function softBreak(body: Buffer, from: number): number {
  let at = from;
  while (at - from < LONGEST_LINE && (body[at] === 0x20 || body[at] === 0x09)) at += 1;
  if (body[at] === CR && body[at + 1] === LF) return at + 2;
  if (body[at] === LF) return at + 1;
  return at === body.length ? at : 0;
}

/** Columns of a line of quoted-printable without its soft break (RFC 2045 §6.7 (5)). */
const QP_COLUMNS = 75;

/** Encodes text; its line ends, which are CRLF, stay line ends (RFC 2045 §6.7). */
export function encodeQuotedPrintable(body: Buffer): Buffer {
  // Three octets for each, and three for a soft break after at least 73 of them.
  const encoded = Buffer.allocUnsafe(body.length * 3 + Math.ceil((body.length * 3) / 73) * 3);
  let length = 0;
  let column = 0;
  for (let at = 0; at < body.length; at++) {
    const octet = body[at]!;
    const next = body[at + 1];
    if (octet === CR && next === LF) {
      length = writeBreak(encoded, length);
      column = 0;
      at += 1;
      continue;
    }
    const isLast = next === undefined || (next === CR && body[at + 2] === LF);
    const plain = isPlain(octet, isLast);
    const width = plain ? 1 : 3;
    if (column + width > (isLast ? QP_COLUMNS + 1 : QP_COLUMNS)) {
      encoded[length++] = EQUALS;
      length = writeBreak(encoded, length);
      column = 0;
    }
    if (plain) encoded[length++] = octet;
    else {
      encoded[length++] = EQUALS;
      encoded[length++] = HEX.charCodeAt(octet >> 4);
      encoded[length++] = HEX.charCodeAt(octet & 15);
    }
    column += width;
  }
  return encoded.subarray(0, length);
}

const HEX = '0123456789ABCDEF';

function writeBreak(encoded: Buffer, length: number): number {
  encoded[length] = CR;
  encoded[length + 1] = LF;
  return length + 2;
}

/** RFC 2045 §6.7 (3): white space at the end of a line is encoded. */
function isPlain(octet: number, isLast: boolean): boolean {
  if (octet === 0x20 || octet === 0x09) return !isLast;
  return octet > 0x20 && octet < 0x7f && octet !== EQUALS;
}

/** Base64 in lines of 76 (RFC 2045 §6.8). */
export function encodeBase64(body: Buffer): Buffer {
  const text = Buffer.from(body.toString('base64'), 'latin1');
  const encoded = Buffer.allocUnsafe(text.length + Math.ceil(text.length / 76) * 2);
  let length = 0;
  for (let at = 0; at < text.length; at += 76) {
    length += text.copy(encoded, length, at, Math.min(at + 76, text.length));
    length = writeBreak(encoded, length);
  }
  return encoded;
}

/** Whether the body may travel as 7bit: ASCII, no NUL, no bare CR or LF, no long line (RFC 2045 §2.7). */
export function isSevenBit(body: Buffer): boolean {
  return isAscii(body) && !body.includes(0) && !hasLongLine(body) && !hasBareLineEnding(body);
}

/** Whether a line is longer than LONGEST_LINE. */
export function hasLongLine(body: Buffer): boolean {
  let start = 0;
  // Where a line ends within reach, it and all before it are short enough.
  while (body.length - start > LONGEST_LINE) {
    const reach = start + LONGEST_LINE;
    const end = body.lastIndexOf(LF, reach);
    if (end >= start) start = end + 1;
    else if (body[reach] === CR && body[reach + 1] === LF) start = reach + 2;
    else return true;
  }
  return false;
}

/** Octets without soft breaks, at least. */
function lengthInQuotedPrintable(body: Buffer): number {
  let length = body.length;
  for (let at = 0; at < body.length; at++) {
    const octet = body[at]!;
    if (octet > 0x7e || octet === EQUALS) length += 2;
  }
  return length;
}

/** 7bit where it can carry the text, else quoted-printable, or base64 when that is much shorter. */
export function encodeText(body: Buffer): { encoding: TransferEncoding; bytes: Buffer } {
  if (isSevenBit(body)) return { encoding: '7bit', bytes: body };
  // Base64 takes 78 octets for 57. Text that people can read is worth half as much again.
  const most = (body.length * 78 * 1.5) / 57;
  const quoted = lengthInQuotedPrintable(body) <= most ? encodeQuotedPrintable(body) : undefined;
  if (quoted !== undefined && quoted.length <= most) return { encoding: 'quoted-printable', bytes: quoted };
  return { encoding: 'base64', bytes: encodeBase64(body) };
}

/**
 * Text of bytes in a charset, undefined when nobody knows the charset. US-ASCII and no charset at all are
 * taken for UTF-8 where the bytes are, else for Windows-1252: both are how such mail is meant.
 */
export function decodeText(bytes: Buffer, charset: string): string | undefined {
  const name = charset.toLowerCase();
  const isVague = name === '' || name === 'us-ascii' || name === 'ascii' || name === 'utf-8';
  if (isVague && isUtf8(bytes)) return bytes.toString();
  return textDecoder(isVague && name !== 'utf-8' ? 'windows-1252' : name, true)?.decode(bytes);
}

/**
 * A charset that the text may be in: UTF-8 where it is valid, else the first of `include` (default Windows-1252) in
 * which it has a meaning. None of `exclude`. Undefined when none fits. Names as in the WHATWG encoding standard.
 */
export function detectCharset(
  text: Buffer,
  include: readonly string[] = [],
  exclude: readonly string[] = [],
): string | undefined {
  const unwanted = new Set(exclude.map((name) => name.toLowerCase()));
  const candidates = include.length > 0 ? include : ['utf-8', 'windows-1252'];
  return candidates.find((name) => !unwanted.has(name.toLowerCase()) && hasMeaning(text, name));
}

function hasMeaning(text: Buffer, charset: string): boolean {
  try {
    new TextDecoder(charset, { fatal: true }).decode(text);
    return true;
  } catch {
    return false;
  }
}
