import type { JsonWithFloats } from '../float.ts';

/** How a parser gives what JSON does not have. */
interface Reading {
  readonly date: (date: Date) => JsonWithFloats;
  /** What a number is that is no bigint. */
  readonly number: (value: number) => JsonWithFloats;
}

/** What a parser made, as values without prototypes for keys of the text to meet. */
export function plainValue(value: unknown, reading: Reading): JsonWithFloats {
  if (value instanceof Date) return reading.date(value);
  if (typeof value === 'number') return reading.number(value);
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map((entry) => plainValue(entry, reading));
  if (typeof value !== 'object' || value === null) return (value ?? null) as JsonWithFloats;
  const result = Object.create(null) as { [key: string]: JsonWithFloats };
  const entries = value instanceof Map ? value.entries() : Object.entries(value);
  for (const [key, entry] of entries) result[String(key)] = plainValue(entry, reading);
  return result;
}
