/** What to do with a bare CR or LF in message data (policy-api.md 6.1, `invalid_line_endings`). */
export type LineEndingPolicy = 'Deny' | 'Allow' | 'Fix';

const LF = 0x0a;
const CR = 0x0d;

/** Whether `body` has a CR that no LF follows or an LF that no CR precedes. */
export function hasBareLineEnding(body: Buffer): boolean {
  return firstBareLineEnding(body, 0) >= 0;
}

/** Makes every line of `body` end in CRLF; a bare CR and a bare LF each end a line. The same Buffer when all do. */
export function normalizeLineEndings(body: Buffer): Buffer {
  let bare = firstBareLineEnding(body, 0);
  if (bare < 0) return body;
  const pieces: Buffer[] = [];
  let from = 0;
  while (bare >= 0) {
    pieces.push(body.subarray(from, bare), CRLF);
    from = bare + 1;
    bare = firstBareLineEnding(body, from);
  }
  pieces.push(body.subarray(from));
  return Buffer.concat(pieces);
}

export const CRLF: Buffer = Buffer.from('\r\n');

/** Index of the first bare CR or LF at or after `start`, which is not inside a CRLF; -1 when there is none. */
function firstBareLineEnding(body: Buffer, start: number): number {
  let cr = body.indexOf(CR, start);
  let lf = body.indexOf(LF, start);
  while (cr >= 0 && lf === cr + 1) {
    cr = body.indexOf(CR, lf + 1);
    lf = body.indexOf(LF, lf + 1);
  }
  if (cr < 0) return lf;
  return lf < 0 ? cr : Math.min(cr, lf);
}
