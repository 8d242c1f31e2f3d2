import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { hourlyName } from './lines.ts';

/** Takes whole lines. Never throws and never waits: mail matters more than what is said about it. */
export interface DiagnosticOutput {
  write(text: string, time: number): void;
}

/**
 * stderr, written at once and by the thread that speaks, so that the last words of a crash are not lost. A reader who
 * stands still must not hold up mail: what he has no room for is left out.
 */
export class StandardError implements DiagnosticOutput {
  readonly #fd = withoutWaiting(2);
  /** The last line that was written has no end. */
  #isTorn = false;

  write(text: string): void {
    const bytes = Buffer.from(this.#isTorn ? `\n${text}` : text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    } catch {
      // It is gone or full.
    }
    if (written > 0) this.#isTorn = written < bytes.length;
  }
}

/** A descriptor to write to where the other one would wait for its reader. */
function withoutWaiting(fd: number): number {
  try {
    const kind = fstatSync(fd);
    // The stream of Node makes the socket one that does not wait, for all threads.
    if (kind.isSocket() && isMainThread) void process.stderr;
    if (!kind.isFIFO()) return fd;
    // A description of its own: the flag of the one that others share stays as it is.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}

/** A file for every hour in a directory, which all threads append to. */
export class HourlyFiles implements DiagnosticOutput {
  readonly #directory: string;
  readonly #otherwise = new StandardError();
  #name = '';
  #fd: number | undefined;

  /** Throws when the directory cannot be made. */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
  }

  write(text: string, time: number): void {
    try {
      writeSync(this.#file(hourlyName(time)), text);
    } catch {
      // A full disk: at least somebody may see it.
      this.#otherwise.write(text);
    }
  }

  #file(name: string): number {
    if (this.#fd !== undefined && name === this.#name) return this.#fd;
    const before = this.#fd;
    this.#fd = openSync(join(this.#directory, name), 'a', 0o640);
    this.#name = name;
    this.#giveAway(this.#fd);
    if (before !== undefined) closeSync(before);
    return this.#fd;
  }

  /** What root begins, before the process becomes the user who owns the directory, that user goes on with. */
  #giveAway(fd: number): void {
    if (process.geteuid?.() !== 0) return;
    const { uid, gid } = statSync(this.#directory);
    fchownSync(fd, uid, gid);
  }
}
