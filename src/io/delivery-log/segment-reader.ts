import { readdirSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { createZstdDecompress } from 'node:zlib';
import { type FramePiece, FrameSplitter } from './frame-splitter.ts';

/** Reads this much of a segment at a time. */
const CHUNK = 1024 * 1024;

/** The segments of a log directory, oldest first. Names begin with their time, so they sort by it. */
export function listSegments(logDir: string, pattern = '*'): string[] {
  return (
    readdirSync(logDir)
      .filter((name) => !name.startsWith('.') && matchesGlob(name, pattern))
      // One that is old may be deleted while we look.
      .filter((name) => statSync(join(logDir, name), { throwIfNoEntry: false })?.isFile() === true)
      .sort()
  );
}

/** Whether a segment will not grow any more: its write permission is gone. */
export function isFinished(path: string): boolean {
  return (statSync(path).mode & 0o222) === 0;
}

/** `{`: a line of JSON begins, and no zstd frame does. */
const BRACE = 0x7b;

/** One segment, compressed or not, read as it grows. */
export class SegmentReader {
  readonly path: string;
  #file: FileHandle | undefined;
  #offset = 0;
  readonly #splitter = new FrameSplitter();
  #frame: FrameDecoder | undefined;
  readonly #text = new StringDecoder('utf8');
  #partialLine = '';
  #isPlain = false;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * The complete lines that have been added since the last call, in batches. Throws ZstdFrameError or the error
   * of node:zlib on damage; then the segment cannot be read further.
   */
  async *lines(): AsyncGenerator<string[]> {
    this.#file ??= await open(this.path, 'r');
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const { bytesRead } = await this.#file.read(chunk, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return;
      this.#isPlain ||= this.#offset === 0 && chunk[0] === BRACE;
      this.#offset += bytesRead;
      if (this.#isPlain) {
        const lines = this.#linesOf(chunk.subarray(0, bytesRead));
        if (lines.length > 0) yield lines;
        continue;
      }
      for (const piece of this.#splitter.push(chunk.subarray(0, bytesRead))) {
        if (!piece.isContent) continue;
        this.#frame ??= new FrameDecoder();
        for (const content of await this.#frame.decode(piece)) {
          const lines = this.#linesOf(content);
          if (lines.length > 0) yield lines;
        }
        if (piece.ends) this.#frame = undefined;
      }
    }
  }

  #linesOf(content: Buffer): string[] {
    const lines = (this.#partialLine + this.#text.write(content)).split('\n');
    this.#partialLine = lines.pop()!;
    return lines;
  }

  /** What is wrong with the end of a finished segment. */
  get unfinished(): string | undefined {
    if (this.#splitter.isInside) return 'ends within a zstd frame';
    return this.#partialLine === '' ? undefined : 'ends within a line';
  }

  async close(): Promise<void> {
    this.#frame?.destroy();
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** Decompresses one frame as its pieces come. */
class FrameDecoder {
  readonly #stream = createZstdDecompress();
  #content: Buffer[] = [];
  #failed: (error: Error) => void = () => {};

  constructor() {
    this.#stream.on('data', (content: Buffer) => this.#content.push(content));
    this.#stream.on('error', (error) => this.#failed(error));
  }

  /** All content that can be told from the pieces so far and has not been given yet. */
  async decode(piece: FramePiece): Promise<Buffer[]> {
    await new Promise<void>((resolve, reject) => {
      this.#failed = reject;
      if (piece.ends) this.#stream.once('end', resolve).end(piece.bytes);
      else this.#stream.write(piece.bytes, (error) => (error ? reject(error) : resolve()));
    });
    const content = this.#content;
    this.#content = [];
    return content;
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
