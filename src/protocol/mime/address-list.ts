import { decodeEncodedWords, encodeWords } from './encoded-word.ts';
import { HeaderSyntaxError, HeaderTokens, quoteUnless } from './header-tokens.ts';

/** RFC 5322 §3.4.1. Both parts are decoded: quotes and escapes are gone. */
export interface AddrSpec {
  local_part: string;
  domain: string;
}

/** RFC 5322 §3.4. `name` is decoded; null when there is none. */
export interface Mailbox {
  name: string | null;
  address: AddrSpec;
}

export interface Group {
  name: string;
  entries: Mailbox[];
}

export type Address = Mailbox | Group;

export function isGroup(address: Address): address is Group {
  return 'entries' in address;
}

/** RFC 5322 §3.2.3 dot-atom-text. */
const DOT_ATOM = /^[^\s()<>[\]:;@\\,."\x00-\x1f\x7f]+(?:\.[^\s()<>[\]:;@\\,."\x00-\x1f\x7f]+)*$/;

/** `local@domain`, the local part quoted where it needs to be. */
export function formatAddrSpec({ local_part, domain }: AddrSpec): string {
  return `${quoteUnless(DOT_ATOM, local_part)}@${domain}`;
}

/** A word of a phrase or of a local part. */
interface Word {
  text: string;
  isQuoted: boolean;
  /** White space or a comment stood before it. */
  spaced: boolean;
}

/**
 * Parses an address list (RFC 5322 §3.4 with the obsolete forms of §4.4: empty places, routes, dots in names;
 * UTF-8 as RFC 6532 allows it). Throws HeaderSyntaxError for anything else.
 */
export function parseAddressList(text: string): Address[] {
  const tokens = new HeaderTokens(text);
  const list: Address[] = [];
  for (;;) {
    const address = parseAddress(tokens, true);
    if (address !== undefined) list.push(address);
    if (tokens.isAtEnd) return list;
    if (!tokens.take(',')) tokens.fail('a comma');
  }
}

/** As parseAddressList, without groups. */
export function parseMailboxList(text: string): Mailbox[] {
  return parseAddressList(text).map((address) => {
    if (isGroup(address)) throw new HeaderSyntaxError('a group cannot stand here');
    return address;
  });
}

/** One mailbox and nothing else. */
export function parseMailbox(text: string): Mailbox {
  const list = parseMailboxList(text);
  if (list.length !== 1) throw new HeaderSyntaxError(`expected one mailbox, got ${list.length}`);
  return list[0]!;
}

/** Undefined for an empty place in the list. */
function parseAddress(tokens: HeaderTokens, mayBeGroup: boolean): Address | undefined {
  const words = readWords(tokens);
  if (tokens.take('<')) return { name: words.length === 0 ? null : phrase(words), address: angle(tokens) };
  if (tokens.next === '@') return { name: null, address: addrSpec(tokens, words) };
  if (mayBeGroup && words.length > 0 && tokens.take(':')) return group(tokens, phrase(words));
  if (words.length > 0) tokens.fail('@ or <');
  return undefined;
}

function readWords(tokens: HeaderTokens): Word[] {
  const words: Word[] = [];
  for (;;) {
    const spaced = tokens.skip();
    if (tokens.next === '"') words.push({ text: tokens.quoted(), isQuoted: true, spaced });
    else {
      const text = tokens.take('.') ? '.' : tokens.atom();
      if (text === '') return words;
      words.push({ text, isQuoted: false, spaced });
    }
  }
}

function group(tokens: HeaderTokens, name: string): Group {
  const entries: Mailbox[] = [];
  for (;;) {
    const mailbox = parseAddress(tokens, false) as Mailbox | undefined;
    if (mailbox !== undefined) entries.push(mailbox);
    if (tokens.take(';')) break;
    if (!tokens.take(',')) tokens.fail('a comma or ; of the group');
  }
  tokens.skip();
  return { name, entries };
}

function angle(tokens: HeaderTokens): AddrSpec {
  let words = readWords(tokens);
  // RFC 5322 §4.4: a route may stand before the address; it has no meaning any more.
  if (words.length === 0 && (tokens.next === '@' || tokens.next === ',')) {
    tokens.until(':>');
    if (!tokens.take(':')) tokens.fail(': after the route');
    words = readWords(tokens);
  }
  const address = addrSpec(tokens, words);
  if (!tokens.take('>')) tokens.fail('>');
  tokens.skip();
  return address;
}

function addrSpec(tokens: HeaderTokens, words: readonly Word[]): AddrSpec {
  const local_part = localPart(words);
  if (local_part === undefined || !tokens.take('@')) tokens.fail('a mail address');
  tokens.skip();
  let domain = '';
  if (tokens.take('[')) {
    domain = `[${tokens.until('[]').trim()}]`;
    if (!tokens.take(']')) tokens.fail(']');
    tokens.skip();
  } else {
    const labels = readWords(tokens);
    domain = localPart(labels) ?? '';
    if (domain === '' || labels.some((label) => label.isQuoted)) tokens.fail('a domain');
  }
  return { local_part, domain };
}

/** word *("." word) (RFC 5322 §4.4); undefined when the words are anything else. */
function localPart(words: readonly Word[]): string | undefined {
  if (words.length % 2 === 0) return undefined;
  const dotsAreBetween = words.every(
    ({ text, isQuoted }, at) => (text === '.' && !isQuoted) === (at % 2 === 1),
  );
  return dotsAreBetween ? words.map(({ text }) => text).join('') : undefined;
}

/** The words as people read them: encoded words decoded (RFC 2047 §5 (3)), but not inside quotes. */
function phrase(words: readonly Word[]): string {
  const pieces: string[] = [];
  let run = '';
  const flush = () => {
    if (run !== '') pieces.push(decodeEncodedWords(Buffer.from(run)).toString());
    run = '';
  };
  for (const { text, isQuoted, spaced } of words) {
    const gap = spaced && (run !== '' || pieces.length > 0) ? ' ' : '';
    if (!isQuoted) run += gap + text;
    else {
      run += gap;
      flush();
      pieces.push(text);
    }
  }
  flush();
  return pieces.join('');
}

const PLAIN_PHRASE = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;

/** A display name for a header: atoms, a quoted string, or encoded words. */
function formatPhrase(name: string): string {
  const line = name.replace(/[\r\n]+/g, ' ');
  if (/^[\t -~]*$/.test(line) && !line.includes('=?')) return quoteUnless(PLAIN_PHRASE, line);
  // In a phrase no quoted string may hold an encoded word, so the whole name is encoded as one.
  return encodeWords(line, 0, true);
}

export function formatMailbox({ name, address }: Mailbox): string {
  const spec = formatAddrSpec(address);
  return name === null || name === '' ? spec : `${formatPhrase(name)} <${spec}>`;
}

/** The list as the value of a header, not folded. */
export function formatAddressList(list: readonly Address[]): string {
  return list
    .map((entry) =>
      isGroup(entry)
        ? `${formatPhrase(entry.name)}: ${entry.entries.map(formatMailbox).join(', ')};`
        : formatMailbox(entry),
    )
    .join(', ');
}
