import { zstdDecompressSync } from 'node:zlib';

const MAGIC = 0xfd2fb528;
/** RFC 8878 §3.1.2: sixteen magic numbers mark frames to skip. */
const SKIPPABLE = 0x184d2a50;

export class ZstdFrameError extends Error {}

/** What begins at `offset`; undefined while fewer than 5 bytes are there. */
export function zstdFrameKind(
  bytes: Buffer,
  offset: number,
): 'content' | 'skippable' | 'unknown' | undefined {
  if (bytes.length < offset + 5) return undefined;
  const magic = bytes.readUInt32LE(offset);
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) return 'skippable';
  return magic === MAGIC ? 'content' : 'unknown';
}

/** Bytes from the start of a frame to its first block, by its descriptor. */
export function frameHeaderLength(descriptor: number): number {
  return 5 + headerLength(descriptor);
}

/**
 * Length in bytes of the zstd frame that begins at `offset` (RFC 8878 §3.1), or undefined while it is not
 * complete. node:zlib stops after the first frame of a buffer, and a log segment has one for every flush.
 */
export function frameLength(bytes: Buffer, offset: number): number | undefined {
  const kind = zstdFrameKind(bytes, offset);
  if (kind === undefined) return undefined;
  if (kind === 'skippable') {
    if (bytes.length < offset + 8) return undefined;
    return complete(bytes, offset, 8 + bytes.readUInt32LE(offset + 4));
  }
  if (kind === 'unknown') throw new ZstdFrameError(`no zstd frame at byte ${offset}`);
  const descriptor = bytes[offset + 4]!;
  let at = offset + frameHeaderLength(descriptor);
  for (;;) {
    if (bytes.length < at + 3) return undefined;
    const block = bytes.readUIntLE(at, 3);
    const isRepeated = ((block >> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : block >> 3);
    if ((block & 1) === 1) break;
  }
  const checksum = (descriptor & 4) !== 0 ? 4 : 0;
  return complete(bytes, offset, at + checksum - offset);
}

/** Bytes of the frame header after its descriptor. */
function headerLength(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  return (isSingleSegment ? 0 : 1) + dictionary + contentSize;
}

function complete(bytes: Buffer, offset: number, length: number): number | undefined {
  return bytes.length >= offset + length ? length : undefined;
}

/** What the complete frames at the start of `bytes` hold, and how many bytes they take. */
export function decompressFrames(bytes: Buffer): { content: Buffer; consumed: number } {
  const parts: Buffer[] = [];
  let consumed = 0;
  for (;;) {
    const length = frameLength(bytes, consumed);
    if (length === undefined) break;
    const frame = bytes.subarray(consumed, consumed + length);
    if (frame.readUInt32LE(0) === MAGIC) parts.push(zstdDecompressSync(frame));
    consumed += length;
  }
  return { content: Buffer.concat(parts), consumed };
}
