/** RFC 6376 §3.4: how much a message may change on its way without breaking the signature. */
export type Canonicalization = 'simple' | 'relaxed';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const CRLF = Buffer.from('\r\n');

const HIGH = 0x80808080 | 0;
/** Of the last of four octets in memory. */
const LAST = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0x80000000 | 0 : 0x80;

/** Pieces of this length or more are looked through four octets at a time, and copied as a whole. */
const LONG_PIECE = 32;

/**
 * The body as it is hashed. `body` is what is sent: no CR or LF stands alone, and the last line may lack its CRLF,
 * which is put there. Nothing is copied where the body is in this form already; otherwise the result is in `room`
 * when it fits, until that is used again.
 */
export function canonicalBody(canonicalization: Canonicalization, body: Buffer, room?: Buffer): Buffer {
  return canonicalization === 'simple' ? simpleBody(body) : relaxedBody(body, room);
}

/**
 * The same in pieces of about `length` octets, one after the other, for those who have to let others run in between.
 * Each counts until the next is asked for.
 */
export function* canonicalPieces(
  canonicalization: Canonicalization,
  body: Buffer,
  length: number,
  room?: Buffer,
): Generator<Buffer, void> {
  let start = 0;
  for (;;) {
    const cut = withinText(body, start + length);
    if (cut === body.length) {
      yield canonicalBody(canonicalization, body.subarray(start), room);
      return;
    }
    const piece = body.subarray(start, cut);
    // Without the CRLF that a body ends in.
    yield canonicalization === 'simple' ? piece : relaxedBody(piece, room).subarray(0, -2);
    start = cut;
  }
}

/** The first place at `from` or later with text right before and after it; the length where there is none. */
function withinText(body: Buffer, from: number): number {
  for (let at = from; at < body.length; at++) {
    if (!isBlank(body[at]!) && !isBlank(body[at - 1]!)) return at;
  }
  return body.length;
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
function relaxedBody(body: Buffer, room: Buffer | undefined): Buffer {
  let end = body.length;
  while (end > 0 && isBlank(body[end - 1]!)) end -= 1;
  if (end === 0) return body.subarray(0, 0);
  const unfit = nextUnfit(body, 0, end);
  if (unfit === end) return withLineEnding(body, end);
  const size = end + 2;
  return rewrite(
    body,
    unfit,
    end,
    room !== undefined && size <= room.length ? room : Buffer.allocUnsafe(size),
  );
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB || octet === CR || octet === LF;
}

/** The body up to `end` with one CRLF after it. */
function withLineEnding(body: Buffer, end: number): Buffer {
  const isThere = body[end] === CR && body[end + 1] === LF;
  return isThere ? body.subarray(0, end + 2) : Buffer.concat([body.subarray(0, end), CRLF]);
}

/** The text up to `end` with one CRLF after it; the part before `unfit` stays as it is. */
function rewrite(body: Buffer, unfit: number, end: number, canonical: Buffer): Buffer {
  let length = body.copy(canonical, 0, 0, unfit);
  let at = unfit;
  while (at < end) {
    do at += 1;
    while (body[at] === SPACE || body[at] === TAB);
    if (body[at] !== CR) canonical[length++] = SPACE;
    const near = Math.min(at + LONG_PIECE, end);
    for (; at < near && !isUnfit(body, at); at++) canonical[length++] = body[at]!;
    if (at < near) continue;
    const next = nextUnfit(body, at, end);
    length += body.copy(canonical, length, at, next);
    at = next;
  }
  canonical[length++] = CR;
  canonical[length++] = LF;
  return canonical.subarray(0, length);
}

/** Whether white space begins here that is more than one space within a line. */
function isUnfit(body: Buffer, at: number): boolean {
  const octet = body[at]!;
  return octet === SPACE ? isBlank(body[at + 1]!) : octet === TAB;
}

function unfitBetween(body: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at++) if (isUnfit(body, at)) return at;
  return to;
}

/**
 * Index of the next octet that isUnfit; `end` when there is none. Looks closer only at four octets with a tab among
 * them, or with two neighbours that are no text: spaces alone are everywhere.
 */
function nextUnfit(body: Buffer, from: number, end: number): number {
  const start = from + ((4 - ((body.byteOffset + from) & 3)) & 3);
  if (end - start < LONG_PIECE) return unfitBetween(body, from, end);
  const before = unfitBetween(body, from, start);
  if (before < start) return before;
  const count = (end - start) >> 2;
  const words = new Uint32Array(body.buffer, body.byteOffset + start, count);
  for (let index = 0; index < count; index++) {
    const word = words[index]!;
    // The high bit of each octet up to 0x20; a borrow may set that of an octet 0x21 too, which does no harm.
    const blank = (word - 0x21212121) & ~word & HIGH;
    if (blank === 0) continue;
    const tab = word ^ 0x09090909;
    const hasTab = (tab - 0x01010101) & ~tab & HIGH;
    // A last octet that is a space may have a neighbour in the next word.
    if (((blank & (blank >>> 8)) | hasTab | (blank & LAST)) === 0) continue;
    const at = start + index * 4;
    const unfit = unfitBetween(body, at, at + 4);
    if (unfit < at + 4) return unfit;
  }
  return unfitBetween(body, start + count * 4, end);
}
