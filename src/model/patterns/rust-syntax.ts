/**
 * Patterns are written in the syntax of Rust's regex crate, whose classes \d \s \w are those of Unicode; re2js
 * has those of ASCII. Only what stands in a pattern is changed, never what it means.
 */

const OUTSIDE: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: '[\\t-\\r\\x{85}\\p{Z}]',
  S: '[^\\t-\\r\\x{85}\\p{Z}]',
  w: '[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}]',
  W: '[^\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}]',
};

/** Within brackets; a negated class of several parts cannot be written there and stays that of ASCII. */
const INSIDE: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: '\\t-\\r\\x{85}\\p{Z}',
  w: '\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}',
};

/** The pattern as re2js takes it. */
export function translatePattern(pattern: string): string {
  let result = '';
  let inBrackets = false;
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === '\\') {
      const next = pattern[++i] ?? '';
      result += (inBrackets ? INSIDE : OUTSIDE)[next] ?? c + next;
      continue;
    }
    if (c === '[' && !inBrackets) {
      inBrackets = true;
      result += c;
      // A bracket that comes first is an ordinary character.
      if (pattern[i + 1] === '^') result += pattern[++i];
      if (pattern[i + 1] === ']') {
        result += '\\]';
        i++;
      }
      continue;
    }
    if (c === '[' && pattern[i + 1] === ':') {
      const end = pattern.indexOf(':]', i);
      if (end > 0) {
        result += pattern.slice(i, end + 2);
        i = end + 1;
        continue;
      }
    }
    if (c === ']') inBrackets = false;
    result += c;
  }
  return result;
}

/** What the pattern has that no linear-time engine can do; undefined for nothing. */
export function unsupportedPart(pattern: string): string | undefined {
  const around = /(?<!\\)(?:\\\\)*\(\?(?:<?[=!]|>)/.exec(pattern);
  if (around !== null) return 'look-around';
  return /(?<!\\)(?:\\\\)*\\(?:[1-9]|k<)/.test(pattern) ? 'back-references' : undefined;
}
