/** What to do with a bare CR or LF in message data (policy-api.md 6.1, `invalid_line_endings`). */
export type LineEndingPolicy = 'Deny' | 'Allow' | 'Fix';

const LF = 0x0a;
const CR = 0x0d;

/** Whether `body` has a CR that no LF follows or an LF that no CR precedes. */
export function hasBareLineEnding(body: Buffer): boolean {
  return firstBareLineEnding(body) >= 0;
}

/** Makes every line of `body` end in CRLF; a bare CR and a bare LF each end a line. The same Buffer when all do. */
export function normalizeLineEndings(body: Buffer): Buffer {
  const first = firstBareLineEnding(body);
  if (first < 0) return body;
  const normalized = Buffer.allocUnsafe(body.length + countLineEndings(body, first));
  let length = body.copy(normalized, 0, 0, first);
  for (let at = first; at < body.length; at++) {
    const octet = body[at]!;
    if (octet === CR || octet === LF) {
      normalized[length++] = CR;
      normalized[length++] = LF;
      if (octet === CR && body[at + 1] === LF) at += 1;
    } else normalized[length++] = octet;
  }
  return normalized.subarray(0, length);
}

export const CRLF: Buffer = Buffer.from('\r\n');

/**
 * Index of the first bare CR or LF; -1 when there is none. Looks at four octets at a time and closer only where one of
 * them is a control character: a search for each of the two would look through the rest of the body for every line of
 * a body that has only one of them.
 */
function firstBareLineEnding(body: Buffer): number {
  const head = (4 - (body.byteOffset & 3)) & 3;
  if (body.length < head + 4) return bareBetween(body, 0, body.length);
  const inHead = bareBetween(body, 0, head);
  if (inHead >= 0) return inHead;
  const count = (body.length - head) >> 2;
  const words = new Uint32Array(body.buffer, body.byteOffset + head, count);
  for (let index = 0; index < count; index++) {
    const word = words[index]!;
    // The high bit of an octet below 0x0e survives the subtraction of 0x0e only when it was not set before.
    if (((word - 0x0e0e0e0e) & ~word & 0x80808080) === 0) continue;
    const at = head + index * 4;
    const bare = bareBetween(body, at, at + 4);
    if (bare >= 0) return bare;
  }
  return bareBetween(body, head + count * 4, body.length);
}

function bareBetween(body: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    const octet = body[at];
    if (octet === LF ? body[at - 1] !== CR : octet === CR && body[at + 1] !== LF) return at;
  }
  return -1;
}

/** How many octets normalizing adds at most. */
function countLineEndings(body: Buffer, from: number): number {
  let count = 0;
  for (let at = from; at < body.length; at++) {
    const octet = body[at]!;
    if (octet === CR || octet === LF) count += 1;
  }
  return count;
}
