import { isJsonView } from '../../model/define/index.ts';

/** How a value of the policy reads in a log line: as Lua prints it, tables as JSON. */
export function textForLog(value: unknown): string {
  if (value === undefined || value === null) return 'nil';
  if (typeof value !== 'object' || Buffer.isBuffer(value)) return String(value);
  if (isJsonView(value)) return JSON.stringify(value.asJson());
  const prototype = Object.getPrototypeOf(value) as object | null;
  const isPlain = Array.isArray(value) || prototype === null || prototype === Object.prototype;
  if (isPlain) return JSON.stringify(value);
  return 'luaFunction' in value ? 'function' : String(value);
}
