import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Diagnostics, Timer } from '../../model/index.ts';
import type { LineWriter } from './line-writer.ts';

/** After a failure it is tried again this often, ms. */
const RETRY_EVERY = 1000;
/** Callers wait when this many characters wait. */
const BACK_PRESSURE_AT = 16 * 1024 * 1024;

/**
 * A file of lines, as it stands, for programs that read text. What cannot be written now is kept and tried again; when
 * too much waits, callers do. A file that was moved away is begun anew.
 */
export class PlainFile implements LineWriter {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  #lines: string[] = [];
  #size = 0;
  #file: FileHandle | undefined;
  #writing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #roomWaiters: (() => void)[] = [];
  #isFailing = false;
  #isClosed = false;

  /** Throws when the path cannot be written to, or is no regular file. */
  constructor(path: string, clock: Clock, diagnostics: Diagnostics) {
    this.#path = path;
    this.#clock = clock;
    this.#diagnostics = diagnostics;
    mkdirSync(dirname(path), { recursive: true });
    const fd = openSync(path, 'a', 0o644);
    const isRegular = fstatSync(fd).isFile();
    closeSync(fd);
    if (!isRegular) throw new Error(`${path}: not a regular file; 'stdout' is standard output`);
  }

  append(lines: string): Promise<void> {
    this.#lines.push(lines);
    this.#size += lines.length;
    if (!this.#isFailing) void this.#write();
    if (this.#size < BACK_PRESSURE_AT) return Promise.resolve();
    return new Promise((room) => this.#roomWaiters.push(room));
  }

  async finishSegment(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#writing;
    await this.#write();
    await this.#file?.close();
    if (this.#size > 0)
      throw new Error(`${this.#size} bytes of log lines could not be written to ${this.#path}`);
  }

  /** Never rejects. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = undefined;
      if (this.#size === 0 || this.#isClosed) return;
      if (this.#isFailing) this.#retryLater();
      else void this.#write();
    });
    return this.#writing;
  }

  async #writeWaiting(): Promise<void> {
    if (this.#lines.length === 0) return;
    const count = this.#lines.length;
    const text = this.#lines.join('');
    try {
      const file = await this.#current();
      await file.appendFile(text);
      this.#lines = this.#lines.slice(count);
      this.#size -= text.length;
      if (this.#isFailing) this.#diagnostics.info('log', `${this.#path}: writing again`);
      this.#isFailing = false;
      if (this.#size < BACK_PRESSURE_AT) for (const room of this.#roomWaiters.splice(0)) room();
    } catch (error) {
      if (!this.#isFailing) {
        this.#diagnostics.error('log', `${this.#path}: cannot write log lines: ${(error as Error).message}`);
      }
      this.#isFailing = true;
    }
  }

  #retryLater(): void {
    this.#timer ??= this.#clock.after(RETRY_EVERY, () => {
      this.#timer = undefined;
      void this.#write();
    });
  }

  /** The file that has the path now. */
  async #current(): Promise<FileHandle> {
    if (this.#file !== undefined) {
      const [there, ours] = await Promise.all([stat(this.#path).catch(() => undefined), this.#file.stat()]);
      if (there?.ino === ours.ino && there.dev === ours.dev) return this.#file;
      const before = this.#file;
      this.#file = undefined;
      await before.close();
    }
    this.#file = await open(this.#path, 'a', 0o644);
    return this.#file;
  }
}
