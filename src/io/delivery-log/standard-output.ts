import type { Clock, Diagnostics } from '../../model/index.ts';
import type { LineWriter } from './line-writer.ts';

/** What this needs of process.stdout. */
export interface OutputStream {
  readonly writableLength: number;
  write(text: string, done: (error?: Error | null) => void): boolean;
  on(event: 'error', heard: (error: NodeJS.ErrnoException) => void): unknown;
}

/** Characters that may wait for a reader who does not keep up; more is dropped. */
const MOST_WAITING = 8 * 1024 * 1024;
/** The end waits this long for the reader, ms. */
const PATIENCE = 2000;
/** Nobody will read any more. */
const GONE = new Set(['EPIPE', 'ECONNRESET', 'EBADF', 'ERR_STREAM_DESTROYED']);

/**
 * Lines on standard output, for a container whose platform collects them. Mail does not wait for the reader: what it
 * does not take is dropped and counted, and a reader who has gone is told of once.
 */
export class StandardOutput implements LineWriter {
  readonly #stream: OutputStream;
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  #isGone = false;
  /** Writes that were dropped since one was taken. */
  #dropped = 0;
  #pending = 0;
  #idle: () => void = () => {};

  constructor(stream: OutputStream, clock: Clock, diagnostics: Diagnostics) {
    this.#stream = stream;
    this.#clock = clock;
    this.#diagnostics = diagnostics;
    stream.on('error', (error) => this.#failed(error));
  }

  append(lines: string): Promise<void> {
    if (this.#isGone) return Promise.resolve();
    if (this.#stream.writableLength + lines.length > MOST_WAITING) this.#drop(lines);
    else this.#write(lines);
    return Promise.resolve();
  }

  async finishSegment(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#pending > 0 && !this.#isGone) {
      await new Promise<void>((done) => {
        this.#idle = done;
        this.#clock.after(PATIENCE, done);
      });
    }
    if (this.#dropped > 0) this.#tellDropped();
  }

  #write(lines: string): void {
    this.#pending++;
    this.#stream.write(lines, (error) => {
      this.#pending--;
      // The stream has said why.
      if (!error && this.#dropped > 0 && this.#stream.writableLength === 0) this.#tellDropped();
      if (this.#pending === 0) this.#idle();
    });
  }

  #drop(lines: string): void {
    if (this.#dropped === 0) {
      this.#diagnostics.warn('log', 'standard output is not read fast enough: records are dropped');
    }
    this.#dropped += lines.split('\n').length - 1;
  }

  #tellDropped(): void {
    this.#diagnostics.warn('log', `${this.#dropped} lines were not written to standard output`);
    this.#dropped = 0;
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#isGone) return;
    this.#isGone = GONE.has(error.code ?? '');
    const ends = this.#isGone ? '; no more is written there' : '';
    this.#diagnostics.error('log', `standard output: ${error.message}${ends}`);
    if (this.#isGone) this.#idle();
  }
}
