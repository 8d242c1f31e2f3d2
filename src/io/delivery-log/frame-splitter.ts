import { frameHeaderLength, ZstdFrameError, zstdFrameKind } from './zstd-frames.ts';

/** Some bytes of one frame, in order. */
export interface FramePiece {
  bytes: Buffer;
  /** They are the last of their frame. */
  ends: boolean;
  /** False in a frame that is to be skipped. */
  isContent: boolean;
}

/**
 * Cuts a stream of zstd frames where one frame ends and the next begins (RFC 8878 §3.1), without waiting for whole
 * frames: node:zlib reads one frame, and a KumoMTA segment is one that grows for hours.
 * header → block … block → header. What is known of the present part is counted down in `#left`.
 */
export class FrameSplitter {
  #pending: Buffer = Buffer.alloc(0);
  #left = 0;
  #inFrame = false;
  /** The part that `#left` counts is the last of its frame. */
  #last = false;
  #isContent = true;
  #checksum = 0;

  /** Bytes of a frame have come, but not its end. */
  get isInside(): boolean {
    return this.#inFrame || this.#pending.length > 0;
  }

  /** Throws ZstdFrameError where no frame begins. */
  push(chunk: Buffer): FramePiece[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = Buffer.alloc(0);
    const pieces: FramePiece[] = [];
    let start = 0;
    let at = 0;
    for (;;) {
      const step = Math.min(this.#left, bytes.length - at);
      at += step;
      this.#left -= step;
      if (this.#left === 0 && this.#inFrame && this.#last) {
        pieces.push({ bytes: bytes.subarray(start, at), ends: true, isContent: this.#isContent });
        start = at;
        this.#inFrame = false;
      }
      if (this.#left > 0 || !this.#readPart(bytes, at)) break;
    }
    if (at > start)
      pieces.push({ bytes: bytes.subarray(start, at), ends: false, isContent: this.#isContent });
    this.#pending = Buffer.from(bytes.subarray(at));
    return pieces;
  }

  /** Reads how long the next part is; false when too little of it is there. */
  #readPart(bytes: Buffer, at: number): boolean {
    return this.#inFrame ? this.#readBlock(bytes, at) : this.#readHeader(bytes, at);
  }

  #readHeader(bytes: Buffer, at: number): boolean {
    const kind = zstdFrameKind(bytes, at);
    if (kind === undefined) return false;
    if (kind === 'unknown') throw new ZstdFrameError('no zstd frame begins here');
    this.#isContent = kind === 'content';
    if (kind === 'skippable') {
      if (bytes.length < at + 8) return false;
      this.#left = 8 + bytes.readUInt32LE(at + 4);
    } else {
      this.#left = frameHeaderLength(bytes[at + 4]!);
      this.#checksum = (bytes[at + 4]! & 4) !== 0 ? 4 : 0;
    }
    this.#last = kind === 'skippable';
    this.#inFrame = true;
    return true;
  }

  #readBlock(bytes: Buffer, at: number): boolean {
    if (bytes.length < at + 3) return false;
    const block = bytes.readUIntLE(at, 3);
    const isRepeated = ((block >> 1) & 3) === 1;
    this.#last = (block & 1) === 1;
    this.#left = 3 + (isRepeated ? 1 : block >> 3) + (this.#last ? this.#checksum : 0);
    return true;
  }
}
