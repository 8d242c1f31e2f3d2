import { errorCode, makeDirectories, readFully, type SpoolFileSystem, writeFully } from './file-system.ts';
import { idPath } from './local-disk-entry.ts';

/**
 * One of the two trees of a LocalDisk spool, `data` for bodies or `meta`: finished files in `data/` below the path,
 * files being written in `new/`.
 */
export class LocalDiskFiles {
  readonly path: string;
  readonly #files: SpoolFileSystem;
  readonly #flush: boolean;
  readonly #making = new Map<string, Promise<void>>();
  /** Directories made whose entry in their parent is not durable yet. */
  readonly #unsynced = new Set<string>();

  constructor(files: SpoolFileSystem, path: string, flush: boolean) {
    this.path = path;
    this.#files = files;
    this.#flush = flush;
  }

  async open(): Promise<void> {
    await makeDirectories(this.#files, `${this.path}/data`);
    await makeDirectories(this.#files, `${this.path}/new`);
  }

  pathOf(id: string): string {
    const { directory, name } = idPath(id);
    return `${this.path}/data/${directory}/${name}`;
  }

  /** Writes a file where no reader looks. Leaves nothing behind when it fails. */
  async prepare(id: string, bytes: Buffer): Promise<void> {
    const path = `${this.path}/new/${id}`;
    const file = await this.#create(path);
    try {
      await writeFully(this.#files, file, [bytes], 0);
      if (this.#flush) await this.#files.fdatasync(file);
    } catch (error) {
      await this.#files.close(file).catch(() => {});
      await this.discard(id).catch(() => {});
      throw error;
    }
    // The bytes are safe; a descriptor that does not close is not the message's trouble.
    await this.#files.close(file).catch(() => {});
  }

  /** As `prepare`, and a power cut does not take it away either. */
  async prepareDurably(id: string, bytes: Buffer): Promise<void> {
    await this.prepare(id, bytes);
    if (this.#flush) await this.#files.syncDirectory(`${this.path}/new`);
  }

  /** Removes what `prepare` made. */
  discard(id: string): Promise<void> {
    return this.#unlinkIfThere(`${this.path}/new/${id}`);
  }

  /** Moves a prepared file to its place, durably, replacing what is there. */
  async publish(id: string): Promise<void> {
    const { directory } = idPath(id);
    for (let tries = 1; ; tries++) {
      try {
        for (const length of [2, 5, 8, 11]) {
          await this.#makeDirectory(`${this.path}/data/${directory.slice(0, length)}`);
        }
        await this.#files.rename(`${this.path}/new/${id}`, this.pathOf(id));
        break;
      } catch (error) {
        // The directory was empty and a removal next door has just taken it away.
        if (errorCode(error) !== 'ENOENT' || tries === 5) throw error;
      }
    }
    if (this.#flush) await this.#files.syncDirectory(`${this.path}/data/${directory}`);
  }

  /** Removes a finished file, and the directories that it leaves empty. Done already is fine. */
  async remove(id: string, durably: boolean): Promise<void> {
    const { directory } = idPath(id);
    await this.#unlinkIfThere(this.pathOf(id));
    let path = directory;
    if (durably && this.#flush) {
      await this.#files.syncDirectory(`${this.path}/data/${path}`).catch((error) => {
        if (errorCode(error) !== 'ENOENT') throw error;
      });
    }
    while (path !== '') {
      try {
        await this.#files.removeDirectory(`${this.path}/data/${path}`);
      } catch {
        return;
      }
      path = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    }
  }

  read(id: string): Promise<Buffer> {
    return this.#read(this.pathOf(id));
  }

  /** What `prepare` made and `publish` has not moved yet. */
  readPrepared(id: string): Promise<Buffer> {
    return this.#read(`${this.path}/new/${id}`);
  }

  async #read(path: string): Promise<Buffer> {
    const file = await this.#files.open(path);
    try {
      return await readFully(this.#files, file, await this.#files.size(file), 0);
    } finally {
      await this.#files.close(file).catch(() => {});
    }
  }

  has(id: string): Promise<boolean> {
    return this.#exists(this.pathOf(id));
  }

  hasPrepared(id: string): Promise<boolean> {
    return this.#exists(`${this.path}/new/${id}`);
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.#files.close(await this.#files.open(path));
      return true;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Ids of files that were being written when the last process ended. */
  async leftovers(): Promise<string[]> {
    return (await this.#files.list(`${this.path}/new`)).filter((name) => /^[0-9a-f]{32}$/.test(name));
  }

  /** Ids of the finished files, one leaf directory after the other. */
  async *ids(path = '', digits = ''): AsyncGenerator<string> {
    const names = await this.#listIfThere(`${this.path}/data${path}`);
    for (const name of names.sort()) {
      if (digits.length < 8) {
        if (/^[0-9a-f]{2}$/.test(name)) yield* this.ids(`${path}/${name}`, digits + name);
      } else if (/^[0-9a-f]{24}$/.test(name)) yield digits + name;
    }
  }

  async #create(path: string): Promise<number> {
    try {
      return await this.#files.create(path);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
      // An earlier attempt at the same message that could not be cleared away.
      await this.#files.unlink(path);
      return this.#files.create(path);
    }
  }

  /**
   * Makes one directory, durable in its parent. Who finds that another message is just making it waits for that, and
   * one that could not be synced is synced by the next who needs it.
   */
  async #makeDirectory(path: string): Promise<void> {
    const underWay = this.#making.get(path);
    if (underWay !== undefined) return underWay;
    const making = this.#makeAndSync(path);
    this.#making.set(path, making);
    try {
      await making;
    } finally {
      this.#making.delete(path);
    }
  }

  async #makeAndSync(path: string): Promise<void> {
    if (await this.#files.makeDirectory(path)) this.#unsynced.add(path);
    if (!this.#unsynced.has(path)) return;
    if (this.#flush) await this.#files.syncDirectory(path.slice(0, path.lastIndexOf('/')));
    this.#unsynced.delete(path);
  }

  async #listIfThere(path: string): Promise<string[]> {
    try {
      return await this.#files.list(path);
    } catch (error) {
      // Removed by a message that went meanwhile.
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async #unlinkIfThere(path: string): Promise<void> {
    try {
      await this.#files.unlink(path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
}
