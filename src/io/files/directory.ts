import { glob, lstat, readdir, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';

/** What is known of a file besides its content. */
export interface FileMetadata {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
  readonly size: number;
  readonly numbers: Readonly<
    Record<'dev' | 'ino' | 'mode' | 'nlink' | 'uid' | 'gid' | 'rdev' | 'blksize' | 'blocks', number>
  >;
  /** Milliseconds since 1970. */
  readonly times: Readonly<Record<'mtime' | 'atime' | 'ctime', number>>;
}

/** Of what a link points to, or of the link itself. */
export async function readMetadata(path: string, followLinks: boolean): Promise<FileMetadata> {
  const found = await (followLinks ? stat : lstat)(path);
  const { dev, ino, mode, nlink, uid, gid, rdev, blksize, blocks } = found;
  return {
    isFile: found.isFile(),
    isDirectory: found.isDirectory(),
    isSymlink: found.isSymbolicLink(),
    size: found.size,
    numbers: { dev, ino, mode, nlink, uid, gid, rdev, blksize, blocks },
    times: { mtime: found.mtimeMs, atime: found.atimeMs, ctime: found.ctimeMs },
  };
}

/** Paths of what a directory holds, sorted, each beginning with the path of the directory. */
export async function listDirectory(path: string): Promise<string[]> {
  return (await readdir(path)).sort().map((name) => join(path, name));
}

/** Paths that match, sorted; relative to `base` unless the pattern is absolute. */
export async function listMatching(pattern: string, base: string): Promise<string[]> {
  const found: string[] = [];
  const options = isAbsolute(pattern) ? {} : { cwd: base };
  for await (const path of glob(pattern, options)) found.push(path);
  return found.sort();
}
