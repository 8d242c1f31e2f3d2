import { crc32 } from 'node:zlib';
import type { MessageId } from '../../model/index.ts';
import { errorCode } from './file-system.ts';
import { decodeMetadata, LocalDiskEntry } from './local-disk-entry.ts';
import type { LocalDiskFiles } from './local-disk-files.ts';

/** The body that the metadata names: in its place, or still in `new/`. Otherwise what is in its place instead. */
export async function findBody(
  bodies: LocalDiskFiles,
  entry: LocalDiskEntry,
): Promise<{ isIntact: true; bytes: Buffer } | { isIntact: false; bytes: Buffer | undefined }> {
  const bytes = await bodies.read(entry.id).catch(orNothing);
  if (bytes !== undefined && isBodyOf(entry, bytes)) return { isIntact: true, bytes };
  const prepared = await bodies.readPrepared(entry.id).catch(orNothing);
  if (prepared !== undefined && isBodyOf(entry, prepared)) return { isIntact: true, bytes: prepared };
  return { isIntact: false, bytes };
}

/** Moves the body in `new/` to its place when the metadata names it; otherwise it goes. */
export async function finishReplacing(
  metadata: LocalDiskFiles,
  bodies: LocalDiskFiles,
  id: MessageId,
): Promise<void> {
  const named = new LocalDiskEntry(id);
  const bytes = (await metadata.has(id)) ? await metadata.read(id) : undefined;
  const isNamed = bytes !== undefined && decodeMetadata(bytes, named) !== undefined;
  if (isNamed && isBodyOf(named, await bodies.readPrepared(id))) await bodies.publish(id);
  else await bodies.discard(id);
}

function isBodyOf(entry: LocalDiskEntry, bytes: Buffer): boolean {
  return bytes.length === entry.size && (crc32(bytes) | 0) === entry.checksum;
}

function orNothing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
