import { Lexer, parse, stringify } from 'yaml';
import { type JsonWithFloats, keepFloat } from '../float.ts';
import type { Json } from '../json.ts';
import { plainValue } from './plain.ts';

/** Collections inside each other on one line. */
const DEEPEST = 256;
/** Shorter texts cannot nest so deep that it takes long to find out. */
const SHORT = 2000;

/**
 * Throws an Error that names line and column; so it does for texts that grow without bound through aliases, and for
 * those that nest too deep.
 */
export function parseYaml(text: string): JsonWithFloats {
  if (text.length > SHORT) checkDepth(text);
  try {
    return plainValue(parse(text, { logLevel: 'error', intAsBigInt: true }), {
      date: (date) => date.toISOString(),
      number: keepFloat,
    });
  } catch (error) {
    const isTooDeep = (error as Error).message.startsWith('Maximum call stack');
    throw isTooDeep ? new Error('the text nests too deep') : error;
  }
}

/** The parser needs n² for n open brackets before it gives up: a minute for 256 KB of them. */
function checkDepth(text: string): void {
  let depth = 0;
  let items = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') depth += 1;
    else if (token === ']' || token === '}') depth -= 1;
    else if (token === '-' || token === '?' || token === ':') items += 1;
    else if (token === '\n' || token === '\r\n') items = 0;
    if (depth > DEEPEST || (depth === 0 && items > DEEPEST)) {
      throw new Error(`the text nests deeper than ${DEEPEST}`);
    }
    if (depth > 0) items = 0;
  }
}

export function formatYaml(value: Json): string {
  return stringify(value);
}
