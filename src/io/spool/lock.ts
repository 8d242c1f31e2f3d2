import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { errorText } from './file-system.ts';

/** The lock of a spool, held until `release` or the end of the process. */
export interface SpoolLock {
  release(): void;
}

/** Another process, or another part of this one, uses the spool. */
export class SpoolLockedError extends Error {}

const PRIVATE = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);

/**
 * Locks the spool in directory `path`, which is made if need be, for this process. SQLite's lock is one that the
 * kernel drops when the process ends, however it ends, and that Node offers without a native part; BEGIN EXCLUSIVE
 * writes nothing, so that it works on a full disk. The pid goes beside it, for the message to the second comer.
 * Throws SpoolLockedError naming the path and, if known, the pid.
 */
export function lockSpool(path: string): SpoolLock {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const lockPath = `${path}/spool.lock`;
  const pidPath = `${path}/spool.pid`;
  // Makes the file private, and refuses to go through a symbolic link that somebody put in its place.
  closeSync(openSync(lockPath, PRIVATE, 0o600));
  const database = beginExclusive(path, lockPath, pidPath);
  notePid(pidPath);
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      removeIfThere(pidPath);
      database.close();
    },
  };
}

function beginExclusive(path: string, lockPath: string, pidPath: string): DatabaseSync {
  for (let attempt = 1; ; attempt++) {
    const database = new DatabaseSync(lockPath);
    try {
      database.exec('BEGIN EXCLUSIVE');
      return database;
    } catch (error) {
      database.close();
      const { errcode } = error as { errcode?: number };
      // 5 is SQLITE_BUSY. 26 is SQLITE_NOTADB: somebody wrote into the file, so nobody holds the lock through it.
      if (errcode === 5) throw new SpoolLockedError(lockedText(path, pidPath));
      if (errcode !== 26 || attempt > 1)
        throw new Error(`cannot lock the spool ${path}: ${errorText(error)}`);
      const file = openSync(lockPath, PRIVATE, 0o600);
      ftruncateSync(file, 0);
      closeSync(file);
    }
  }
}

function lockedText(path: string, pidPath: string): string {
  let pid = '';
  try {
    pid = readFileSync(pidPath, 'latin1').trim();
  } catch {
    // The holder could not write it; the path alone has to do.
  }
  const holder = /^\d+$/.test(pid) ? ` (process ${pid})` : '';
  return `the spool ${path} is in use by another Moonpost${holder}`;
}

/** Best effort: on a full disk the lock holds all the same. */
function notePid(pidPath: string): void {
  try {
    removeIfThere(pidPath);
    const file = openSync(pidPath, PRIVATE | constants.O_EXCL, 0o600);
    try {
      writeSync(file, `${process.pid}\n`);
    } finally {
      closeSync(file);
    }
  } catch {
    // Only the error text of a second process is poorer for it.
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Not there, or not ours to remove.
  }
}
