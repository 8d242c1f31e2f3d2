import type { Json } from './json.ts';

/** A whole number that is a float in Lua nevertheless, such as the 1.0 of a JSON text. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** What a text says, with its floats. */
export type JsonWithFloats = Json | Float | JsonWithFloats[] | { [key: string]: JsonWithFloats };

/** `value` as a float of Lua, whole or not. */
export function keepFloat(value: number): number | Float {
  return Number.isSafeInteger(value) ? new Float(value) : value;
}
