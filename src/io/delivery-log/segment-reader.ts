import { readdirSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';
import { decompressFrames } from './zstd-frames.ts';

/** Reads this much of a segment at a time. */
const CHUNK = 1024 * 1024;

/** The segments of a log directory, oldest first. Names begin with their time, so they sort by it. */
export function listSegments(logDir: string, pattern = '*'): string[] {
  return readdirSync(logDir)
    .filter((name) => !name.startsWith('.') && matchesGlob(name, pattern))
    .filter((name) => statSync(join(logDir, name)).isFile())
    .sort();
}

/** Whether a segment will not grow any more: its write permission is gone. */
export function isFinished(path: string): boolean {
  return (statSync(path).mode & 0o222) === 0;
}

/** One segment, read as it grows. */
export class SegmentReader {
  readonly path: string;
  #file: FileHandle | undefined;
  #offset = 0;
  #rest = Buffer.alloc(0);
  #partialLine = '';

  constructor(path: string) {
    this.path = path;
  }

  /** The complete lines that have been added since the last call. Throws ZstdFrameError on damage. */
  async lines(): Promise<string[]> {
    this.#file ??= await open(this.path, 'r');
    const lines: string[] = [];
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const { bytesRead } = await this.#file.read(chunk, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return lines;
      this.#offset += bytesRead;
      const bytes = Buffer.concat([this.#rest, chunk.subarray(0, bytesRead)]);
      const { content, consumed } = decompressFrames(bytes);
      this.#rest = bytes.subarray(consumed);
      const text = (this.#partialLine + content.toString('utf8')).split('\n');
      this.#partialLine = text.pop()!;
      lines.push(...text);
    }
  }

  /** Bytes at the end that are no complete frame. */
  get incomplete(): number {
    return this.#rest.length;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
