import { charge, meter, OverBudget } from './meter.ts';
import { memberHint } from './nearest-name.ts';
import { formatFloat, formatNumber } from './number-format.ts';

/**
 * What the patched VM calls instead of its 32-bit arithmetic. An integer here is any integral value of at most
 * 2^53 - 1; a result beyond becomes a float, which stays exact as long as a double can.
 */

const isSafe = Number.isSafeInteger;

function isInt32(n: number): boolean {
  return (n | 0) === n;
}

function wide(n: bigint): number {
  return Number(BigInt.asIntN(64, n));
}

/** Modulo with the sign of the divisor, exact for all integers. */
function modulo(m: number, n: number): number {
  const rest = m % n;
  return rest !== 0 && rest < 0 !== n < 0 ? rest + n : rest + 0;
}

/** Floor division, exact for all integers. */
function divide(m: number, n: number): number {
  if (isInt32(m)) return Math.floor(m / n) + 0;
  const rest = m % n;
  const quotient = (m - rest) / n + 0;
  return rest !== 0 && rest < 0 !== n < 0 ? quotient - 1 : quotient;
}

// 32-bit operators give the 64-bit answer whenever both operands fit 32 bits.
function and(a: number, b: number): number {
  return isInt32(a) && isInt32(b) ? a & b : wide(BigInt(a) & BigInt(b));
}

function or(a: number, b: number): number {
  return isInt32(a) && isInt32(b) ? a | b : wide(BigInt(a) | BigInt(b));
}

function xor(a: number, b: number): number {
  return isInt32(a) && isInt32(b) ? a ^ b : wide(BigInt(a) ^ BigInt(b));
}

/** Left by `by` bits of 64, to the right for a negative count, zeros coming in on both sides. */
function shiftLeft(n: number, by: number): number {
  if (by <= -64 || by >= 64) return 0;
  if (by < 0) return n >= 0 ? Math.floor(n / 2 ** -by) : wide(BigInt.asUintN(64, BigInt(n)) >> BigInt(-by));
  const product = n * 2 ** by;
  return isSafe(product) ? product : wide(BigInt(n) << BigInt(by));
}

/** A hexadecimal numeral wraps at 64 bits as in Lua. `start` and `end` delimit its digits in `bytes`. */
function hexInteger(bytes: Uint8Array, start: number, end: number): number {
  const digits = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
  return digits.length <= 13 ? Number.parseInt(digits, 16) : wide(BigInt(`0x${digits}`));
}

/** tonumber(text, base): undefined unless every digit is one of that base. */
function parseDigits(text: string, base: number): number | undefined {
  let value = 0;
  for (const digit of text.toLowerCase()) {
    const d = Number.parseInt(digit, 36);
    if (!(d < base)) return undefined;
    value = value * base + d;
  }
  return value;
}

/** The low `size` bytes of an integer, two's complement. */
function packInteger(into: Uint8Array, n: number, size: number, littleEndian: boolean): void {
  let rest = n;
  for (let i = 0; i < size; i++) {
    const byte = modulo(rest, 256);
    into[littleEndian ? i : size - 1 - i] = byte;
    rest = (rest - byte) / 256;
  }
}

/** Undefined when a longer integer does not fit 64 bits. */
function unpackInteger(
  b: Uint8Array,
  size: number,
  littleEndian: boolean,
  signed: boolean,
): number | undefined {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(b[littleEndian ? i : size - 1 - i] ?? 0);
  const bits = size * 8;
  if (bits > 64) {
    const narrow = signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
    if (BigInt.asUintN(bits, narrow) !== value) return undefined;
    return wide(narrow);
  }
  if (signed) value = BigInt.asIntN(bits, value);
  return wide(value);
}

/** `%10.3s` on bytes: Lua strings need not be UTF-8. */
function formatBytes(spec: string, bytes: Uint8Array): Uint8Array {
  const parts = /^%([-+ #0]*)(\d*)(?:\.(\d*))?s$/.exec(spec);
  if (parts === null) return bytes;
  const shown = parts[3] === undefined ? bytes : bytes.subarray(0, Number(parts[3]));
  const width = Number(parts[2]);
  if (shown.length >= width) return shown;
  const padded = new Uint8Array(width).fill(32);
  padded.set(shown, parts[1]?.includes('-') ? 0 : width - shown.length);
  return padded;
}

/** What the patched sources see as `require('moonpost')`. */
export const vmSupport = {
  isSafe,
  modulo,
  divide,
  and,
  or,
  xor,
  shiftLeft,
  hexInteger,
  parseDigits,
  packInteger,
  unpackInteger,
  formatFloat,
  formatNumber,
  formatBytes,
  memberHint,
  meter,
  charge,
  OverBudget,
};
