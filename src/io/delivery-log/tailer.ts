import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isFinished, listSegments, SegmentReader } from './segment-reader.ts';

/** How often a directory is looked at while nothing is new, ms. */
const LOOK_EVERY = 200;

export interface TailerOptions {
  directory: string;
  /** Glob for the names of segments. */
  pattern: string;
  /** Most lines in a batch. */
  maxBatchSize: number;
  /** Milliseconds that the first line of a batch waits for others. */
  maxBatchLatency: number;
  /** Name of the file beside the segments, with a dot before it, that keeps how far was read. */
  checkpoint?: string | undefined;
  /** Ignore the checkpoint and begin with the newest segment. Default false. */
  fromNewest?: boolean;
  /** End when there is no more, instead of waiting for it. Default false. */
  isOnce?: boolean;
  /** Told what is wrong with the end of a segment: what is after its last whole line is left out. */
  onTrouble?: (text: string) => void;
}

/** How far a log was read. */
export interface LogPosition {
  /** All segments up to this one are done; their names sort by time. */
  after: string;
  /** Lines taken of those that are not. */
  lines: Record<string, number>;
}

interface Segment {
  readonly name: string;
  readonly reader: SegmentReader;
  unread: AsyncGenerator<string[]>;
  /** Lines read, and lines that batches took. */
  read: number;
  taken: number;
  /** Lines that were taken before, and are not given again. */
  skip: number;
  /** It will not grow, and all of it was read. */
  isRead: boolean;
}

/**
 * Reads a directory of segments in batches of lines, and goes on as they grow, until it is closed. Several writers may
 * be at work in the directory.
 */
export class LogTailer {
  readonly #options: TailerOptions;
  readonly #segments = new Map<string, Segment>();
  readonly #waiting: { text: string; segment: Segment; line: number }[] = [];
  #position: LogPosition | undefined;
  #isClosed = false;
  #wake: (() => void) | undefined;

  constructor(options: TailerOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * The next lines, at least one, and the position after them; undefined once the tailer is closed. Rejects once for a
   * segment that is damaged, and goes on with the others.
   */
  async next(): Promise<{ lines: string[]; position: LogPosition } | undefined> {
    this.start();
    let until: number | undefined;
    while (!this.#isClosed) {
      await this.#fill();
      const now = performance.now();
      if (this.#waiting.length > 0) until ??= now + this.#options.maxBatchLatency;
      const isEnd = this.#options.isOnce === true;
      if (isEnd && this.#waiting.length === 0) return undefined;
      const isFull = isEnd || this.#waiting.length >= this.#options.maxBatchSize;
      if (isFull || (until !== undefined && now >= until)) return this.#take();
      await this.#sleep(until === undefined ? LOOK_EVERY : Math.min(LOOK_EVERY, until - now));
    }
    return undefined;
  }

  /** Keeps that everything up to there was dealt with. */
  commit(position: LogPosition): void {
    const path = this.#checkpointPath();
    if (path === undefined) return;
    // Written aside first: half a checkpoint would have everything read again.
    writeFileSync(`${path}.new`, JSON.stringify(position));
    renameSync(`${path}.new`, path);
  }

  /** Ends `next`. What was not committed is read again by the next tailer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    for (const { reader } of this.#segments.values()) await reader.close();
    this.#segments.clear();
  }

  #checkpointPath(): string | undefined {
    const { directory, checkpoint } = this.#options;
    return checkpoint === undefined ? undefined : join(directory, `.${checkpoint}`);
  }

  /** Finds where to begin; `next` does, unless it was done before. */
  start(): void {
    if (this.#position !== undefined) return;
    const path = this.#checkpointPath();
    const { directory, pattern, fromNewest } = this.#options;
    if (fromNewest === true) {
      this.#position = { after: listSegments(directory, pattern).at(-2) ?? '', lines: {} };
      return;
    }
    const kept = path === undefined ? undefined : readCheckpoint(path, directory);
    this.#position = kept ?? { after: '', lines: {} };
  }

  /** The segments that are not done, oldest first. */
  #look(): Segment[] {
    const { directory, pattern } = this.#options;
    for (const name of listSegments(directory, pattern)) {
      if (name <= this.#position!.after || this.#segments.has(name)) continue;
      const reader = new SegmentReader(join(directory, name));
      const skip = this.#position!.lines[name] ?? 0;
      this.#segments.set(name, {
        name,
        reader,
        unread: reader.lines(),
        read: 0,
        taken: 0,
        skip,
        isRead: false,
      });
    }
    return [...this.#segments.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Reads until a batch is full or nothing is new. */
  async #fill(): Promise<void> {
    for (const segment of this.#look()) {
      while (!this.#isClosed && this.#waiting.length < this.#options.maxBatchSize) {
        if (!(await this.#readMore(segment))) break;
      }
    }
  }

  /** False when there is no more of the segment now. */
  async #readMore(segment: Segment): Promise<boolean> {
    if (segment.isRead) return false;
    const { reader } = segment;
    // Asked before reading: what is added after that is read the next time.
    const isWhole = isFinished(reader.path);
    let next: IteratorResult<string[]>;
    try {
      next = await segment.unread.next();
    } catch (error) {
      segment.isRead = true;
      await reader.close();
      throw new Error(`${reader.path}: ${(error as Error).message}`);
    }
    if (next.done === true) {
      segment.unread = reader.lines();
      segment.isRead = isWhole;
      const { unfinished } = reader;
      if (isWhole && unfinished !== undefined) this.#options.onTrouble?.(`${reader.path}: ${unfinished}`);
      if (isWhole) await reader.close();
      return false;
    }
    for (const text of next.value) {
      segment.read++;
      if (segment.read > segment.skip) this.#waiting.push({ text, segment, line: segment.read });
    }
    return true;
  }

  #take(): { lines: string[]; position: LogPosition } {
    const taken = this.#waiting.splice(0, this.#options.maxBatchSize);
    for (const { segment, line } of taken) segment.taken = line;
    const position: LogPosition = { after: this.#position!.after, lines: {} };
    let isDone = true;
    for (const segment of this.#look()) {
      isDone &&= segment.isRead && segment.taken >= segment.read;
      if (isDone) {
        position.after = segment.name;
        this.#segments.delete(segment.name);
      } else if (segment.taken > 0) position.lines[segment.name] = segment.taken;
      else if (segment.skip > 0) position.lines[segment.name] = segment.skip;
    }
    this.#position = position;
    return { lines: taken.map(({ text }) => text), position };
  }

  #sleep(duration: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, duration));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** That of KumoMTA, `file` and `line`, is read too: a move from it goes on where it was. */
function readCheckpoint(path: string, directory: string): LogPosition | undefined {
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Partial<
      LogPosition & { file: string; line: number }
    >;
    const { after, lines, file, line } = kept;
    if (typeof after === 'string' && typeof lines === 'object' && lines !== null) return { after, lines };
    if (typeof file !== 'string' || typeof line !== 'number') return undefined;
    const name = basename(file);
    const before = listSegments(directory).filter((other) => other < name);
    return { after: before.at(-1) ?? '', lines: { [name]: line } };
  } catch {
    return undefined;
  }
}
