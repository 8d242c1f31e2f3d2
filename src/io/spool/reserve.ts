import { errorCode, type SpoolFileSystem, writeFully } from './file-system.ts';

/**
 * Room on the disk that is kept for bad times. On a full disk removals cannot be written, and without removals no
 * segment dies and no room comes back: giving up this file lets the first removals through.
 */
export class Reserve {
  readonly #files: SpoolFileSystem;
  readonly #path: string;
  readonly #bytes: number;
  #held = false;

  constructor(files: SpoolFileSystem, path: string, bytes: number) {
    this.#files = files;
    this.#path = path;
    this.#bytes = bytes;
  }

  /** Takes the room, if it is not held. Does not reject: without room the spool works like any other. */
  async fill(): Promise<void> {
    if (this.#held) return;
    try {
      await this.#write();
      this.#held = true;
    } catch {
      await this.#files.unlink(this.#path).catch(() => {});
    }
  }

  /** Gives the room up. True when there was any. */
  async spend(): Promise<boolean> {
    if (!this.#held) return false;
    this.#held = false;
    return this.#files.unlink(this.#path).then(
      () => true,
      () => false,
    );
  }

  async #write(): Promise<void> {
    const file = await this.#create();
    if (file === undefined) return;
    try {
      await writeFully(this.#files, file, [Buffer.alloc(this.#bytes)], 0);
      // Delayed allocation would find out too late that there is no room.
      await this.#files.fdatasync(file);
    } finally {
      await this.#files.close(file);
    }
  }

  /** Undefined when it is there from an earlier start. */
  async #create(): Promise<number | undefined> {
    try {
      return await this.#files.create(this.#path);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return undefined;
      throw error;
    }
  }
}
