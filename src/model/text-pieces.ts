/** Cutting and trimming of text by literal separators, as kumo.string offers it (policy-api.md 5.4). */

/** At most `limit` pieces; the last holds the rest. An empty separator splits around every character. */
export function splitText(text: string, separator: string, limit = Number.POSITIVE_INFINITY): string[] {
  if (limit < 1) return [];
  const all = separator === '' ? ['', ...text, ''] : text.split(separator);
  if (all.length <= limit) return all;
  return [...all.slice(0, limit - 1), all.slice(limit - 1).join(separator)];
}

/** As `splitText`, from the end: the last piece of the text comes first. */
export function splitTextFromEnd(
  text: string,
  separator: string,
  limit = Number.POSITIVE_INFINITY,
): string[] {
  if (limit < 1) return [];
  const all = splitFromEnd(text, separator);
  if (all.length <= limit) return all;
  return [
    ...all.slice(0, limit - 1),
    all
      .slice(limit - 1)
      .reverse()
      .join(separator),
  ];
}

/** Separators are found from the end, which matters when they overlap: `aaa` at `aa` leaves the first `a`. */
function splitFromEnd(text: string, separator: string): string[] {
  if (separator === '') return ['', ...text, ''].reverse();
  const pieces: string[] = [];
  let end = text.length;
  for (;;) {
    const start = end < separator.length ? -1 : text.lastIndexOf(separator, end - separator.length);
    if (start < 0) break;
    pieces.push(text.slice(start + separator.length, end));
    end = start;
  }
  pieces.push(text.slice(0, end));
  return pieces;
}

/** Pieces between white space of Unicode, none empty. */
export function splitWhitespace(text: string): string[] {
  return text.split(UNICODE_SPACE).filter((piece) => piece !== '');
}

/** Pieces between white space of ASCII, none empty. */
export function splitAsciiWhitespace(text: string): string[] {
  return text.split(/[ \t\n\f\r]+/).filter((piece) => piece !== '');
}

const UNICODE_SPACE = /\p{White_Space}+/u;

export function trimStart(text: string): string {
  return text.replace(/^\p{White_Space}+/u, '');
}

export function trimEnd(text: string): string {
  let end = text.length;
  // Not /\s+$/: that is quadratic in runs of white space inside the text.
  while (end > 0 && UNICODE_SPACE.test(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

/** The first `count` places replaced, all when it is not given. */
export function replaceText(
  text: string,
  from: string,
  to: string,
  count = Number.POSITIVE_INFINITY,
): string {
  if (count === Number.POSITIVE_INFINITY) return text.replaceAll(from, () => to);
  return splitText(text, from, count + 1).join(to);
}

/**
 * The same text in memory of its own. What was joined or cut from other texts keeps those in memory for as long as it lives,
 * which counts when a hundred thousand of them stay.
 */
export function ownText(text: string): string {
  const copy = Buffer.from(text, 'utf8').toString('utf8');
  return copy === text ? copy : text;
}
