/** Bytes as text of RFC 4648: base16, base32, base32hex, base64 and base64url. */

export type Base = 'base32' | 'base32hex' | 'base64' | 'base64url';

const ALPHABETS: Readonly<Record<Base, string>> = {
  base32: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
  base32hex: '0123456789ABCDEFGHIJKLMNOPQRSTUV',
  base64: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
  base64url: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
};

const DIGITS = new Map(
  Object.entries(ALPHABETS).map(([base, alphabet]) => [base, new Map([...alphabet].map((c, i) => [c, i]))]),
);

export function encodeBinary(base: Base, bytes: Uint8Array, padded: boolean): string {
  const text = base.startsWith('base32') ? encode32(ALPHABETS[base], bytes) : encode64(base, bytes);
  if (!padded) return text;
  const group = base.startsWith('base32') ? 8 : 4;
  return text.padEnd(Math.ceil(text.length / group) * group, '=');
}

function encode64(base: Base, bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString(base as BufferEncoding).replace(/=+$/, '');
}

function encode32(alphabet: string, bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >> bits) & 31];
    }
  }
  return bits === 0 ? text : text + alphabet[(value << (5 - bits)) & 31];
}

/**
 * Strict: a character of another alphabet, or bits that mean nothing, is an error. With `padded` any number of `=`
 * may end the text; without it none may. Throws an Error that names the place.
 */
export function decodeBinary(base: Base, text: string, padded: boolean): Buffer {
  const end = padded ? text.replace(/=+$/, '').length : text.length;
  const digits = DIGITS.get(base)!;
  const width = base.startsWith('base32') ? 5 : 6;
  const bytes = Buffer.allocUnsafe(Math.floor((end * width) / 8));
  let bits = 0;
  let value = 0;
  let at = 0;
  for (let i = 0; i < end; i++) {
    const digit = digits.get(text[i]!);
    if (digit === undefined) throw new Error(`${base}: character ${i + 1} is not of its alphabet`);
    value = ((value << width) | digit) & 0xffff;
    bits += width;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (value >> bits) & 0xff;
  }
  if (bits >= width || (value & ((1 << bits) - 1)) !== 0)
    throw new Error(`${base}: the text ends in the middle of a byte`);
  return bytes;
}

export function encodeHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Lower case only. Throws an Error for what is no such text. */
export function decodeHex(text: string): Buffer {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new Error('hex: expected pairs of the digits 0-9 and a-f');
  return Buffer.from(text, 'hex');
}
