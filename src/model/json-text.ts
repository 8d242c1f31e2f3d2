import { Float, type JsonWithFloats } from './float.ts';
import type { Json } from './json.ts';

/** Parses JSON in which comments of the forms `/* *\/`, `//` and `#` may stand. Throws SyntaxError. */
export function parseJsonText(text: string): Json {
  return JSON.parse(/[#/]/.test(text) ? withoutComments(text) : text) as Json;
}

/** As parseJsonText, and 1.0 stays a float. */
export function parseJsonWithFloats(text: string): JsonWithFloats {
  // A reviver costs several times the parsing: most texts have no such number.
  if (!WHOLE_FLOAT.test(text)) return parseJsonText(text);
  return JSON.parse(withoutComments(text), reviveFloat as (key: string, value: unknown) => unknown);
}

const WHOLE_FLOAT = /\d(?:\.0|[\d.]*[eE])/;

function reviveFloat(_key: string, value: unknown, { source }: { source: string }): unknown {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return value;
  return /[.eE]/.test(source) ? new Float(value) : value;
}

/** Comments become white space and line breaks stay, so that the places in error texts are right. */
function withoutComments(text: string): string {
  return text.replace(STRING_OR_COMMENT, (token) =>
    token[0] === '"' ? token : token.replace(/[^\r\n]/g, ' '),
  );
}

const STRING_OR_COMMENT = /"(?:[^"\\]|\\.)*"|\/\*[\s\S]*?\*\/|(?:\/\/|#)[^\r\n]*/g;

/** Compact JSON. */
export function formatJson(value: Json): string {
  return JSON.stringify(value);
}

/** JSON over several lines with sorted keys. */
export function formatJsonPretty(value: Json): string {
  return JSON.stringify(sorted(value), null, 2);
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const result = Object.create(null) as { [key: string]: Json };
  for (const key of Object.keys(value).sort()) result[key] = sorted(value[key]!);
  return result;
}
