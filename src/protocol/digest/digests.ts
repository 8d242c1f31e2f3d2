import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Hash functions by the name that policies use. */
const HASHES = {
  sha1: 'sha1',
  sha224: 'sha224',
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
  sha512_256: 'sha512-256',
  sha3_256: 'sha3-256',
  sha3_384: 'sha3-384',
  sha3_512: 'sha3-512',
} as const;

export type HashName = keyof typeof HASHES;
export const hashNames = Object.keys(HASHES) as HashName[];

/** Some bytes, such as a hash, that are to be shown as text. */
export class BinaryResult {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** Hash of the pieces put together. */
export function digest(name: HashName, pieces: Iterable<Uint8Array>): BinaryResult {
  const hash = createHash(HASHES[name]);
  for (const piece of pieces) hash.update(piece);
  return new BinaryResult(hash.digest());
}

/** CRC-32 of the pieces put together, most significant byte first. */
export function crc32Digest(pieces: Iterable<Uint8Array>): BinaryResult {
  let value = 0;
  for (const piece of pieces) value = crc32(piece, value);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return new BinaryResult(bytes);
}

/** RFC 2104. */
export function hmac(name: HashName, key: Uint8Array, bytes: Uint8Array): BinaryResult {
  return new BinaryResult(createHmac(HASHES[name], key).update(bytes).digest());
}
