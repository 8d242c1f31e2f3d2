import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';

/** Most files that scripts of one thread hold open; mail needs the rest of the descriptors. */
const MOST_OPEN = 256;
/** Most bytes that one read gives. */
const LARGEST_READ = 64 * 1024 * 1024;
const CHUNK = 32 * 1024;
const MODE = /^[rwa]\+?b?$/;
/** Devices that never make a reader wait. */
const HARMLESS = new Set(['/dev/null', '/dev/zero', '/dev/full', '/dev/urandom', '/dev/random']);
const EFBIG = 27;
const EMFILE = 24;
const EINVAL = 22;

/** A failure as C reports it: `message` is the text of `errno`, after the path where there is one. */
export class FileError extends Error {
  readonly errno: number;
  constructor(errno: number, text: string, path?: string) {
    super(path === undefined ? text : `${path}: ${text}`);
    this.errno = errno;
  }
}

let open = 0;
/** Files that nobody refers to any more are closed. */
const forgotten = new FinalizationRegistry<number>((fd) => {
  open--;
  closeSync(fd);
});

/** What files of scripts share with standard input and output. */
export interface ScriptStream {
  readonly isClosed: boolean;
  /** At most `length` bytes; empty at the end. */
  read(length: number): Buffer;
  /** Up to the end of the line, which is included; undefined at the end of the file. */
  readLine(): Buffer | undefined;
  readAll(): Buffer;
  /** The next byte, which stays; undefined at the end. */
  peek(): number | undefined;
  write(bytes: Uint8Array): void;
  seek(whence: 'set' | 'cur' | 'end', offset: number): number;
  close(): void;
}

/**
 * A file as the `io` library of Lua reads and writes it: at once, without waiting. Reads are buffered, writes are
 * not, so that nothing is lost when a script forgets to close. Every failure throws FileError.
 */
export class ScriptFile implements ScriptStream {
  readonly #fd: number;
  readonly #appends: boolean;
  #isOpen = true;
  /** Where the next byte is read or written. */
  #position = 0;
  #buffer: Buffer = Buffer.alloc(0);
  /** Place in the file of the first byte of the buffer. */
  #bufferStart = 0;

  private constructor(fd: number, appends: boolean) {
    this.#fd = fd;
    this.#appends = appends;
    open++;
    forgotten.register(this, fd, this);
  }

  /** Opens in one of the modes of C. Pipes, sockets and terminals are refused: they would stop the thread. */
  static open(path: string, mode: string): ScriptFile {
    if (!MODE.test(mode)) throw new FileError(EINVAL, 'invalid mode');
    if (open >= MOST_OPEN) throw new FileError(EMFILE, 'Too many open files', path);
    return attempt(path, () => {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found !== undefined && !found.isFile() && !found.isDirectory() && !HARMLESS.has(path)) {
        throw new FileError(EINVAL, 'not a regular file', path);
      }
      const plain = mode.replace('b', '');
      return new ScriptFile(openSync(path, plain), plain.startsWith('a'));
    });
  }

  get isClosed(): boolean {
    return !this.#isOpen;
  }

  read(length: number): Buffer {
    checkSize(length);
    if (length === 0) return Buffer.alloc(0);
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const available = this.#available();
      if (available.length === 0) break;
      const piece = available.subarray(0, left);
      pieces.push(piece);
      this.#position += piece.length;
      left -= piece.length;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  readLine(): Buffer | undefined {
    const pieces: Buffer[] = [];
    for (let length = 0; ; ) {
      const available = this.#available();
      const end = available.indexOf(0x0a);
      const piece = end < 0 ? available : available.subarray(0, end + 1);
      pieces.push(piece);
      this.#position += piece.length;
      length += piece.length;
      if (end >= 0 || available.length === 0) break;
      checkSize(length);
    }
    const line = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    return line.length === 0 ? undefined : line;
  }

  readAll(): Buffer {
    const { size } = attempt(undefined, () => fstatSync(this.#fd));
    checkSize(size - this.#position);
    const pieces: Buffer[] = [];
    // Files of /proc say that they are empty, so the end is where nothing comes any more.
    for (let length = 0; ; ) {
      const available = this.#available();
      if (available.length === 0) break;
      pieces.push(available);
      this.#position += available.length;
      length += available.length;
      checkSize(length);
    }
    return Buffer.concat(pieces);
  }

  peek(): number | undefined {
    return this.#available()[0];
  }

  write(bytes: Uint8Array): void {
    this.#buffer = Buffer.alloc(0);
    attempt(undefined, () => {
      for (let done = 0; done < bytes.length; ) {
        const position = this.#appends ? null : this.#position;
        const written = writeSync(this.#fd, bytes, done, bytes.length - done, position);
        done += written;
        this.#position += written;
      }
    });
    if (this.#appends) this.#position = attempt(undefined, () => fstatSync(this.#fd)).size;
  }

  seek(whence: 'set' | 'cur' | 'end', offset: number): number {
    const end = () => attempt(undefined, () => fstatSync(this.#fd)).size;
    const from = whence === 'set' ? 0 : whence === 'cur' ? this.#position : end();
    if (from + offset < 0) throw new FileError(EINVAL, 'Invalid argument');
    this.#position = from + offset;
    return this.#position;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    forgotten.unregister(this);
    open--;
    attempt(undefined, () => closeSync(this.#fd));
  }

  /** What the buffer has from the position on, filled when it is empty; empty at the end of the file. */
  #available(): Buffer {
    const from = this.#position - this.#bufferStart;
    if (from >= 0 && from < this.#buffer.length) return this.#buffer.subarray(from);
    const buffer = Buffer.allocUnsafe(CHUNK);
    const count = attempt(undefined, () => readSync(this.#fd, buffer, 0, CHUNK, this.#position));
    this.#buffer = buffer.subarray(0, count);
    this.#bufferStart = this.#position;
    return this.#buffer;
  }
}

function checkSize(bytes: number): void {
  if (bytes > LARGEST_READ) throw new FileError(EFBIG, 'File too large');
}

/** Removes a file or an empty directory. */
export function removePath(path: string): void {
  attempt(path, () => {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) rmdirSync(path);
    else unlinkSync(path);
  });
}

export function renamePath(from: string, to: string): void {
  attempt(from, () => renameSync(from, to));
}

/** Path of a new, empty file that only this user can read. */
export function temporaryPath(): string {
  const path = join(tmpdir(), `lua_${randomUUID()}`);
  attempt(path, () => writeFileSync(path, '', { mode: 0o600, flag: 'wx' }));
  return path;
}

/** A file without a name, open for reading and writing; it is gone when it is closed. */
export function openTemporary(): ScriptFile {
  const path = temporaryPath();
  try {
    return ScriptFile.open(path, 'w+');
  } finally {
    unlinkSync(path);
  }
}

function attempt<T>(path: string | undefined, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (error instanceof FileError || errno === undefined) throw error;
    throw new FileError(Math.abs(errno), errorText(errno), path);
  }
}

/** Texts that scripts compare are those of the C library, not of libuv. */
const C_TEXTS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
  EEXIST: 'File exists',
  EBADF: 'Bad file descriptor',
  ENOSPC: 'No space left on device',
  ENOTEMPTY: 'Directory not empty',
  EROFS: 'Read-only file system',
  EXDEV: 'Invalid cross-device link',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ELOOP: 'Too many levels of symbolic links',
};

function errorText(errno: number): string {
  const [code, text] = getSystemErrorMap().get(errno) ?? ['', `error ${-errno}`];
  return C_TEXTS[code] ?? text;
}
