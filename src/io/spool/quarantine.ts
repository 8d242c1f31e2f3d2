import type { Diagnostics } from '../../model/index.ts';
import { errorCode, errorText, makeDirectories, type SpoolFileSystem, writeFully } from './file-system.ts';

/** Where what cannot be read is put aside for the operator: damaged records, and whole segments. */
export class Quarantine {
  readonly path: string;
  readonly #files: SpoolFileSystem;
  readonly #diagnostics: Diagnostics;

  constructor(files: SpoolFileSystem, path: string, diagnostics: Diagnostics) {
    this.path = path;
    this.#files = files;
    this.#diagnostics = diagnostics;
  }

  /**
   * Keeps a durable copy of damaged bytes under `name`. False when that failed (the reason is logged): then the
   * original must not be deleted.
   */
  async keep(name: string, bytes: Buffer, why: string): Promise<boolean> {
    const path = `${this.path}/${name}`;
    try {
      await makeDirectories(this.#files, this.path);
      const file = await this.#files.create(path);
      try {
        await writeFully(this.#files, file, [bytes], 0);
        await this.#files.fdatasync(file);
      } finally {
        await this.#files.close(file);
      }
      await this.#files.syncDirectory(this.path);
    } catch (error) {
      // A copy from an earlier start, before which the segment could not be cleared away.
      if (errorCode(error) === 'EEXIST') return true;
      this.#diagnostics.error('spool', `${why}; a copy in ${path} failed: ${errorText(error)}`);
      return false;
    }
    this.#diagnostics.error('spool', `${why}; a copy is in ${path}`);
    return true;
  }

  /** Moves a whole file here. False when that failed (the reason is logged). */
  async setAside(from: string, name: string, why: string): Promise<boolean> {
    const path = `${this.path}/${name}`;
    try {
      await makeDirectories(this.#files, this.path);
      await this.#files.rename(from, path);
      await this.#files.syncDirectory(this.path);
    } catch (error) {
      this.#diagnostics.error('spool', `${why}; moving ${from} to ${path} failed: ${errorText(error)}`);
      return false;
    }
    this.#diagnostics.error('spool', `${why}; ${from} is now ${path}`);
    return true;
  }
}
