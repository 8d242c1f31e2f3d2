import { createHash } from 'node:crypto';
import { endOfHeaders } from '../mime/index.ts';
import { normalizeLineEndings } from '../smtp/index.ts';
import { type Canonicalization, canonicalBody, canonicalPieces } from './canonical-body.ts';
import { sha256 } from './sha256.ts';

/** Octets that are hashed before others may run: about 3 ms. */
const STEP = 1024 * 1024;
const PIECE = 60 * 1024;

/** Bodies up to this size are made canonical in the same place; their hash is taken at once. */
const room = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * A message as SMTP sends it, which is what a signature has to be made over: a bare CR or LF leaves as CRLF. Knows
 * the hashes of its body, so that several signatures read it once for each canonicalization.
 */
export class SentForm {
  readonly bytes: Buffer;
  /** After the empty line that ends the headers; the length where there is none. */
  readonly bodyStart: number;
  readonly #hashes: Map<Canonicalization, string>;

  private constructor(bytes: Buffer, bodyStart: number, hashes: Map<Canonicalization, string>) {
    this.bytes = bytes;
    this.bodyStart = bodyStart;
    this.#hashes = hashes;
  }

  static of(message: Buffer): SentForm {
    const bytes = normalizeLineEndings(message);
    const end = endOfHeaders(bytes);
    return new SentForm(bytes, end < 0 ? bytes.length : end + 2, new Map());
  }

  /** The form of `message`, which is this message after one more header line. */
  prepended(line: Buffer, message: Buffer): SentForm {
    const bytes =
      message.length === line.length + this.bytes.length ? message : Buffer.concat([line, this.bytes]);
    return new SentForm(bytes, line.length + this.bodyStart, this.#hashes);
  }

  /** Whether the hash of the body would take long: more than some milliseconds. `hashing` takes it in steps. */
  takesLong(canonicalization: Canonicalization): boolean {
    return this.bytes.length - this.bodyStart > STEP && !this.#hashes.has(canonicalization);
  }

  /** Takes the hash of the body in steps, between which others may run; afterwards bodyHash has it. */
  *hashing(canonicalization: Canonicalization): Generator<undefined, void> {
    const body = this.bytes.subarray(this.bodyStart);
    const hash = createHash('sha256');
    let hashed = 0;
    for (const piece of canonicalPieces(canonicalization, body, PIECE, room)) {
      hash.update(piece);
      hashed += piece.length;
      if (hashed < STEP) continue;
      hashed = 0;
      yield;
    }
    this.#hashes.set(canonicalization, hash.digest('base64'));
  }

  /** SHA-256 of the canonical body in base64. */
  bodyHash(canonicalization: Canonicalization): string {
    let hash = this.#hashes.get(canonicalization);
    if (hash === undefined) {
      const body = this.bytes.subarray(this.bodyStart);
      hash = sha256(canonicalBody(canonicalization, body, room)).toString('base64');
      this.#hashes.set(canonicalization, hash);
    }
    return hash;
  }
}
