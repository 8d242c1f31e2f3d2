import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  mkdir,
  open,
  read,
  readdir,
  rename,
  rmdir,
  unlink,
  writev,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../model/index.ts';

/**
 * The calls that the spools make. A seam, so that tests can make any one of them fail and can lose what was not
 * synced. Every function rejects with the error of the system call (`code` is EIO, ENOSPC, ...).
 */
export interface SpoolFileSystem {
  /** Creates a file that must not exist yet, mode 0600, for reading and writing. */
  create(path: string): Promise<number>;
  /** Opens a file for reading. Does not follow a symbolic link. */
  open(path: string): Promise<number>;
  close(file: number): Promise<void>;
  /** Resolves to the bytes written, which may be fewer than given. */
  writev(file: number, chunks: readonly Buffer[], position: number): Promise<number>;
  /** Resolves to the bytes read, 0 at the end. */
  read(file: number, into: Buffer, start: number, length: number, position: number): Promise<number>;
  size(file: number): Promise<number>;
  fdatasync(file: number): Promise<void>;
  ftruncate(file: number, length: number): Promise<void>;
  unlink(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Names in a directory. */
  list(path: string): Promise<string[]>;
  /** Makes a directory with mode 0700; true when it is new. The parent must exist. */
  makeDirectory(path: string): Promise<boolean>;
  /** Removes a directory that is empty. */
  removeDirectory(path: string): Promise<void>;
  /** Makes the entries of a directory durable. */
  syncDirectory(path: string): Promise<void>;
}

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

function callVoid(start: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}

// Undefined on Windows, where symbolic links need privileges anyway.
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW;

/** The file system of the machine, on the thread pool of libuv. */
export const nodeFileSystem: SpoolFileSystem = {
  create: (path) => call((done) => open(path, CREATE, 0o600, done)),
  open: (path) => call((done) => open(path, constants.O_RDONLY | NO_FOLLOW, done)),
  close: (file) => callVoid((done) => close(file, done)),
  writev: (file, chunks, position) => call((done) => writev(file, chunks as Buffer[], position, done)),
  read: (file, into, start, length, position) =>
    call((done) => read(file, into, start, length, position, done)),
  size: (file) => call<{ size: number }>((done) => fstat(file, done)).then(({ size }) => size),
  fdatasync: (file) => callVoid((done) => fdatasync(file, done)),
  ftruncate: (file, length) => callVoid((done) => ftruncate(file, length, done)),
  unlink: (path) => callVoid((done) => unlink(path, done)),
  rename: (from, to) => callVoid((done) => rename(from, to, done)),
  list: (path) => call<string[]>((done) => readdir(path, done)),
  removeDirectory: (path) => callVoid((done) => rmdir(path, done)),

  async makeDirectory(path) {
    try {
      await callVoid((done) => mkdir(path, 0o700, done));
      return true;
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw error;
    }
  },

  async syncDirectory(path) {
    const directory = await call<number>((done) => open(path, constants.O_RDONLY, done));
    try {
      await callVoid((done) => fsync(directory, done));
    } finally {
      await callVoid((done) => close(directory, done));
    }
  },
};

/** Writes every byte of the chunks, however many calls that takes. */
export async function writeFully(
  files: SpoolFileSystem,
  file: number,
  chunks: readonly Buffer[],
  position: number,
): Promise<void> {
  let rest = chunks;
  let at = position;
  let left = 0;
  for (const chunk of chunks) left += chunk.length;
  while (left > 0) {
    const written = await files.writev(file, rest, at);
    if (written === 0) throw Object.assign(new Error('write wrote nothing'), { code: 'EIO' });
    left -= written;
    at += written;
    if (left > 0) rest = withoutFirst(rest, written);
  }
}

function withoutFirst(chunks: readonly Buffer[], count: number): Buffer[] {
  let skip = count;
  const rest: Buffer[] = [];
  for (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      rest.push(skip > 0 ? chunk.subarray(skip) : chunk);
      skip = 0;
    }
  }
  return rest;
}

/** Reads `length` bytes, or fewer when the file ends before; into `bytes`, when they are given. */
export async function readFully(
  files: SpoolFileSystem,
  file: number,
  length: number,
  position: number,
  // Not from the pool of allocUnsafe: one small body must not keep a shared slab alive.
  bytes: Buffer = Buffer.allocUnsafeSlow(length),
): Promise<Buffer> {
  let filled = 0;
  while (filled < length) {
    const count = await files.read(file, bytes, filled, length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled === bytes.length ? bytes : bytes.subarray(0, filled);
}

/** Makes a directory and its missing parents, each durable in its own parent. */
export async function makeDirectories(files: SpoolFileSystem, path: string): Promise<void> {
  const parent = dirname(path);
  try {
    if (await files.makeDirectory(path)) await files.syncDirectory(parent);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || parent === path) throw error;
    await makeDirectories(files, parent);
    if (await files.makeDirectory(path)) await files.syncDirectory(parent);
  }
}

/** Tries again for up to five seconds while the machine is only short of descriptors or memory. */
export async function patiently<T>(clock: Clock, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!SHORTAGES.has(errorCode(error)) || tries === 50) throw error;
      await new Promise<void>((resolve) => void clock.after(100, resolve));
    }
  }
}

const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN']);

/** The `code` of a system error, '' when it has none. */
export function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? '';
}

/** The text of any thrown value, for diagnostics. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
