import type { Json } from '../json.ts';

/** What a parser made, as values without prototypes for keys of the text to meet; dates as `date` says. */
export function plainValue(value: unknown, date: (date: Date) => Json): Json {
  if (value instanceof Date) return date(value);
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map((entry) => plainValue(entry, date));
  if (typeof value !== 'object' || value === null) return (value ?? null) as Json;
  const result = Object.create(null) as { [key: string]: Json };
  const entries = value instanceof Map ? value.entries() : Object.entries(value);
  for (const [key, entry] of entries) result[String(key)] = plainValue(entry, date);
  return result;
}
