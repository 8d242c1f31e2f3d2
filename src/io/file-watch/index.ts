import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Clock, Timer } from '../../model/index.ts';
import { listMatching } from '../files/index.ts';

/** What is watched, asked again for every look. */
export interface Watched {
  /** Files by name; they may be missing. */
  readonly files: readonly string[];
  /** Patterns whose files are watched, also such as appear later. */
  readonly globs: readonly string[];
  /** Directories whose files are never watched, such as the spool. */
  readonly except: readonly string[];
}

export interface FileWatchParts {
  readonly clock: Clock;
  watched(): Watched;
  /** Called with the paths whose content changed, once they have been still for a moment. */
  changed(paths: string[]): void;
  /** Called with what keeps files from being watched. */
  trouble(text: string): void;
}

/** Time between two looks, ms. */
const LOOK_EVERY = 500;
/** Files must stay as they are for this long, ms, so that nothing half written is taken (design section 5). */
const STILL_FOR = 250;
/** Files that have stayed as they are are not kept waiting any longer for those that go on changing, ms. */
const WAITS_AT_MOST = 10_000;
/** The rest between two looks is at least this many times what a look takes: a large tree is looked at less often. */
const REST_SHARE = 10;
/** Most files watched. */
const MOST_FILES = 10_000;

/** Path to what a look at the file gives without reading it. */
type Seen = Map<string, string>;

/** Notices that the content of files changed, appeared or went. Looks, rather than asking the system to tell. */
export class FileWatch {
  readonly #parts: FileWatchParts;
  #base: Seen = new Map();
  #digests = new Map<string, string>();
  #timer: Timer | undefined;
  #isStopped = false;
  #hasTold = false;

  constructor(parts: FileWatchParts) {
    this.#parts = parts;
  }

  /**
   * Takes the files as they are now for unchanged, but for those that have joined and are not as they were then, and
   * begins to look.
   */
  async start(): Promise<void> {
    const joined = this.#digests;
    await this.rebase();
    const changed = [...this.#digests.keys()].filter(
      (path) => joined.has(path) && joined.get(path) !== this.#digests.get(path),
    );
    if (changed.length > 0 && !this.#isStopped) this.#parts.changed(changed.sort());
    this.#next(LOOK_EVERY);
  }

  /** Takes the files as they are now for unchanged. */
  async rebase(): Promise<void> {
    this.#base = await this.#look();
    this.#digests = new Map();
    for (const path of this.#base.keys()) this.#digests.set(path, await digest(path));
  }

  /** Paths of all files that are watched now. */
  async list(): Promise<string[]> {
    return [...(await this.#look()).keys()].sort();
  }

  /** A file joins that was read just now: as it is at this moment it is no change. */
  async join(path: string): Promise<void> {
    const [state, content] = await Promise.all([look(path), digest(path)]);
    if (state === undefined || this.#base.has(path)) return;
    this.#base.set(path, state);
    this.#digests.set(path, content);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #next(delay: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.after(delay, () => {
      void this.#turn()
        .catch((error: Error) => {
          this.#parts.trouble(`cannot look for changes: ${error.message}`);
          return LOOK_EVERY;
        })
        .then((rest) => this.#next(rest));
    });
  }

  /** One look; a change is followed until it is over. Answers how long to rest, ms. */
  async #turn(): Promise<number> {
    const before = this.#parts.clock.monotonic();
    let seen = await this.#look();
    const took = this.#parts.clock.monotonic() - before;
    while (differing(this.#base, seen).length > 0 && !this.#isStopped) {
      await this.#pause(STILL_FOR);
      const again = await this.#look();
      const restless = differing(seen, again);
      const isEnough = this.#parts.clock.monotonic() - before >= WAITS_AT_MOST;
      if (restless.length === 0 || isEnough) {
        await this.#take(this.#asBefore(again, restless));
        break;
      }
      seen = again;
    }
    return Math.max(LOOK_EVERY, took * REST_SHARE);
  }

  /** What was seen, with these files as if they had not changed yet. */
  #asBefore(seen: Seen, paths: readonly string[]): Seen {
    for (const path of paths) {
      const state = this.#base.get(path);
      if (state === undefined) seen.delete(path);
      else seen.set(path, state);
    }
    return seen;
  }

  async #take(seen: Seen): Promise<void> {
    const changed: string[] = [];
    for (const path of differing(this.#base, seen)) {
      const content = seen.has(path) ? await digest(path) : '';
      if (content !== (this.#digests.get(path) ?? '')) changed.push(path);
      this.#digests.set(path, content);
      if (content === '') this.#digests.delete(path);
    }
    this.#base = seen;
    if (changed.length > 0 && !this.#isStopped) this.#parts.changed(changed.sort());
  }

  #pause(duration: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timer = this.#parts.clock.after(duration, resolve);
    });
  }

  async #look(): Promise<Seen> {
    const { files, globs, except } = this.#parts.watched();
    const paths = new Set(files);
    for (const pattern of globs) {
      for (const path of await listMatching(pattern, '/')) {
        if (!except.some((directory) => path.startsWith(`${directory}/`))) paths.add(path);
        if (paths.size >= MOST_FILES) break;
      }
    }
    if (paths.size >= MOST_FILES) this.#tellTooMany();
    const seen: Seen = new Map();
    for (const path of paths) {
      const state = await look(path);
      if (state !== undefined) seen.set(path, state);
    }
    return seen;
  }

  #tellTooMany(): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#parts.trouble(`more than ${MOST_FILES} files match the monitored globs; the rest is not watched`);
  }
}

/** What a file shows without being read; undefined where there is none. */
async function look(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.isFile() ? `${found.mtimeNs} ${found.size} ${found.ino}` : undefined;
}

function differing(a: Seen, b: Seen): string[] {
  const paths: string[] = [];
  for (const [path, state] of b) if (a.get(path) !== state) paths.push(path);
  for (const path of a.keys()) if (!b.has(path)) paths.push(path);
  return paths;
}

/** Digest of the content; empty where there is no file. */
async function digest(path: string): Promise<string> {
  const content = await readFile(path).catch(() => undefined);
  return content === undefined ? '' : createHash('sha1').update(content).digest('base64');
}
