import { isIpAddress, parseIpv4 } from '../ip/index.ts';

/** RFC 5321 §4.5.3.1.1 and §4.5.3.1.2, in octets. */
const MAX_LOCAL_PART = 64;
const MAX_DOMAIN = 255;
/** RFC 1035 §2.3.4, in octets. */
const MAX_LABEL = 63;

const AT = 0x40;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const DOT = 0x2e;
const HYPHEN = 0x2d;
const QUOTE = 0x22;
const UNDERSCORE = 0x5f;

/**
 * An address of the envelope (RFC 5321 §4.1.2, with UTF-8 as RFC 6531 §3.3 allows it). Immutable.
 * The null sender has neither local part nor domain; `Postmaster` has no domain.
 */
export class EnvelopeAddress {
  /** As on the wire: quoting kept. */
  readonly localPart: string;
  /** As given: case kept, address literals with their brackets; '' for the null sender and Postmaster. */
  readonly domain: string;

  static readonly nullSender = new EnvelopeAddress('', '');

  private constructor(localPart: string, domain: string) {
    this.localPart = localPart;
    this.domain = domain;
  }

  /**
   * Parses `user@host` or `<user@host>`. A source route is dropped (RFC 5321 appendix C), '' and `<>` are the
   * null sender, `Postmaster` needs no domain (§4.1.1.3). Undefined when the text is no address.
   */
  static parse(text: string): EnvelopeAddress | undefined {
    let start = 0;
    let end = text.length;
    if (end >= 2 && text.charCodeAt(0) === 0x3c && text.charCodeAt(end - 1) === 0x3e) {
      start = 1;
      end -= 1;
    }
    if (start === end) return EnvelopeAddress.nullSender;
    if (text.charCodeAt(start) === AT) {
      start = skipSourceRoute(text, start, end);
      if (start < 0) return undefined;
    }
    const at = scanLocalPart(text, start, end);
    if (at < 0) return undefined;
    if (at === end) {
      const isPostmaster = text.slice(start, end).toLowerCase() === 'postmaster';
      return isPostmaster ? new EnvelopeAddress('Postmaster', '') : undefined;
    }
    if (text.charCodeAt(at) !== AT || scanDomain(text, at + 1, end) !== end) return undefined;
    const localPart = text.slice(start, at);
    const domain = text.slice(at + 1, end);
    if (octets(localPart) > MAX_LOCAL_PART || octets(domain) > MAX_DOMAIN) return undefined;
    return new EnvelopeAddress(localPart, domain);
  }

  /** The local part as people read it: `"a b"@x` is `a b`, Postmaster without domain is `postmaster`. */
  get user(): string {
    if (this.domain === '') return this.localPart.toLowerCase();
    if (this.localPart.charCodeAt(0) !== QUOTE) return this.localPart;
    return this.localPart.slice(1, -1).replace(/\\(.)/gsu, '$1');
  }

  get email(): string {
    return this.domain === '' ? this.localPart : `${this.localPart}@${this.domain}`;
  }

  /** True when sending it needs SMTPUTF8 (RFC 6531). */
  get isInternationalized(): boolean {
    return !isAscii(this.localPart) || !isAscii(this.domain);
  }

  toString(): string {
    return this.email;
  }
}

/** Whether `text` is a Domain of RFC 5321 §4.1.2 or an address literal; underscores are let through. */
export function isDomainOrLiteral(text: string): boolean {
  return text !== '' && octets(text) <= MAX_DOMAIN && scanDomain(text, 0, text.length) === text.length;
}

/** The scanners return the index after what they know, or -1. */
function skipSourceRoute(text: string, start: number, end: number): number {
  let index = start;
  for (;;) {
    if (text.charCodeAt(index) !== AT) return -1;
    index = scanDomain(text, index + 1, end);
    if (index < 0 || index >= end) return -1;
    const code = text.charCodeAt(index);
    index += 1;
    if (code === COLON) return index;
    if (code !== COMMA) return -1;
  }
}

function scanLocalPart(text: string, start: number, end: number): number {
  return text.charCodeAt(start) === QUOTE ? scanQuoted(text, start, end) : scanDotString(text, start, end);
}

function scanQuoted(text: string, start: number, end: number): number {
  for (let index = start + 1; index < end; index++) {
    let code = text.charCodeAt(index);
    if (code === QUOTE) return index + 1;
    if (code === BACKSLASH) {
      index += 1;
      if (index >= end) return -1;
      code = text.charCodeAt(index);
      if (code >= 0x7f) return -1;
    }
    if (code < 0x20 || code === 0x7f) return -1;
    if (code > 0x7f && !isUtf8Text(text, index)) return -1;
  }
  return -1;
}

function scanDotString(text: string, start: number, end: number): number {
  let index = start;
  let atomStart = start;
  for (; index < end; index++) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (index === atomStart) return -1;
      atomStart = index + 1;
    } else if (code > 0x7f ? !isUtf8Text(text, index) : ATEXT[code] === 0) break;
  }
  return index === atomStart ? -1 : index;
}

function scanDomain(text: string, start: number, end: number): number {
  if (text.charCodeAt(start) === 0x5b) return scanLiteral(text, start, end);
  let index = start;
  let labelStart = start;
  for (; index < end; index++) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (!isLabel(text, labelStart, index)) return -1;
      labelStart = index + 1;
    } else if (
      code > 0x7f ? !isUtf8Text(text, index) : !isLetDig(code) && code !== HYPHEN && code !== UNDERSCORE
    ) {
      break;
    }
  }
  return isLabel(text, labelStart, index) ? index : -1;
}

function isLabel(text: string, start: number, end: number): boolean {
  if (end === start || text.charCodeAt(start) === HYPHEN || text.charCodeAt(end - 1) === HYPHEN) return false;
  // A U-label may be longer in UTF-8 than the A-label that DNS will see; whoever converts it checks that.
  return end - start <= MAX_LABEL;
}

/** RFC 5321 §4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]` or `[tag:content]`. */
function scanLiteral(text: string, start: number, end: number): number {
  const close = text.indexOf(']', start);
  if (close < 0 || close >= end) return -1;
  const content = text.slice(start + 1, close);
  const colon = content.indexOf(':');
  if (colon < 0) return parseIpv4(content) >= 0 ? close + 1 : -1;
  const tag = content.slice(0, colon);
  const rest = content.slice(colon + 1);
  if (tag.toLowerCase() === 'ipv6') return rest.includes(':') && isIpAddress(rest) ? close + 1 : -1;
  return /^[A-Za-z0-9-]*[A-Za-z0-9]$/.test(tag) && /^[!-Z^-~]+$/.test(rest) ? close + 1 : -1;
}

function isLetDig(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39);
}

/** RFC 5322 §3.2.3 atext, as a table over ASCII. */
const ATEXT = new Uint8Array(128);
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~") {
  ATEXT[character.charCodeAt(0)] = 1;
}

/**
 * Whether the UTF-16 unit at `index` is part of text that can stand in an address. C1 controls, half a
 * surrogate pair and U+FFFD (what bad UTF-8 decodes to) cannot.
 */
function isUtf8Text(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  if (code < 0xa0 || code === 0xfffd) return false;
  if (code < 0xd800 || code > 0xdfff) return true;
  if (code < 0xdc00) {
    const next = text.charCodeAt(index + 1);
    return next >= 0xdc00 && next <= 0xdfff;
  }
  const previous = text.charCodeAt(index - 1);
  return previous >= 0xd800 && previous <= 0xdbff;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}

/** Length in UTF-8. */
function octets(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    // Each half of a surrogate pair stands for two of four octets.
    if (code > 0x7f) count += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return count;
}
