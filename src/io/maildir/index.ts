import { randomBytes } from 'node:crypto';
import { chmod, constants, type FileHandle, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { LRUCache } from 'lru-cache';

export interface MaildirDelivery {
  path: string;
  /** Mode of directories that are made. */
  dirMode: number;
  fileMode: number;
  body: Buffer;
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Maildirs that were found in order; one that is removed meanwhile shows itself by ENOENT. */
const known = new LRUCache<string, true>({ max: 10_000 });
let sequence = 0;

/**
 * Writes a message into a maildir, which is made when it is missing, and gives the path of its file. Resolves when
 * the file and its name are on disk. Rejects with the error of the file system; only when the very last step, the sync
 * of `new`, failed may the message be there all the same.
 */
export async function deliverToMaildir(delivery: MaildirDelivery): Promise<string> {
  const path = resolve(delivery.path);
  if (known.has(path)) {
    try {
      return await writeMessage({ ...delivery, path });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      known.delete(path);
    }
  }
  await prepare(path, delivery.dirMode);
  known.set(path, true);
  return writeMessage({ ...delivery, path });
}

async function writeMessage({ path, fileMode, body }: MaildirDelivery): Promise<string> {
  const name = uniqueName();
  const temporary = join(path, 'tmp', name);
  const final = join(path, 'new', name);
  const file = await open(temporary, CREATE, fileMode);
  try {
    await writeAndSync(file, fileMode, body);
    await rename(temporary, final);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(join(path, 'new'));
  return final;
}

async function writeAndSync(file: FileHandle, mode: number, body: Buffer): Promise<void> {
  try {
    // The umask of the server takes away from what `open` is given.
    await file.chmod(mode);
    await file.writeFile(body);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Makes what is missing. A symbolic link in place of tmp, new or cur would lead the mail astray. */
async function prepare(path: string, mode: number): Promise<void> {
  // mkdir gives the topmost directory it made, whose name is in the directory above.
  const topmost = await mkdir(path, { recursive: true, mode });
  if (topmost !== undefined) await chmodFrom(topmost, path, mode);
  let added = topmost !== undefined;
  for (const part of ['tmp', 'new', 'cur']) {
    const directory = join(path, part);
    try {
      await mkdir(directory, { mode });
      await chmod(directory, mode);
      added = true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (!(await lstat(directory)).isDirectory()) throw new Error(`${directory} is not a directory`);
    }
  }
  if (!added) return;
  await syncDirectory(path);
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made))
    await syncDirectory(dirname(made));
}

/** Every directory from `topmost` down to `path`: what mkdir made has lost the bits of the umask. */
async function chmodFrom(topmost: string, path: string, mode: number): Promise<void> {
  for (let made = path; made.length >= topmost.length; made = dirname(made)) await chmod(made, mode);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** `TIME.UNIQUE.HOST`: one process never repeats its sequence, and the random part tells processes apart. */
function uniqueName(): string {
  sequence += 1;
  const now = Date.now();
  const seconds = Math.floor(now / 1000);
  const micros = (now % 1000) * 1000;
  const host = hostname().replaceAll('/', '\\057').replaceAll(':', '\\072');
  return `${seconds}.M${micros}P${process.pid}Q${sequence}R${randomBytes(6).toString('hex')}.${host}`;
}
