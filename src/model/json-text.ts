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

const WHOLE_FLOAT = /\d\.0|[\d.][eE]/;

function reviveFloat(_key: string, value: unknown, { source }: { source: string }): unknown {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return value;
  return /[.eE]/.test(source) ? new Float(value) : value;
}

/**
 * Comments become white space and line breaks stay, so that the places in error texts are right. Without one regular
 * expression for it all: texts come from anybody, and that of a string without end takes n².
 */
export function withoutComments(text: string): string {
  const opening = /["#]|\/[/*]/g;
  let result = '';
  let done = 0;
  for (let found = opening.exec(text); found !== null; found = opening.exec(text)) {
    const end = endOf(text, found.index, found[0]);
    if (end === undefined) break;
    if (found[0] !== '"') {
      result += text.slice(done, found.index) + text.slice(found.index, end).replace(/[^\r\n]/g, ' ');
      done = end;
    }
    opening.lastIndex = end;
  }
  return result + text.slice(done);
}

/** Where the string or comment ends that begins at `start`; undefined when it does not. */
function endOf(text: string, start: number, opening: string): number | undefined {
  if (opening === '/*') {
    const close = text.indexOf('*/', start + 2);
    return close < 0 ? undefined : close + 2;
  }
  if (opening !== '"') {
    const lineEnd = /[\r\n]/g;
    lineEnd.lastIndex = start;
    return lineEnd.exec(text)?.index ?? text.length;
  }
  const special = /["\\]/g;
  special.lastIndex = start + 1;
  for (let found = special.exec(text); found !== null; found = special.exec(text)) {
    if (found[0] === '"') return special.lastIndex;
    special.lastIndex += 1;
  }
  return undefined;
}

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
