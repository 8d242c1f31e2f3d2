import { decodeEncodedWords } from './encoded-word.ts';
import { HeaderTokens, quoteUnless } from './header-tokens.ts';
import { textDecoder } from './text-decoders.ts';

/** A value with parameters, as in Content-Type (RFC 2045 §5.1). Names of parameters are in lower case. */
export interface MimeParameters {
  value: string;
  parameters: Map<string, string>;
}

const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/;
/** More sections of one parameter than this are not looked at (RFC 2231 §3). */
const MOST_SECTIONS = 1000;
/** Nor more parameters; sections count as well. */
const MOST_PARAMETERS = 2000;

interface Section {
  text: string;
  isEncoded: boolean;
}

/**
 * Parses `value; name=value ...`, with RFC 2231 continuations and charsets. Lenient, as senders are: what is
 * no parameter is passed over, and of two with one name the first holds. Throws HeaderSyntaxError when a
 * comment or a quoted string does not end.
 */
export function parseMimeParameters(text: string): MimeParameters {
  const tokens = new HeaderTokens(text);
  tokens.skip();
  let value = tokens.token();
  tokens.skip();
  if (tokens.take('/')) {
    tokens.skip();
    value += `/${tokens.token()}`;
  }
  const sections = new Map<string, Map<number, Section>>();
  const parameters = new Map<string, string>();
  for (let count = 0; count < MOST_PARAMETERS && !tokens.isAtEnd; count++) {
    tokens.until(';');
    tokens.take(';');
    tokens.skip();
    const name = tokens.token().toLowerCase();
    tokens.skip();
    if (name === '' || !tokens.take('=')) continue;
    tokens.skip();
    const text = tokens.next === '"' ? tokens.quoted() : tokens.until('; \t\r\n(');
    const star = name.indexOf('*');
    if (star < 0) {
      if (!parameters.has(name)) parameters.set(name, decodeWords(text));
    } else addSection(sections, name, star, text);
  }
  for (const [name, parts] of sections) parameters.set(name, joinSections(parts));
  return { value, parameters };
}

/** RFC 2047 §5 forbids encoded words in parameters, but many senders write file names so. */
function decodeWords(text: string): string {
  return text.includes('=?') ? decodeEncodedWords(Buffer.from(text)).toString() : text;
}

/** `name*`, `name*0`, `name*0*`. */
function addSection(
  sections: Map<string, Map<number, Section>>,
  name: string,
  star: number,
  text: string,
): void {
  const isEncoded = name.endsWith('*');
  const number = isEncoded ? name.slice(star + 1, -1) : name.slice(star + 1);
  const at = number === '' ? 0 : Number(number);
  if (!/^\d{0,4}$/.test(number) || at >= MOST_SECTIONS) return;
  const base = name.slice(0, star);
  const parts = sections.get(base) ?? new Map<number, Section>();
  sections.set(base, parts);
  if (!parts.has(at)) parts.set(at, { text, isEncoded });
}

function joinSections(parts: ReadonlyMap<number, Section>): string {
  const pieces: Buffer[] = [];
  let charset = 'utf-8';
  for (let at = 0; parts.has(at); at++) {
    const { text, isEncoded } = parts.get(at)!;
    let rest = text;
    const quotes = at === 0 && isEncoded ? /^([^']*)'[^']*'/.exec(text) : null;
    if (quotes !== null) {
      charset = quotes[1] || charset;
      rest = text.slice(quotes[0].length);
    }
    pieces.push(isEncoded ? decodePercent(rest) : Buffer.from(rest));
  }
  const bytes = Buffer.concat(pieces);
  return textDecoder(charset)?.decode(bytes) ?? bytes.toString();
}

function decodePercent(text: string): Buffer {
  const bytes = Buffer.from(text).toString('latin1');
  const decoded = bytes.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, 'latin1');
}

/** The value of a header, not folded; what is not ASCII, or long, as RFC 2231 has it. */
export function formatMimeParameters({ value, parameters }: MimeParameters): string {
  let text = value.replace(/[^!-~]/g, '');
  for (const [name, content] of parameters) {
    if (!TOKEN.test(name)) continue;
    text += `; ${formatParameter(name, content)}`;
  }
  return text;
}

/** Characters of one section, so that its line stays below 78. */
const SECTION = 50;

function formatParameter(name: string, content: string): string {
  const isAscii = /^[ -~]*$/.test(content);
  if (isAscii && content.length <= SECTION + 20) return `${name}=${quoteUnless(TOKEN, content)}`;
  const encoded = encodeURIComponent(content.toWellFormed()).replace(/['()*]/g, percent);
  const pieces = encoded.match(/(?:%..|[^%]){1,16}/g) ?? [];
  if (pieces.length <= 1) return `${name}*=utf-8''${encoded}`;
  return pieces.map((piece, at) => `${name}*${at}*=${at === 0 ? "utf-8''" : ''}${piece}`).join('; ');
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
