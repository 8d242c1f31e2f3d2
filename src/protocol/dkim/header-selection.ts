import { HeaderError, type HeaderField, headersOf } from '../mime/index.ts';

/** What is signed, and how `h=` names it. A name without a header says that there is no further one. */
export interface SelectedHeaders {
  /** As configured, in the order of `h=`. */
  readonly names: readonly string[];
  /** In the order in which they are signed. */
  readonly fields: readonly HeaderField[];
}

/** A message with more headers to sign than this is refused: `h=` names each of them. */
export const MOST_SIGNED = 1000;

/**
 * The headers that a signature covers: for each name in the list the lowest that no earlier entry took (RFC 6376
 * §5.4.2), and every From. With `overSign` every name covers all headers of that name and the absence of one more, so that none can
 * be added. Throws HeaderError when there is no From, and when there are more than MOST_SIGNED.
 */
export function selectHeaders(
  message: Buffer,
  wanted: readonly string[],
  overSign: boolean,
): SelectedHeaders {
  const byName = new Map<string, HeaderField[]>();
  for (const name of wanted) byName.set(name.toLowerCase(), []);
  for (const field of headersOf(message, (name) => byName.has(name.toLowerCase()))) {
    byName.get(field.name.toLowerCase())!.push(field);
  }
  // RFC 6376 §5.4: From is always signed.
  if (!byName.get('from')?.length) throw new HeaderError('the message has no From header');
  const names = overSign ? overSigned(wanted, byName) : withEveryFrom(wanted, byName);
  if (names.length > MOST_SIGNED) throw new HeaderError(`there are more than ${MOST_SIGNED} headers to sign`);
  const fields: HeaderField[] = [];
  for (const name of names) {
    const lowest = byName.get(name.toLowerCase())!.pop();
    if (lowest !== undefined) fields.push(lowest);
  }
  return { names, fields };
}

/** The list with From as often as the message has it: one that is not signed could be put there by anybody. */
function withEveryFrom(
  wanted: readonly string[],
  byName: ReadonlyMap<string, readonly HeaderField[]>,
): readonly string[] {
  const count = byName.get('from')!.length;
  if (count === 1) return wanted;
  const listed = wanted.filter((name) => name.toLowerCase() === 'from').length;
  const more = Math.min(Math.max(count - listed, 0), MOST_SIGNED);
  return [...wanted, ...new Array<string>(more).fill('From')];
}

/** Each name once more than there are headers of it. */
function overSigned(
  wanted: readonly string[],
  byName: ReadonlyMap<string, readonly HeaderField[]>,
): string[] {
  const names: string[] = [];
  const seen = new Set<string>();
  for (const name of wanted) {
    const key = name.toLowerCase();
    if (seen.has(key)) continue;
    seen.add(key);
    for (let count = byName.get(key)!.length; count >= 0; count--) names.push(name);
    if (names.length > MOST_SIGNED) break;
  }
  return names;
}
