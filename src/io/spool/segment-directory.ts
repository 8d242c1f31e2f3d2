import { LRUCache } from 'lru-cache';
import type { Clock, MessageId, Spool } from '../../model/index.ts';
import { errorCode, makeDirectories, patiently, readFully, type SpoolFileSystem } from './file-system.ts';
import {
  decodeRecordHeader,
  payloadIntact,
  RECORD_HEADER_BYTES,
  RecordKind,
  recordId,
  type SegmentKind,
} from './format.ts';
import { Segment } from './segment.ts';

interface OpenFile {
  file: Promise<number>;
  users: number;
  evicted: boolean;
  closing: Promise<void> | undefined;
}

/** Files kept open for reading per directory, so that a long queue does not exhaust the descriptors. */
const OPEN_FILES = 64;
/**
 * Numbers skipped at each start. After a power failure metadata may name a body segment whose file is gone; its number
 * must not come to mean another file.
 */
const NUMBER_GAP = 10;

/** The segments of one kind of one shard, and how they are opened, read and unlinked. */
export class SegmentDirectory {
  readonly kind: SegmentKind;
  readonly path: string;
  readonly files: SpoolFileSystem;
  readonly segments = new Map<number, Segment>();
  readonly #owner: Spool;
  #next = 1;
  readonly #active = new Map<number, OpenFile>();
  readonly #open: LRUCache<number, OpenFile>;

  constructor(kind: SegmentKind, path: string, files: SpoolFileSystem, owner: Spool) {
    this.kind = kind;
    this.path = path;
    this.files = files;
    this.#owner = owner;
    this.#open = new LRUCache({
      max: OPEN_FILES,
      dispose: (opened) => {
        opened.evicted = true;
        this.#closeIfIdle(opened);
      },
    });
  }

  /**
   * Makes the directory if need be and finds the segments that are there. `aside` are names in the quarantine,
   * whose numbers are not used again.
   */
  async find(aside: readonly string[], clock: Clock): Promise<void> {
    await makeDirectories(this.files, this.path);
    for (const name of await this.files.list(this.path)) {
      const match = /^(\d{8,10})\.(meta|body)$/.exec(name);
      if (match === null || match[2] !== this.kind) continue;
      const segment = new Segment(this.kind, Number(match[1]), `${this.path}/${name}`, this.#owner);
      segment.linked = true;
      await this.#measure(segment, clock);
      this.segments.set(segment.number, segment);
      this.#next = Math.max(this.#next, segment.number + 1);
    }
    for (const name of aside) {
      const match = /(\d{8,10})\.(meta|body)(\.\d+)?$/.exec(name);
      if (match !== null && match[2] === this.kind) this.#next = Math.max(this.#next, Number(match[1]) + 1);
    }
    this.#next += NUMBER_GAP;
  }

  async #measure(segment: Segment, clock: Clock): Promise<void> {
    try {
      segment.size = await patiently(clock, () => this.withFile(segment, (file) => this.files.size(file)));
    } catch (error) {
      if (errorCode(error) !== 'EIO') throw error;
      // Metadata that cannot be read is set aside by the enumeration. Bodies may be readable again later.
      segment.size = Number.POSITIVE_INFINITY;
      segment.immovable = true;
    }
  }

  /** A new, empty, active segment. Its directory entry is not durable yet. */
  async create(): Promise<Segment> {
    const number = this.#next++;
    const path = `${this.path}/${String(number).padStart(8, '0')}.${this.kind}`;
    const segment = new Segment(this.kind, number, path, this.#owner);
    segment.file = await this.files.create(path);
    segment.state = 'active';
    segment.counted = true;
    this.segments.set(number, segment);
    this.#active.set(number, {
      file: Promise.resolve(segment.file),
      users: 0,
      evicted: false,
      closing: undefined,
    });
    return segment;
  }

  /** Ends writing to a segment. Its file goes to the readers, since some may be using it right now. */
  seal(segment: Segment): void {
    const opened = this.#active.get(segment.number);
    if (opened === undefined) return;
    this.#active.delete(segment.number);
    segment.file = -1;
    segment.state = 'sealed';
    segment.trim();
    this.#open.set(segment.number, opened);
  }

  /** Unlinks a segment that nothing needs. For metadata, durably: a removal may be forgotten only after that. */
  async unlink(segment: Segment): Promise<void> {
    try {
      await this.files.unlink(segment.path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    if (this.kind === 'meta') await this.files.syncDirectory(this.path);
    this.forget(segment);
  }

  forget(segment: Segment): void {
    this.seal(segment);
    segment.state = 'gone';
    this.segments.delete(segment.number);
    this.#open.delete(segment.number);
  }

  async withFile<T>(segment: Segment, use: (file: number) => Promise<T>): Promise<T> {
    const opened = this.#active.get(segment.number) ?? this.#opened(segment);
    opened.users++;
    try {
      return await use(await opened.file);
    } finally {
      opened.users--;
      this.#closeIfIdle(opened);
    }
  }

  /** `into`: memory to use, at least that long. */
  read(segment: Segment, length: number, position: number, into?: Buffer): Promise<Buffer> {
    return this.withFile(segment, (file) => readFully(this.files, file, length, position, into));
  }

  /** The record of a message, header included. Not `intact` when it is not what was once written for that id. */
  async readRecord(
    segment: Segment,
    offset: number,
    length: number,
    id: MessageId,
  ): Promise<{ bytes: Buffer; intact: boolean }> {
    const bytes = await this.read(segment, length, offset);
    const header = decodeRecordHeader(bytes, 0);
    const intact =
      header !== undefined &&
      header.kind === (segment.kind === 'body' ? RecordKind.body : RecordKind.message) &&
      header.length === length - RECORD_HEADER_BYTES &&
      recordId(bytes, 0) === id &&
      payloadIntact(bytes, 0, header);
    return { bytes, intact };
  }

  async close(): Promise<void> {
    for (const segment of this.segments.values()) this.seal(segment);
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(open.map((opened) => opened.closing));
  }

  #opened(segment: Segment): OpenFile {
    const known = this.#open.get(segment.number);
    if (known !== undefined) return known;
    const opened: OpenFile = {
      file: this.files.open(segment.path),
      users: 0,
      evicted: false,
      closing: undefined,
    };
    // Failing to open is the caller's to know, and no reason to fail again next time.
    opened.file.catch(() => {
      if (this.#open.peek(segment.number) === opened) this.#open.delete(segment.number);
    });
    this.#open.set(segment.number, opened);
    return opened;
  }

  #closeIfIdle(opened: OpenFile): void {
    if (!opened.evicted || opened.users > 0 || opened.closing !== undefined) return;
    // A file that cannot be closed, or was never opened, leaves nothing to do.
    opened.closing = opened.file.then((file) => this.files.close(file)).catch(() => {});
  }
}
