import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { Clock, Diagnostics, Timer } from '../../model/index.ts';
import type { LineWriter } from './line-writer.ts';

const compress = promisify(zstdCompress);

export interface SegmentWriterOptions {
  logDir: string;
  /** Before every file name; segments of an earlier run are those that have it. Default none. */
  prefix?: string;
  /** End of every file name; '' for none. */
  suffix: string;
  /** First line of every segment, with or without its newline; default none. */
  header?: string;
  /** Uncompressed bytes after which a segment is finished. */
  maxFileSize: number;
  /** Milliseconds after which a segment is finished; undefined = never by age. */
  maxSegmentDuration: number | undefined;
  /** zstd level; 0 = its default. */
  compressionLevel: number;
  /** Segments of an earlier run are only those that end in `suffix`: other writers have this directory too. */
  shared?: boolean;
  clock: Clock;
  diagnostics: Diagnostics;
}

export type SegmentWriter = LineWriter;

/** Lines become readable this often, ms: one zstd frame each time. */
const FLUSH_EVERY = 1000;
/** Or when this many characters wait. */
const FLUSH_AT = 1024 * 1024;
/** Callers wait when this many characters wait. */
const BACK_PRESSURE_AT = 16 * 1024 * 1024;

/** Segments that this process writes: another writer on the same directory leaves them alone. */
const beingWritten = new Set<string>();

interface OpenSegment {
  path: string;
  file: FileHandle;
  written: number;
  opened: number;
}

/**
 * Makes a writer of log segments (operations.md 10). The directory is made, and segments of an earlier run are
 * marked as finished. Throws when the directory cannot be made or read.
 */
export function createSegmentWriter(options: SegmentWriterOptions): SegmentWriter {
  mkdirSync(options.logDir, { recursive: true });
  for (const name of readdirSync(options.logDir)) {
    const path = join(options.logDir, name);
    if (options.shared === true && !name.endsWith(options.suffix)) continue;
    if (!name.startsWith(options.prefix ?? '')) continue;
    if (name.startsWith('.') || beingWritten.has(resolve(path)) || !statSync(path).isFile()) continue;
    markFinished(path);
  }
  return new ZstdSegmentWriter(options);
}

/** No write permission: how readers know that a segment will not grow. */
function markFinished(path: string): void {
  chmodSync(path, statSync(path).mode & 0o7555);
}

/**
 * idle → waiting → flushing → idle or waiting. A flush that fails keeps its lines and is tried again; when too
 * many wait, callers do.
 */
class ZstdSegmentWriter implements LineWriter {
  readonly #options: SegmentWriterOptions;
  #lines: string[] = [];
  #size = 0;
  #segment: OpenSegment | undefined;
  #timer: Timer | undefined;
  #flushing: Promise<void> | undefined;
  #roomWaiters: (() => void)[] = [];
  /** Time in the name of the last segment, ms since 1970. */
  #lastTime = 0;
  #failing = false;
  #closed = false;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  append(lines: string): Promise<void> {
    this.#lines.push(lines);
    this.#size += lines.length;
    if (this.#size >= FLUSH_AT && !this.#failing) void this.#flush();
    else this.#arm(FLUSH_EVERY);
    if (this.#size < BACK_PRESSURE_AT) return Promise.resolve();
    return new Promise((room) => this.#roomWaiters.push(room));
  }

  async finishSegment(): Promise<void> {
    await this.#flushing;
    await this.#flush();
    await this.#flushing;
    await this.#finishSegment();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#flushing;
    await this.#flush();
    await this.#finishSegment();
    if (this.#size > 0)
      throw new Error(`${this.#size} bytes of log lines could not be written to ${this.#options.logDir}`);
  }

  #arm(delay: number): void {
    if (this.#closed) return;
    this.#timer ??= this.#options.clock.after(delay, () => {
      this.#timer = undefined;
      void this.#flush();
    });
  }

  /** Never rejects: what fails is reported and tried again. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#writeFrames().finally(() => {
      this.#flushing = undefined;
      if (this.#size > 0 || this.#segment !== undefined) this.#arm(FLUSH_EVERY);
    });
    return this.#flushing;
  }

  /** What waits now, in one frame, or in several where it ends one segment and begins another. */
  async #writeFrames(): Promise<void> {
    await this.#finishOld();
    for (let left = this.#size; left > 0; ) {
      const written = await this.#writeFrame();
      if (written === 0) return;
      left -= written;
    }
  }

  /** Gives how many characters were written, 0 after a failure. */
  async #writeFrame(): Promise<number> {
    const text = this.#takeable();
    const content = Buffer.from(this.#isFresh ? this.#header + text : text);
    try {
      const frame = await compress(content, {
        params: { [constants.ZSTD_c_compressionLevel]: this.#options.compressionLevel },
      });
      const segment = await this.#openSegment();
      await writeWhole(segment.file, frame);
      segment.written += content.length;
      this.#forget(text);
      this.#recovered();
      if (segment.written >= this.#options.maxFileSize) await this.#finishSegment();
      return text.length;
    } catch (error) {
      this.#failed(error as Error);
      // Frames after a torn one could not be read: the next goes into a new segment.
      if (error instanceof TornFrameError) await this.#finishSegment();
      return 0;
    }
  }

  /** What waits, as far as it fits into the segment; one line more than that, as one has to pass the limit. */
  #takeable(): string {
    const text = this.#lines.length === 1 ? this.#lines[0]! : this.#lines.join('');
    this.#lines = [text];
    const header = this.#isFresh ? Buffer.byteLength(this.#header) : 0;
    const room = this.#options.maxFileSize - (this.#segment?.written ?? 0) - header;
    // No character takes more than three bytes: most texts need not be measured.
    if (text.length * 3 <= room || (text.length <= room && Buffer.byteLength(text) <= room)) return text;
    let end = 0;
    for (let bytes = 0; bytes < room; ) {
      const next = text.indexOf('\n', end) + 1;
      if (next === 0) return text;
      bytes += Buffer.byteLength(text.slice(end, next));
      end = next;
    }
    return end === 0 ? text.slice(0, text.indexOf('\n') + 1) || text : text.slice(0, end);
  }

  /** Lines may have been added while a frame was written; exactly those that are in it leave the list. */
  #forget(text: string): void {
    const [first, ...later] = this.#lines;
    this.#lines = first!.length > text.length ? [first!.slice(text.length), ...later] : later;
    this.#size -= text.length;
  }

  /** The next frame is the first of its segment. */
  get #isFresh(): boolean {
    return this.#segment === undefined || this.#segment.written === 0;
  }

  get #header(): string {
    const { header = '' } = this.#options;
    return header === '' || header.endsWith('\n') ? header : `${header}\n`;
  }

  #recovered(): void {
    if (this.#failing) this.#options.diagnostics.info('log', `${this.#options.logDir}: writing again`);
    this.#failing = false;
    if (this.#size >= BACK_PRESSURE_AT) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const room of waiters) room();
  }

  #failed(error: Error): void {
    if (!this.#failing) {
      this.#options.diagnostics.error(
        'log',
        `${this.#options.logDir}: cannot write log lines: ${error.message}`,
      );
    }
    this.#failing = true;
  }

  async #openSegment(): Promise<OpenSegment> {
    if (this.#segment !== undefined) return this.#segment;
    const now = this.#options.clock.now();
    const path = join(this.#options.logDir, this.#nextName(now));
    const file = await open(path, 'ax', 0o644);
    beingWritten.add(resolve(path));
    this.#segment = { path, file, written: 0, opened: this.#options.clock.monotonic() };
    return this.#segment;
  }

  /** `%Y%m%d-%H%M%S.mmm`; moved on when two segments begin within a millisecond. */
  #nextName(now: number): string {
    // A clock that was set back must not bring back names, which sort by time.
    this.#lastTime = Math.max(now, this.#lastTime + 1);
    const [day, clock] = new Date(this.#lastTime).toISOString().slice(0, -1).split('T') as [string, string];
    const { prefix = '', suffix } = this.#options;
    return `${prefix}${day.replaceAll('-', '')}-${clock.replaceAll(':', '')}${suffix}`;
  }

  async #finishOld(): Promise<void> {
    const limit = this.#options.maxSegmentDuration;
    if (limit === undefined || this.#segment === undefined) return;
    if (this.#options.clock.monotonic() - this.#segment.opened >= limit) await this.#finishSegment();
  }

  async #finishSegment(): Promise<void> {
    const segment = this.#segment;
    if (segment === undefined) return;
    this.#segment = undefined;
    beingWritten.delete(resolve(segment.path));
    try {
      await segment.file.close();
      markFinished(segment.path);
    } catch (error) {
      this.#options.diagnostics.error('log', `${segment.path}: cannot finish: ${(error as Error).message}`);
    }
  }
}

/** Part of a frame was written and could not be taken back. */
class TornFrameError extends Error {}

/** Appends all of it or throws, leaving no torn frame behind unless it is a TornFrameError. */
async function writeWhole(file: FileHandle, frame: Buffer): Promise<void> {
  const { size } = await file.stat();
  try {
    let written = 0;
    while (written < frame.length) {
      const { bytesWritten } = await file.write(frame, written, frame.length - written);
      written += bytesWritten;
    }
  } catch (error) {
    const torn = await file.truncate(size).then(
      () => false,
      () => true,
    );
    throw torn ? new TornFrameError((error as Error).message) : error;
  }
}
