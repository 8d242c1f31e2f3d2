import { statfs } from 'node:fs/promises';
import type { FreeFloor } from '../../model/define/index.ts';
import type { Clock, Diagnostics, Timer } from '../../model/index.ts';

/** What is free of one resource of a file system. */
export interface FreeShare {
  free: number;
  total: number;
  /** Of the total, 0 to 100. */
  percent: number;
}

export interface DiskSpace {
  /** Bytes that this process may use. */
  bytes: FreeShare;
  inodes: FreeShare;
}

type StatFs = (
  path: string,
) => Promise<{ bsize: number; blocks: number; bavail: number; files: number; ffree: number }>;

/** Free space and inodes of the file system that holds `path`. Rejects when there is no such path. */
export async function diskSpace(path: string, stat: StatFs = statfs): Promise<DiskSpace> {
  const { bsize, blocks, bavail, files, ffree } = await stat(path);
  return { bytes: share(bavail * bsize, blocks * bsize), inodes: share(ffree, files) };
}

/** File systems without a fixed number of inodes report 0 of 0: those never run out. */
function share(free: number, total: number): FreeShare {
  return { free, total, percent: total > 0 ? (free / total) * 100 : 100 };
}

/** True when less is free than the floor asks for. A total of 0 is never below. */
export function belowFloor(available: FreeShare, floor: FreeFloor): boolean {
  if (available.total === 0) return false;
  return 'percent' in floor ? available.percent < floor.percent : available.free < floor.amount;
}

export interface WatchedPath {
  /** As operators know it, such as `data spool`. */
  name: string;
  path: string;
  minFreeSpace: FreeFloor;
  minFreeInodes: FreeFloor;
}

/** Milliseconds between two looks. */
const INTERVAL = 5000;

/**
 * Looks at the free space of paths from time to time. A path that falls below its floor, and one that is back above
 * it, is one WARN each.
 */
export class DiskSpaceWatch {
  /** What the last look found, by name. A path that could not be looked at is missing. */
  readonly found = new Map<string, DiskSpace>();
  readonly #paths: readonly WatchedPath[];
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  readonly #stat: StatFs;
  readonly #below = new Set<string>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(paths: readonly WatchedPath[], clock: Clock, diagnostics: Diagnostics, stat: StatFs = statfs) {
    this.#paths = paths;
    this.#clock = clock;
    this.#diagnostics = diagnostics;
    this.#stat = stat;
  }

  /** True while any path is below its floor: no mail is to be taken. */
  get full(): boolean {
    return this.#below.size > 0;
  }

  /** Looks now, and then every five seconds until `stop`. Resolves after the first look; never rejects. */
  async start(): Promise<void> {
    await this.look();
    if (!this.#stopped) this.#timer = this.#clock.after(INTERVAL, () => void this.start());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Looks once. Never rejects: what cannot be looked at keeps its last verdict. */
  async look(): Promise<void> {
    for (const watched of this.#paths) {
      try {
        const space = await diskSpace(watched.path, this.#stat);
        this.found.set(watched.name, space);
        this.#judge(watched, space);
      } catch (error) {
        if (this.found.delete(watched.name)) {
          this.#diagnostics.warn('spool', `cannot tell the free space of ${watched.path}: ${String(error)}`);
        }
      }
    }
  }

  #judge({ name, path, minFreeSpace, minFreeInodes }: WatchedPath, { bytes, inodes }: DiskSpace): void {
    const scarce = belowFloor(bytes, minFreeSpace) || belowFloor(inodes, minFreeInodes);
    if (scarce === this.#below.has(name)) return;
    const amounts = `${bytes.percent.toFixed(1)}% of space and ${inodes.percent.toFixed(1)}% of inodes are free`;
    const place = name.includes(path) ? name : `${name} ${path}`;
    if (scarce) {
      this.#below.add(name);
      this.#diagnostics.warn('spool', `${place} is below its floor, no mail is taken: ${amounts}`);
    } else {
      this.#below.delete(name);
      this.#diagnostics.warn('spool', `${place} has room again: ${amounts}`);
    }
  }
}
