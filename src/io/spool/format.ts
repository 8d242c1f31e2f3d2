import { crc32 } from 'node:zlib';
import type { MessageId } from '../../model/index.ts';

/*
 * The segment log on disk.
 *
 * A shard has two directories, `<meta path>/shard-N` with NNNNNNNN.meta files and `<data path>/shard-N` with
 * NNNNNNNN.body files. Both kinds are segments: a segment header, then records, only ever appended. Numbers grow;
 * a segment is never written again once it is sealed, after a failed write, or by another process than the one
 * that created it. All integers are little-endian.
 *
 * Segment header, 32 bytes:
 *    0  8 bytes  'MOONSPL1'
 *    8  u8       'M' metadata, 'B' bodies
 *    9  u8       version of the format, 1
 *   12  u32      number of the segment
 *   28  u32      CRC-32 of bytes 0..27
 *
 * Record, 40 bytes of header and then the payload:
 *    0  u32      magic
 *    4  u8       kind
 *    5  u8       flags: 1 = replaces an earlier metadata record of the message
 *    8  u32      number of the commit group within the process; a group is written as a whole
 *   12  u32      length of the payload
 *   16  16 bytes message id
 *   32  u32      CRC-32 of the payload
 *   36  u32      CRC-32 of bytes 0..35, so that the length can be trusted and a reader can find its way back
 *                into step after damage
 *
 * Payloads:
 *   body      the message as received. Only in .body segments.
 *   message   u32 body segment, u32 offset of the body record in it, u32 body size, u32 attempts, f64 due
 *             (ms since the epoch), u16 count and count x u32: older metadata segments that may still hold a
 *             record of this message; then {sender, recipients, meta, schedule?} as JSON. A later `message` record of
 *             an id replaces the earlier ones.
 *   progress  u32 attempts, f64 due. Replaces those of the message record before it.
 *   removal   pairs of u32 segment, u32 offset: records of this id at or after that offset of that metadata
 *             segment are dead. Those before the removal in its own segment always are. A removal must be kept
 *             (copied onward by compaction) while one of the segments it names exists. Besides deletes, a
 *             removal withdraws what a failed commit may have left on disk.
 *   closed    nothing. Written by an orderly close; without it, bodies of the last group are checked at start.
 *
 * Beside the .meta files a file `reserve` keeps some room for removals on a full disk (reserve.ts). What cannot be
 * read is copied or moved to `quarantine` below the meta path (quarantine.ts).
 *
 * Start-up reads .meta segments only, newest first and each one from its end, so that what kills or replaces a
 * record is met before the record itself.
 */

export const SEGMENT_HEADER_BYTES = 32;
export const RECORD_HEADER_BYTES = 40;
export const PROGRESS_RECORD_BYTES = RECORD_HEADER_BYTES + 12;
const MESSAGE_FIXED_BYTES = 26;
const MAGIC = 0x52504dd5;
const MAGIC_BYTES = Buffer.from([0xd5, 0x4d, 0x50, 0x52]);
const SIGNATURE = 'MOONSPL1';
const VERSION = 1;

export const RecordKind = { body: 1, message: 2, progress: 3, removal: 4, closed: 5 } as const;
export const REPLACES = 1;

export type SegmentKind = 'meta' | 'body';

/** Where records of an id are dead: from `offset` on in metadata segment `segment`. */
export interface DeadRange {
  segment: number;
  offset: number;
}

export function encodeSegmentHeader(kind: SegmentKind, number: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.write(SIGNATURE, 0, 'latin1');
  header[8] = kind === 'meta' ? 0x4d : 0x42;
  header[9] = VERSION;
  header.writeUInt32LE(number, 12);
  header.writeUInt32LE(crc32(header.subarray(0, 28)), 28);
  return header;
}

/** `foreign` is an intact header that another version of the format wrote: it must not be touched. */
export function checkSegmentHeader(bytes: Buffer, number: number): 'good' | 'damaged' | 'foreign' {
  if (bytes.length < SEGMENT_HEADER_BYTES) return 'damaged';
  if (bytes.readUInt32LE(28) !== crc32(bytes.subarray(0, 28))) return 'damaged';
  if (bytes.toString('latin1', 0, 8) !== SIGNATURE) return 'damaged';
  if (bytes[9] !== VERSION) return 'foreign';
  return bytes.readUInt32LE(12) === number ? 'good' : 'damaged';
}

export interface RecordHeader {
  kind: number;
  flags: number;
  group: number;
  /** Of the payload, in bytes. */
  length: number;
  checksum: number;
}

/** The header at `offset`, undefined when there is none that can be trusted. */
export function decodeRecordHeader(bytes: Buffer, offset: number): RecordHeader | undefined {
  if (offset + RECORD_HEADER_BYTES > bytes.length || bytes.readUInt32LE(offset) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(offset + 36) !== crc32(bytes.subarray(offset, offset + 36))) return undefined;
  return {
    kind: bytes[offset + 4]!,
    flags: bytes[offset + 5]!,
    group: bytes.readUInt32LE(offset + 8),
    length: bytes.readUInt32LE(offset + 12),
    checksum: bytes.readUInt32LE(offset + 32),
  };
}

export function recordId(bytes: Buffer, offset: number): MessageId {
  return bytes.toString('hex', offset + 16, offset + 32);
}

/** True when the payload of the record at `offset` is all there and is what was written. */
export function payloadIntact(bytes: Buffer, offset: number, header: RecordHeader): boolean {
  const start = offset + RECORD_HEADER_BYTES;
  if (start + header.length > bytes.length) return false;
  return crc32(bytes.subarray(start, start + header.length)) === header.checksum;
}

/** Offset of the next trustworthy record header at or after `from`, -1 when there is none. */
export function findRecord(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(MAGIC_BYTES, from); at >= 0; at = bytes.indexOf(MAGIC_BYTES, at + 1)) {
    if (decodeRecordHeader(bytes, at) !== undefined) return at;
  }
  return -1;
}

export interface MessageRecord {
  bodySegment: number;
  bodyOffset: number;
  size: number;
  attempts: number;
  due: number;
  older: number[] | undefined;
}

/** The fixed part of a message record whose payload is intact. */
export function decodeMessage(bytes: Buffer, offset: number): MessageRecord {
  const at = offset + RECORD_HEADER_BYTES;
  const count = bytes.readUInt16LE(at + 24);
  let older: number[] | undefined;
  for (let index = 0; index < count; index++) {
    older ??= [];
    older.push(bytes.readUInt32LE(at + MESSAGE_FIXED_BYTES + 4 * index));
  }
  return {
    bodySegment: bytes.readUInt32LE(at),
    bodyOffset: bytes.readUInt32LE(at + 4),
    size: bytes.readUInt32LE(at + 8),
    attempts: bytes.readUInt32LE(at + 12),
    due: bytes.readDoubleLE(at + 16),
    older,
  };
}

/** The JSON of a message record whose payload is intact. */
export function decodeEnvelopeText(bytes: Buffer, offset: number, length: number): string {
  const at = offset + RECORD_HEADER_BYTES;
  return bytes.toString('utf8', at + MESSAGE_FIXED_BYTES + 4 * bytes.readUInt16LE(at + 24), at + length);
}

export function decodeProgress(bytes: Buffer, offset: number): { attempts: number; due: number } {
  const at = offset + RECORD_HEADER_BYTES;
  return { attempts: bytes.readUInt32LE(at), due: bytes.readDoubleLE(at + 4) };
}

export function decodeRemoval(bytes: Buffer, offset: number, length: number): DeadRange[] {
  const ranges: DeadRange[] = [];
  const start = offset + RECORD_HEADER_BYTES;
  for (let at = start; at + 8 <= start + length; at += 8) {
    ranges.push({ segment: bytes.readUInt32LE(at), offset: bytes.readUInt32LE(at + 4) });
  }
  return ranges;
}

/** Writes a record header at `offset`; the payload has been given its place and checksum already. */
function encodeRecordHeader(
  into: Buffer,
  offset: number,
  id: MessageId,
  header: Omit<RecordHeader, 'checksum'>,
  checksum: number,
): void {
  into.writeUInt32LE(MAGIC, offset);
  into.writeUInt32LE(header.kind | (header.flags << 8), offset + 4);
  into.writeUInt32LE(header.group, offset + 8);
  into.writeUInt32LE(header.length, offset + 12);
  into.write(id, offset + 16, 16, 'hex');
  into.writeUInt32LE(checksum, offset + 32);
  into.writeUInt32LE(crc32(into.subarray(offset, offset + 36)), offset + 36);
}

/** The header of a body record; the body itself is written from where it lies, without a copy. */
export function encodeBodyHeader(
  into: Buffer,
  offset: number,
  id: MessageId,
  group: number,
  body: Buffer,
): void {
  encodeRecordHeader(
    into,
    offset,
    id,
    { kind: RecordKind.body, flags: 0, group, length: body.length },
    crc32(body),
  );
}

/** Builds the metadata records of one group in one buffer, which is used again for the next group. */
export class MetadataEncoder {
  #bytes = Buffer.allocUnsafeSlow(64 * 1024);
  #length = 0;
  #group = 0;

  get length(): number {
    return this.#length;
  }

  get group(): number {
    return this.#group;
  }

  /** What was encoded since `begin`. Valid until the next `begin`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  begin(group: number): void {
    this.#group = group;
    this.#length = 0;
    // One huge group must not keep its buffer for ever.
    if (this.#bytes.length > 4 * 1024 * 1024) this.#bytes = Buffer.allocUnsafeSlow(64 * 1024);
  }

  /** Puts bytes that are no record, such as the segment header. */
  raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.#length += bytes.copy(this.#bytes, this.#length);
  }

  /** Each of these returns the length of the record. */
  message(id: MessageId, record: MessageRecord, flags: number, envelope: string): number {
    const older = record.older ?? [];
    const at = this.#reserve(MESSAGE_FIXED_BYTES + 4 * older.length + 3 * envelope.length);
    const bytes = this.#bytes;
    bytes.writeUInt32LE(record.bodySegment, at);
    bytes.writeUInt32LE(record.bodyOffset, at + 4);
    bytes.writeUInt32LE(record.size, at + 8);
    bytes.writeUInt32LE(record.attempts, at + 12);
    bytes.writeDoubleLE(record.due, at + 16);
    bytes.writeUInt16LE(older.length, at + 24);
    let end = at + MESSAGE_FIXED_BYTES;
    for (const segment of older) end = bytes.writeUInt32LE(segment, end);
    end += bytes.write(envelope, end, 'utf8');
    return this.#finish(RecordKind.message, flags, id, end - at);
  }

  progress(id: MessageId, attempts: number, due: number): number {
    const at = this.#reserve(12);
    this.#bytes.writeUInt32LE(attempts, at);
    this.#bytes.writeDoubleLE(due, at + 4);
    return this.#finish(RecordKind.progress, 0, id, 12);
  }

  removal(id: MessageId, ranges: readonly DeadRange[]): number {
    let at = this.#reserve(8 * ranges.length);
    for (const range of ranges) {
      at = this.#bytes.writeUInt32LE(range.segment, at);
      at = this.#bytes.writeUInt32LE(range.offset, at);
    }
    return this.#finish(RecordKind.removal, 0, id, 8 * ranges.length);
  }

  closed(): number {
    this.#reserve(0);
    return this.#finish(RecordKind.closed, 0, '0'.repeat(32), 0);
  }

  /** Makes room for a header and `payload` bytes; returns where the payload goes. */
  #reserve(payload: number): number {
    const needed = this.#length + RECORD_HEADER_BYTES + payload;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    return this.#length + RECORD_HEADER_BYTES;
  }

  #finish(kind: number, flags: number, id: MessageId, length: number): number {
    const start = this.#length;
    const payload = start + RECORD_HEADER_BYTES;
    const checksum = crc32(this.#bytes.subarray(payload, payload + length));
    encodeRecordHeader(this.#bytes, start, id, { kind, flags, group: this.#group, length }, checksum);
    this.#length = payload + length;
    return RECORD_HEADER_BYTES + length;
  }
}
