import { parse, stringify } from 'yaml';
import type { Json } from '../json.ts';
import { plainValue } from './plain.ts';

/** Throws an Error that names line and column; so it does for texts that grow without bound through aliases. */
export function parseYaml(text: string): Json {
  return plainValue(parse(text), (date) => date.toISOString());
}

export function formatYaml(value: Json): string {
  return stringify(value);
}
