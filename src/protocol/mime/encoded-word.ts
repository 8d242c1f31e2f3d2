import { isUtf8 } from 'node:buffer';
import { textDecoder } from './text-decoders.ts';

/** RFC 2047 §2: no encoded word is longer than this. */
const LONGEST_WORD = 75;
const PREFIX = '=?UTF-8?';

/** RFC 2047 §2, with the language that RFC 2231 §5 allows after the charset. */
const ENCODED_WORD = /=\?([!#$%&'+\-0-9A-Z^_`a-z{}~]+)(?:\*[A-Za-z0-9-]*)?\?([BbQq])\?([!->@-~]*)\?=/g;

/**
 * Decodes the encoded words in the value of an unstructured header. What cannot be decoded stays as it is.
 * Gives bytes, which are UTF-8 unless the header itself held other bytes.
 */
export function decodeEncodedWords(value: Buffer): Buffer {
  if (!value.includes('=?')) return value;
  const text = value.toString('latin1');
  const parts: Buffer[] = [];
  let end = 0;
  // Neighbours of one charset are joined before they are decoded: some senders split characters between them.
  let pending: { charset: string; bytes: Buffer[]; raw: string } | undefined;
  const flush = () => {
    if (pending !== undefined)
      parts.push(decodeCharset(pending.charset, Buffer.concat(pending.bytes), pending.raw));
    pending = undefined;
  };
  for (const match of text.matchAll(ENCODED_WORD)) {
    const between = text.slice(end, match.index);
    // RFC 2047 §6.2: white space between encoded words is not shown.
    const adjacent = pending !== undefined && /^[ \t\r\n]*$/.test(between);
    if (!adjacent) {
      flush();
      parts.push(Buffer.from(between, 'latin1'));
    }
    const charset = match[1]!.toLowerCase();
    const bytes = match[2]!.toLowerCase() === 'b' ? Buffer.from(match[3]!, 'base64') : decodeQ(match[3]!);
    if (pending !== undefined && pending.charset !== charset) flush();
    if (pending === undefined) pending = { charset, bytes: [bytes], raw: match[0] };
    else {
      pending.bytes.push(bytes);
      pending.raw += between + match[0];
    }
    end = match.index + match[0].length;
  }
  flush();
  parts.push(Buffer.from(text.slice(end), 'latin1'));
  return Buffer.concat(parts);
}

function decodeQ(text: string): Buffer {
  const bytes = text
    .replace(/_/g, ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}

function decodeCharset(charset: string, bytes: Buffer, raw: string): Buffer {
  if ((charset === 'utf-8' || charset === 'us-ascii') && isUtf8(bytes)) return bytes;
  const decoder = textDecoder(charset);
  return decoder === undefined ? Buffer.from(raw, 'latin1') : Buffer.from(decoder.decode(bytes));
}

/**
 * Encodes what an unstructured header cannot hold: from the first word that is not plain ASCII to the last.
 * Encoded words are separated by single spaces, so that the text can be folded there. Text of plain words
 * comes back as it is. `column` is where the text begins in its line, which the first encoded word makes up for.
 * `whole`: the text is encoded from end to end, as a phrase must be.
 */
export function encodeWords(text: string, column = 0, whole = false): string {
  if (whole) return encodeRun(text, column);
  const words = text.split(' ');
  const needy = (word: string) => !/^[\t!-~]*$/.test(word) || word.includes('=?');
  const first = words.findIndex(needy);
  if (first < 0) return text;
  const last = words.findLastIndex(needy);
  const encoded = encodeRun(words.slice(first, last + 1).join(' '), first === 0 ? column : 0);
  return [...words.slice(0, first), encoded, ...words.slice(last + 1)].join(' ');
}

function encodeRun(text: string, column: number): string {
  const bytes = Buffer.from(text);
  const room = LONGEST_WORD - PREFIX.length - 'Q?'.length - '?='.length;
  // Q keeps text readable that is mostly ASCII; B is shorter for the rest.
  const useQ = countNeedy(bytes) * 2 <= bytes.length;
  const chunks: string[] = [];
  let chunk = '';
  // Octets of the chunk, for Q as they are written.
  let octets = 0;
  // RFC 2047 §5: a character is not split between encoded words.
  for (const character of text) {
    const more = useQ ? widthInQ(character) : Buffer.byteLength(character);
    const length = useQ ? octets + more : Math.ceil((octets + more) / 3) * 4;
    const taken = chunks.length === 0 ? Math.min(column, room / 2) : 0;
    if (length > room - taken) {
      chunks.push(chunk);
      chunk = character;
      octets = more;
    } else {
      chunk += character;
      octets += more;
    }
  }
  chunks.push(chunk);
  return chunks
    .map((part) => `${PREFIX}${useQ ? `Q?${encodeQ(part)}` : `B?${Buffer.from(part).toString('base64')}`}?=`)
    .join(' ');
}

/** Octets that Q writes as `=XX`. */
function countNeedy(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at++) count += 1 - PLAIN_Q[bytes[at]!]!;
  return count;
}

/** Octets of a character as Q writes it. */
function widthInQ(character: string): number {
  const code = character.charCodeAt(0);
  if (code < 0x80) return PLAIN_Q[code] === 1 ? 1 : 3;
  return Buffer.byteLength(character) * 3;
}

function encodeQ(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    if (byte === 0x20) encoded += '_';
    else if (PLAIN_Q[byte] === 1) encoded += String.fromCharCode(byte);
    else encoded += `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** Letters, digits and what RFC 2047 §5 (3) allows in every place; a space becomes one `_`. */
const PLAIN_Q = new Uint8Array(256);
for (const character of ' !*+-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') {
  PLAIN_Q[character.charCodeAt(0)] = 1;
}
