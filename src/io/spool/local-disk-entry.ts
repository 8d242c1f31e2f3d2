import { crc32 } from 'node:zlib';
import type { MessageId, Spool, SpoolEntry, SpooledEnvelope } from '../../model/index.ts';

/** Where one message is in a LocalDisk spool: its paths follow from its id. */
export class LocalDiskEntry implements SpoolEntry {
  readonly id: MessageId;
  readonly owner: Spool | undefined;
  size = 0;
  /** CRC-32 of the body, as a signed number since those are smaller in memory. */
  checksum = 0;
  attempts = 0;
  due = 0;
  removed = false;
  /** The metadata file that has to come back, since a rejected change may be in its place. */
  restore: Buffer | undefined = undefined;
  /** The change of its files that is under way; the next one waits for it. */
  busy: Promise<void> | undefined = undefined;

  constructor(id: MessageId, owner?: Spool) {
    this.id = id;
    this.owner = owner;
  }
}

/** Four directories of a byte each, then the rest of the id (delivery.md 16). */
export function idPath(id: MessageId): { directory: string; name: string } {
  const directory = `${id.slice(0, 2)}/${id.slice(2, 4)}/${id.slice(4, 6)}/${id.slice(6, 8)}`;
  return { directory, name: id.slice(8) };
}

/**
 * A metadata file: CRC-32 of the rest as 8 hex digits, a line feed, and JSON with the envelope, the progress, and size
 * and CRC-32 of the body.
 */
export function encodeMetadata(entry: LocalDiskEntry, envelope: SpooledEnvelope): Buffer {
  const { size, checksum, attempts, due } = entry;
  const { sender, recipients, meta, schedule } = envelope;
  const text = JSON.stringify({ sender, recipients, meta, schedule, size, checksum, attempts, due });
  const bytes = Buffer.from(`00000000\n${text}`, 'utf8');
  bytes.write(crc32(bytes.subarray(9)).toString(16).padStart(8, '0'), 0, 'latin1');
  return bytes;
}

/** Sets the entry's numbers from a metadata file and returns the envelope; undefined when it is damaged. */
export function decodeMetadata(bytes: Buffer, entry: LocalDiskEntry): SpooledEnvelope | undefined {
  if (bytes.length < 9 || bytes[8] !== 0x0a) return undefined;
  const expected = crc32(bytes.subarray(9)).toString(16).padStart(8, '0');
  if (bytes.toString('latin1', 0, 8) !== expected) return undefined;
  const stored = JSON.parse(bytes.toString('utf8', 9)) as SpooledEnvelope & LocalDiskEntry;
  entry.size = stored.size;
  entry.checksum = stored.checksum;
  entry.attempts = stored.attempts;
  entry.due = stored.due;
  const { sender, recipients, meta, schedule } = stored;
  return { sender, recipients, meta, ...(schedule !== undefined && { schedule }) };
}
