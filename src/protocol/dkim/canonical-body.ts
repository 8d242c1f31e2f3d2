/** RFC 6376 §3.4: how much a message may change on its way without breaking the signature. */
export type Canonicalization = 'simple' | 'relaxed';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const CRLF = Buffer.from('\r\n');

/**
 * The body as it is hashed. `body` is what is sent: no CR or LF stands alone, and the last line may lack its CRLF,
 * which is put there. Nothing is copied where the body is in this form already.
 */
export function canonicalBody(canonicalization: Canonicalization, body: Buffer): Buffer {
  return canonicalization === 'simple' ? simpleBody(body) : relaxedBody(body);
}

/** RFC 6376 §3.4.3: without the empty lines at its end; one CRLF ends it, also where there is nothing. */
function simpleBody(body: Buffer): Buffer {
  let end = body.length;
  while (end >= 2 && body[end - 2] === CR && body[end - 1] === LF) end -= 2;
  return withLineEnding(body, end);
}

/**
 * RFC 6376 §3.4.4: white space at the end of a line goes, other white space becomes one space, empty lines at the
 * end go; what has no text becomes nothing.
 */
function relaxedBody(body: Buffer): Buffer {
  let end = body.length;
  while (end > 0 && isBlank(body[end - 1]!)) end -= 1;
  if (end === 0) return body.subarray(0, 0);
  const unfit = firstUnfit(body, end);
  return unfit === end ? withLineEnding(body, end) : rewrite(body, unfit, end);
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB || octet === CR || octet === LF;
}

/** The body up to `end` with one CRLF after it. */
function withLineEnding(body: Buffer, end: number): Buffer {
  const isThere = body[end] === CR && body[end + 1] === LF;
  return isThere ? body.subarray(0, end + 2) : Buffer.concat([body.subarray(0, end), CRLF]);
}

/** Index of the first white space that is more than one space within a line; `end` when there is none. */
function firstUnfit(body: Buffer, end: number): number {
  for (let at = 0; at < end; at++) {
    const octet = body[at]!;
    if (octet === SPACE ? isBlank(body[at + 1]!) : octet === TAB) return at;
  }
  return end;
}

/** The text up to `end` with one CRLF after it; the part before `unfit` stays as it is. */
function rewrite(body: Buffer, unfit: number, end: number): Buffer {
  const canonical = Buffer.allocUnsafe(end + 2);
  let length = body.copy(canonical, 0, 0, unfit);
  let at = unfit;
  while (at < end) {
    do at += 1;
    while (body[at] === SPACE || body[at] === TAB);
    if (body[at] !== CR) canonical[length++] = SPACE;
    for (; at < end; at++) {
      const octet = body[at]!;
      if (octet === SPACE ? isBlank(body[at + 1]!) : octet === TAB) break;
      canonical[length++] = octet;
    }
  }
  canonical[length++] = CR;
  canonical[length++] = LF;
  return canonical.subarray(0, length);
}
