import { createCipheriv, createDecipheriv } from 'node:crypto';

export type AesMode = 'Cbc' | 'Ecb';
const BLOCK = 16;

function algorithm(mode: AesMode, key: Uint8Array): string {
  if (key.length !== 16 && key.length !== 32) {
    throw new Error(`an AES key has 16 or 32 bytes, this one has ${key.length}`);
  }
  return `aes-${key.length * 8}-${mode.toLowerCase()}`;
}

/** AES with PKCS #7 padding. CBC puts `iv` (16 bytes, to be random) before the result; ECB does not use it. */
export function aesEncrypt(mode: AesMode, key: Uint8Array, plain: Uint8Array, iv: Uint8Array): Buffer {
  const used = mode === 'Cbc' ? iv : null;
  const cipher = createCipheriv(algorithm(mode, key), key, used);
  return Buffer.concat([used ?? Buffer.alloc(0), cipher.update(plain), cipher.final()]);
}

/** The reverse of aesEncrypt. Throws an Error that says no more than that it failed. */
export function aesDecrypt(mode: AesMode, key: Uint8Array, bytes: Uint8Array): Buffer {
  const name = algorithm(mode, key);
  const start = mode === 'Cbc' ? BLOCK : 0;
  if (bytes.length < start + BLOCK) throw new Error('too short to be encrypted with AES');
  try {
    const cipher = createDecipheriv(name, key, mode === 'Cbc' ? bytes.subarray(0, BLOCK) : null);
    return Buffer.concat([cipher.update(bytes.subarray(start)), cipher.final()]);
  } catch {
    throw new Error('cannot be decrypted: another key, or not encrypted so');
  }
}
