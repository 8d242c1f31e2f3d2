import { close, fstat, fsync, open, read, write } from 'node:fs';
import { readFile as readContent } from 'node:fs/promises';
import { promisify } from 'node:util';

const openFd = promisify(open);
const closeFd = promisify(close);
const readFd = promisify(read);
const writeFd = promisify(write);
const statFd = promisify(fstat);
const syncFd = promisify(fsync);

/** Files that nobody refers to any more are closed. */
const forgotten = new FinalizationRegistry<number>((fd) => close(fd, () => {}));

const MODES = new Set(['r', 'w', 'a', 'r+', 'w+', 'a+']);
const CHUNK = 64 * 1024;

export type Whence = 'set' | 'cur' | 'end';

/** A file opened in one of the modes of C (`r`, `w`, `a`, each with `+` and `b`). Every failure rejects. */
export class OpenFile {
  readonly path: string;
  #fd: number | undefined;
  #position = 0;
  readonly #appends: boolean;

  /** Use `OpenFile.open`. */
  constructor(path: string, fd: number, appends: boolean) {
    this.path = path;
    this.#fd = fd;
    this.#appends = appends;
    forgotten.register(this, fd, this);
  }

  static async open(path: string, mode: string): Promise<OpenFile> {
    const plain = mode.replace('b', '');
    if (!MODES.has(plain)) throw new Error(`'${mode}' is no mode such as r, w, a or r+`);
    return new OpenFile(path, await openFd(path, plain), plain.startsWith('a'));
  }

  get #open(): number {
    if (this.#fd === undefined) throw new Error(`${this.path} is closed`);
    return this.#fd;
  }

  /** At most `length` bytes, all that remain without; empty at the end. */
  async read(length = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const buffer = Buffer.allocUnsafe(Math.min(left, CHUNK));
      const { bytesRead } = await readFd(this.#open, buffer, 0, buffer.length, this.#position);
      if (bytesRead === 0) break;
      this.#position += bytesRead;
      left -= bytesRead;
      pieces.push(buffer.subarray(0, bytesRead));
    }
    return Buffer.concat(pieces);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const position = this.#appends ? null : this.#position;
      const { bytesWritten } = await writeFd(this.#open, bytes, done, bytes.length - done, position);
      done += bytesWritten;
      this.#position += bytesWritten;
    }
  }

  /** Moves, and answers where it is then. */
  async seek(whence: Whence, offset: number): Promise<number> {
    const from = whence === 'set' ? 0 : whence === 'cur' ? this.#position : (await statFd(this.#open)).size;
    if (from + offset < 0) throw new Error(`${this.path}: cannot seek before the start`);
    this.#position = from + offset;
    return this.#position;
  }

  /** What was written is on disk when this resolves. */
  flush(): Promise<void> {
    return syncFd(this.#open);
  }

  /** A second call does nothing. */
  async close(): Promise<void> {
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined;
    forgotten.unregister(this);
    await closeFd(fd);
  }
}

/** All of a file. Rejects with an Error that names it. */
export async function readWholeFile(path: string): Promise<Buffer> {
  try {
    return await readContent(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `${path}: there is no such file` : `${path}: ${message}`);
  }
}
