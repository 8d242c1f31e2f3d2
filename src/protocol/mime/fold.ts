const WHITESPACE = /[ \t]+/y;

/**
 * Folds text into lines with CRLF TAB (RFC 5322 §2.2.3): at white space once a line would be longer than
 * `soft`, anywhere once it would be longer than `hard`. White space at the end is dropped.
 * `column` is where the first line begins. Lengths are characters of `text`. `keepsSpace`: the white space at a
 * fold stays in place of TAB, so that unfolding gives the text back.
 */
export function foldText(text: string, soft = 75, hard = 900, column = 0, keepsSpace = false): string {
  let folded = '';
  let used = column;
  let index = 0;
  while (index < text.length) {
    WHITESPACE.lastIndex = index;
    const gap = WHITESPACE.exec(text)?.[0] ?? '';
    index += gap.length;
    const wordEnd = endOfWord(text, index);
    if (wordEnd === index) break;
    const word = text.slice(index, wordEnd);
    index = wordEnd;
    if (gap !== '' && folded !== '' && used + gap.length + word.length > soft) {
      const lead = keepsSpace ? gap : '\t';
      folded += `\r\n${lead}`;
      used = lead.length;
    } else {
      folded += gap;
      used += gap.length;
    }
    [folded, used] = addWord(folded, used, word, hard);
  }
  return folded;
}

function endOfWord(text: string, start: number): number {
  let end = start;
  while (end < text.length && text[end] !== ' ' && text[end] !== '\t') end += 1;
  return end;
}

function addWord(folded: string, used: number, word: string, hard: number): [string, number] {
  let text = folded;
  let column = used;
  let rest = word;
  while (column + rest.length > hard) {
    const fits = Math.max(hard - column, 1);
    text += `${rest.slice(0, fits)}\r\n\t`;
    rest = rest.slice(fits);
    column = 1;
  }
  return [text + rest, column + rest.length];
}

/**
 * Folds a structured value (RFC 5322 §2.2.3) before white space, which stays as it is, once a line would be longer
 * than 75 characters. Unfolded, the text is what it was.
 */
export function foldStructured(text: string, column: number): string {
  let folded = '';
  let used = column;
  for (const [piece] of text.matchAll(/[ \t]*[^ \t]+|[ \t]+$/g)) {
    const canBreak = folded !== '' && (piece[0] === ' ' || piece[0] === '\t') && /[^ \t]/.test(piece);
    if (canBreak && used + piece.length > 75) {
      folded += '\r\n';
      used = 0;
    }
    folded += piece;
    used += piece.length;
  }
  return folded;
}
