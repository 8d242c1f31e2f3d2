import type { Canonicalization } from './canonical-body.ts';

/** RFC 6376 §3.3, RFC 8463 §3. */
export type SigningAlgorithm = 'rsa-sha256' | 'ed25519-sha256';

/** What a DKIM-Signature says, without the signature itself (RFC 6376 §3.5). */
export interface SignatureTags {
  readonly algorithm: SigningAlgorithm;
  readonly headerCanonicalization: Canonicalization;
  readonly bodyCanonicalization: Canonicalization;
  readonly domain: string;
  readonly selector: string;
  /** Seconds since 1970. */
  readonly time: number;
  /** Seconds since 1970; without it the signature does not expire. */
  readonly expires: number | undefined;
  readonly headers: readonly string[];
  /** In base64. */
  readonly bodyHash: string;
}

/** Columns of a line, as RFC 5322 §2.1.1 would have them. */
const WIDTH = 78;

/**
 * Name and value up to `b=`, whose value is to follow; folded, without CRLF at the end. `opening` is the name with the
 * first tag.
 */
export function signatureField(tags: SignatureTags, opening = 'DKIM-Signature: v=1;'): string {
  const { algorithm, domain, selector, time, expires, headers, bodyHash } = tags;
  const canonicalization = `${tags.headerCanonicalization}/${tags.bodyCanonicalization}`;
  const lines = foldTags([
    opening,
    `a=${algorithm};`,
    `c=${canonicalization};`,
    `d=${domain};`,
    `s=${selector};`,
    `t=${time};`,
    ...(expires === undefined ? [] : [`x=${expires};`]),
  ]);
  return `${lines}\r\n\t${foldNames(headers)};\r\n\tbh=${bodyHash};\r\n\tb=`;
}

function foldTags(tags: readonly string[]): string {
  let text = '';
  let column = 0;
  for (const tag of tags) {
    if (column > 0 && column + 1 + tag.length > WIDTH) {
      text += '\r\n\t';
      column = 8;
    } else if (column > 0) {
      text += ' ';
      column += 1;
    }
    text += tag;
    column += tag.length;
  }
  return text;
}

/** RFC 6376 §3.5: white space may stand around the colons of `h=`. */
function foldNames(headers: readonly string[]): string {
  let text = 'h=';
  let column = 10;
  for (const [index, name] of headers.entries()) {
    if (index > 0) {
      text += ':';
      column += 1;
      if (column + name.length + 1 > WIDTH) {
        text += '\r\n\t ';
        column = 9;
      }
    }
    text += name;
    column += name.length;
  }
  return text;
}

/** A signature in base64 as the value of `b=`, where white space does not count. */
export function foldSignature(base64: string): string {
  let text = base64.slice(0, WIDTH - 10);
  for (let at = text.length; at < base64.length; ) {
    const end = at + WIDTH - 9;
    text += `\r\n\t ${base64.slice(at, end)}`;
    at = end;
  }
  return text;
}
