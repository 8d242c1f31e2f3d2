import { eachHeader } from '../../protocol/mime/index.ts';

/** Octets and lines of all headers, and lines of one, that mailauth reads in some milliseconds. */
const MOST_OCTETS = 256 * 1024;
const MOST_LINES = 10_000;
const MOST_LINES_OF_ONE = 2000;
/** Octets of a header that it takes apart. */
const LONGEST = 16 * 1024;

const TAKEN_APART = new Set([
  'dkim-signature',
  'arc-seal',
  'arc-message-signature',
  'arc-authentication-results',
  'from',
  'return-path',
  'content-type',
]);

const LF = 0x0a;

/** Why the headers of a message are not looked at, or undefined. */
export function headerExcess(message: Buffer): string | undefined {
  let excess: string | undefined;
  let last = 0;
  let lines = 0;
  // Lines that are no header count with the header after them.
  const count = (end: number): void => {
    const own = linesIn(message.subarray(last, end));
    last = end;
    lines += own;
    if (own > MOST_LINES_OF_ONE) excess = `a header of more than ${MOST_LINES_OF_ONE} lines`;
    if (lines > MOST_LINES) excess = `more than ${MOST_LINES} lines of headers`;
  };
  const blank = eachHeader(message, ({ name, start, end }) => {
    if (end > MOST_OCTETS) excess = `more than ${MOST_OCTETS} octets of headers`;
    else if (end - start > LONGEST && TAKEN_APART.has(name.toLowerCase())) {
      excess = `a header ${name} of more than ${LONGEST} octets`;
    } else count(end);
    return excess === undefined;
  });
  if (excess !== undefined) return excess;
  // Without a blank line, all of the message is headers.
  const length = blank < 0 ? message.length : blank;
  if (length > MOST_OCTETS) return `more than ${MOST_OCTETS} octets of headers`;
  count(length);
  return excess;
}

function linesIn(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(LF); at >= 0; at = text.indexOf(LF, at + 1)) count += 1;
  return count;
}
