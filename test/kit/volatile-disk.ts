import type { SpoolFileSystem } from '../../src/io/spool/index.ts';

interface MemoryFile {
  /** What a reader sees. */
  bytes: Buffer;
  /** What is on the platter. */
  synced: Buffer;
}

type Node = MemoryFile | 'directory';

/** Decides about one call: an error code to fail with, a number of bytes for a short write, or nothing. */
export type Fault = (call: string, path: string, count: number) => string | number | undefined;

/**
 * A disk in memory that keeps apart what was written and what was synced, fails where it is told to, and can lose
 * power: that is how a missing sync is seen, which killing a process cannot show.
 */
export class VolatileDisk implements SpoolFileSystem {
  /** Calls so far. */
  count = 0;
  /** Every call with its path, for tests of order. */
  readonly log: string[] = [];
  fault: Fault | undefined;
  /** Bytes that fit on the disk. */
  capacity = Number.POSITIVE_INFINITY;
  #tree = new Map<string, Node>([['/', 'directory']]);
  #durable = new Map<string, Node>([['/', 'directory']]);
  readonly #open = new Map<number, { path: string; file: MemoryFile }>();
  #nextFile = 3;
  #dead = false;

  /** Nothing that is asked for from now on happens, and nobody hears of it. */
  kill(): void {
    this.#dead = true;
  }

  /** What the next process finds after the machine went on: everything that was written. */
  afterKill(): VolatileDisk {
    this.kill();
    return this.copy();
  }

  /** Another disk with the same files, for a look that changes nothing here. */
  copy(): VolatileDisk {
    return this.#next(this.#tree, ({ bytes }) => bytes);
  }

  /** What is found after a power cut. `survives` says for which files the bytes that were not synced made it. */
  afterPowerCut(survives: (path: string) => boolean = () => false): VolatileDisk {
    this.kill();
    return this.#next(this.#durable, ({ bytes, synced }, path) => (survives(path) ? bytes : synced));
  }

  /** Paths of the files that are there. */
  paths(): string[] {
    return [...this.#tree].flatMap(([path, node]) => (node === 'directory' ? [] : [path])).sort();
  }

  /** The bytes of a file, to be read or damaged. */
  bytesOf(path: string): Buffer {
    return this.#file(path).bytes;
  }

  setBytes(path: string, bytes: Buffer): void {
    const file = this.#file(path);
    file.bytes = bytes;
    file.synced = bytes;
  }

  /** Open descriptors. */
  get openFiles(): number {
    return this.#open.size;
  }

  async create(path: string): Promise<number> {
    await this.#enter('create', path);
    if (this.#tree.has(path)) throw failure('EEXIST', path);
    this.#parent(path);
    const file = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) };
    this.#tree.set(path, file);
    return this.#descriptor(path, file);
  }

  async open(path: string): Promise<number> {
    await this.#enter('open', path);
    return this.#descriptor(path, this.#file(path));
  }

  async close(file: number): Promise<void> {
    await this.#enter('close', this.#path(file));
    this.#open.delete(file);
  }

  async writev(file: number, chunks: readonly Buffer[], position: number): Promise<number> {
    const opened = this.#opened(file);
    const verdict = await this.#enter('writev', opened.path);
    let bytes = Buffer.concat(chunks);
    if (typeof verdict === 'number') bytes = bytes.subarray(0, verdict);
    const growth = position + bytes.length - opened.file.bytes.length;
    const room = this.capacity - this.#used();
    if (growth > room) {
      bytes = bytes.subarray(0, Math.max(bytes.length - (growth - room), 0));
      if (bytes.length === 0) throw failure('ENOSPC', opened.path);
    }
    const before = opened.file.bytes;
    const after = Buffer.alloc(Math.max(before.length, position + bytes.length));
    before.copy(after);
    bytes.copy(after, position);
    opened.file.bytes = after;
    return bytes.length;
  }

  async read(file: number, into: Buffer, start: number, length: number, position: number): Promise<number> {
    const opened = this.#opened(file);
    await this.#enter('read', opened.path);
    return opened.file.bytes.copy(
      into,
      start,
      position,
      Math.min(position + length, opened.file.bytes.length),
    );
  }

  async size(file: number): Promise<number> {
    const opened = this.#opened(file);
    await this.#enter('size', opened.path);
    return opened.file.bytes.length;
  }

  async fdatasync(file: number): Promise<void> {
    const opened = this.#opened(file);
    await this.#enter('fdatasync', opened.path);
    opened.file.synced = opened.file.bytes;
  }

  async ftruncate(file: number, length: number): Promise<void> {
    const opened = this.#opened(file);
    await this.#enter('ftruncate', opened.path);
    opened.file.bytes = Buffer.from(opened.file.bytes.subarray(0, length));
  }

  async unlink(path: string): Promise<void> {
    await this.#enter('unlink', path);
    if (this.#tree.get(path) === 'directory') throw failure('EISDIR', path);
    if (!this.#tree.delete(path)) throw failure('ENOENT', path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#enter('rename', from);
    const file = this.#file(from);
    this.#parent(to);
    this.#tree.delete(from);
    this.#tree.set(to, file);
  }

  async list(path: string): Promise<string[]> {
    await this.#enter('list', path);
    if (this.#tree.get(path) !== 'directory') throw failure('ENOENT', path);
    return [...this.#tree.keys()].filter((name) => name !== '/' && parentOf(name) === path).map(baseOf);
  }

  async makeDirectory(path: string): Promise<boolean> {
    await this.#enter('makeDirectory', path);
    if (this.#tree.has(path)) return false;
    this.#parent(path);
    this.#tree.set(path, 'directory');
    return true;
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#enter('removeDirectory', path);
    if (this.#tree.get(path) !== 'directory') throw failure('ENOENT', path);
    for (const name of this.#tree.keys()) if (parentOf(name) === path) throw failure('ENOTEMPTY', path);
    this.#tree.delete(path);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#enter('syncDirectory', path);
    if (this.#tree.get(path) !== 'directory') throw failure('ENOENT', path);
    for (const name of this.#durable.keys()) {
      if (name !== '/' && parentOf(name) === path && !this.#tree.has(name)) this.#durable.delete(name);
    }
    for (const [name, node] of this.#tree) {
      if (name !== '/' && parentOf(name) === path) this.#durable.set(name, node);
    }
  }

  async #enter(call: string, path: string): Promise<number | undefined> {
    const verdict = this.#dead ? undefined : this.fault?.(call, path, ++this.count);
    if (this.fault === undefined) this.count++;
    this.log.push(`${call} ${path}`);
    if (this.#dead) await new Promise(() => {});
    await null;
    if (typeof verdict === 'string') throw failure(verdict, path);
    return verdict;
  }

  #next(tree: ReadonlyMap<string, Node>, content: (file: MemoryFile, path: string) => Buffer): VolatileDisk {
    const next = new VolatileDisk();
    for (const [path, node] of tree) {
      // A directory entry that is durable in a directory that is not is not to be found.
      if (path !== '/' && !isReachable(path, tree)) continue;
      const bytes = node === 'directory' ? undefined : Buffer.from(content(node, path));
      const copy: Node = bytes === undefined ? 'directory' : { bytes, synced: bytes };
      next.#tree.set(path, copy);
      next.#durable.set(path, copy);
    }
    return next;
  }

  #descriptor(path: string, file: MemoryFile): number {
    const number = this.#nextFile++;
    this.#open.set(number, { path, file });
    return number;
  }

  #opened(file: number): { path: string; file: MemoryFile } {
    const opened = this.#open.get(file);
    if (opened === undefined) throw failure('EBADF', String(file));
    return opened;
  }

  #path(file: number): string {
    return this.#opened(file).path;
  }

  #file(path: string): MemoryFile {
    const node = this.#tree.get(path);
    if (node === undefined || node === 'directory') throw failure('ENOENT', path);
    return node;
  }

  #parent(path: string): void {
    if (this.#tree.get(parentOf(path)) !== 'directory') throw failure('ENOENT', path);
  }

  #used(): number {
    let total = 0;
    for (const node of this.#tree.values()) if (node !== 'directory') total += node.bytes.length;
    return total;
  }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function isReachable(path: string, tree: ReadonlyMap<string, Node>): boolean {
  for (let at = parentOf(path); at !== '/'; at = parentOf(at)) if (tree.get(at) !== 'directory') return false;
  return true;
}
