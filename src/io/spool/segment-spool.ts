import {
  type Clock,
  type DeliveryProgress,
  type Diagnostics,
  type EnumeratedMessage,
  type EnumerationSummary,
  type MaybePromise,
  type MessageId,
  type Spool,
  SpoolDamageError,
  type SpoolEntry,
  type SpooledEnvelope,
  SpoolWriteError,
} from '../../model/index.ts';
import { errorCode, nodeFileSystem, type SpoolFileSystem } from './file-system.ts';
import { decodeEnvelopeText, RECORD_HEADER_BYTES } from './format.ts';
import { GroupWriter } from './group-writer.ts';
import { Quarantine } from './quarantine.ts';
import { Reclaimer } from './reclaimer.ts';
import { fileName, Recovery } from './recovery.ts';
import { Reserve } from './reserve.ts';
import { type Segment, SegmentEntry } from './segment.ts';
import { SegmentDirectory } from './segment-directory.ts';

export interface SegmentSpoolOptions {
  /** Directory of this shard's metadata segments. */
  metaPath: string;
  /** Directory of this shard's body segments. May be the same. */
  dataPath: string;
  /** Where damage is put aside. Default: `quarantine` in metaPath. */
  quarantinePath?: string;
  /** Prefix of names in the quarantine, such as `shard-0-`. Default: none. */
  quarantinePrefix?: string;
  /** False leaves out every fdatasync: mail then survives a crash of the process, not of the machine. Default: true. */
  flush?: boolean;
  clock: Clock;
  diagnostics: Diagnostics;
  /** Default: that of the machine. */
  fileSystem?: SpoolFileSystem;
  /** Size at which a metadata segment is sealed. Default: 16 MiB. */
  metaSegmentBytes?: number;
  /** Size at which a body segment is sealed. Default: 64 MiB. */
  bodySegmentBytes?: number;
}

const META_SEGMENT_BYTES = 16 * 1024 * 1024;
const BODY_SEGMENT_BYTES = 64 * 1024 * 1024;
/** Room kept for about 20,000 removals on a full disk. */
const RESERVE_BYTES = 1024 * 1024;

/** Opens the segment log of one shard; format.ts describes what is on disk. The caller holds the lock. */
export async function openSegmentSpool(options: SegmentSpoolOptions): Promise<SegmentSpool> {
  const spool = new SegmentSpool(options);
  await spool.open();
  return spool;
}

/** The segment log of one shard. */
export class SegmentSpool implements Spool {
  readonly #files: SpoolFileSystem;
  readonly #meta: SegmentDirectory;
  readonly #body: SegmentDirectory;
  readonly #quarantine: Quarantine;
  readonly #prefix: string;
  readonly #options: SegmentSpoolOptions;
  readonly #reserve: Reserve;
  readonly #writer: GroupWriter;
  readonly #reclaimer: Reclaimer;
  #found: { meta: Segment[]; body: Segment[] } = { meta: [], body: [] };
  #enumeration: 'waiting' | 'running' | 'done' = 'waiting';
  #messages = 0;

  constructor(options: SegmentSpoolOptions) {
    const { clock, diagnostics } = options;
    this.#options = options;
    this.#files = options.fileSystem ?? nodeFileSystem;
    this.#meta = new SegmentDirectory('meta', options.metaPath, this.#files, this);
    this.#body = new SegmentDirectory('body', options.dataPath, this.#files, this);
    const quarantinePath = options.quarantinePath ?? `${options.metaPath}/quarantine`;
    this.#quarantine = new Quarantine(this.#files, quarantinePath, diagnostics);
    this.#prefix = options.quarantinePrefix ?? '';
    const metaSegmentBytes = options.metaSegmentBytes ?? META_SEGMENT_BYTES;
    const reserveBytes = Math.min(RESERVE_BYTES, 4 * metaSegmentBytes);
    this.#reserve = new Reserve(this.#files, `${options.metaPath}/reserve`, reserveBytes);
    const shared = { meta: this.#meta, body: this.#body, clock, diagnostics, reserve: this.#reserve };
    this.#reclaimer = new Reclaimer({ ...shared, writer: () => this.#writer });
    this.#writer = new GroupWriter({
      ...shared,
      flush: options.flush ?? true,
      metaSegmentBytes,
      bodySegmentBytes: options.bodySegmentBytes ?? BODY_SEGMENT_BYTES,
      reclaim: (segment) => this.#reclaimer.consider(segment),
    });
  }

  /** Finds the segments that are there; reads none. */
  async open(): Promise<void> {
    const aside = await this.#files.list(this.#quarantine.path).catch((error) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    });
    await this.#meta.find(aside, this.#options.clock);
    await this.#body.find(aside, this.#options.clock);
    await this.#reserve.fill();
    this.#found = { meta: [...this.#meta.segments.values()], body: [...this.#body.segments.values()] };
  }

  /** Messages held: those stored, and those visited so far by `enumerate`. */
  get messages(): number {
    return this.#messages;
  }

  get directories(): readonly string[] {
    return [this.#meta.path, this.#body.path];
  }

  /** True once all that was there at the start is known and nothing is left. */
  get empty(): boolean {
    return this.#enumeration === 'done' && this.#messages === 0;
  }

  async store(id: MessageId, envelope: SpooledEnvelope, body: Buffer): Promise<SpoolEntry> {
    if (!/^[0-9a-f]{32}$/.test(id)) throw new SpoolWriteError(`${JSON.stringify(id)} is no message id`);
    if (body.length >= 2 ** 31) throw new SpoolWriteError('the message is larger than 2 GiB');
    const entry = await this.#writer.write(id, undefined, JSON.stringify(envelope), body);
    this.#messages++;
    return entry!;
  }

  async updateEnvelope(entry: SpoolEntry, envelope: SpooledEnvelope, body?: Buffer): Promise<void> {
    const own = this.#own(entry);
    if (own.removed) return;
    if (body !== undefined && body.length >= 2 ** 31) {
      throw new SpoolWriteError('the message is larger than 2 GiB');
    }
    own.updates++;
    try {
      await this.#writer.write(own.id, own, JSON.stringify(envelope), body);
    } finally {
      if (!own.removed) own.updates--;
    }
  }

  saveProgress(entry: SpoolEntry, { attempts, due }: DeliveryProgress): void {
    const own = this.#own(entry);
    own.setProgress(attempts, due);
    this.#writer.noteProgress(own);
  }

  remove(entry: SpoolEntry): void {
    const own = this.#own(entry);
    if (own.removed) return;
    own.updates = -1;
    this.#messages--;
    this.#writer.noteRemoval(own);
  }

  removalsWritten(): Promise<void> {
    return this.#writer.removalsWritten();
  }

  async loadEnvelope(entry: SpoolEntry): Promise<SpooledEnvelope> {
    const own = this.#own(entry);
    for (;;) {
      const { home, offset, length } = own;
      const read = this.#meta.readRecord(home, offset, length, own.id);
      const record = await this.#orMoved(read, () => own.home !== home || own.offset !== offset);
      if (record === undefined) continue;
      if (!record.intact) return this.#refuse(own, home, offset, record.bytes);
      const text = decodeEnvelopeText(record.bytes, 0, length - RECORD_HEADER_BYTES);
      return JSON.parse(text) as SpooledEnvelope;
    }
  }

  async loadBody(entry: SpoolEntry): Promise<Buffer> {
    const own = this.#own(entry);
    for (;;) {
      const { bodyHome, bodyOffset } = own;
      const read = this.#body.readRecord(bodyHome, bodyOffset, RECORD_HEADER_BYTES + own.size, own.id);
      const record = await this.#orMoved(read, () => own.bodyHome !== bodyHome);
      if (record === undefined) continue;
      if (!record.intact) return this.#refuse(own, bodyHome, bodyOffset, record.bytes);
      return record.bytes.subarray(RECORD_HEADER_BYTES);
    }
  }

  async enumerate(visit: (message: EnumeratedMessage) => MaybePromise<void>): Promise<EnumerationSummary> {
    if (this.#enumeration !== 'waiting') throw new Error('a spool is enumerated once');
    this.#enumeration = 'running';
    const recovery = new Recovery(
      {
        meta: this.#meta,
        body: this.#body,
        quarantine: this.#quarantine,
        prefix: this.#prefix,
        clock: this.#options.clock,
        diagnostics: this.#options.diagnostics,
        withdraw: (id, ranges) => this.#writer.repeatRemoval(id, ranges),
      },
      (message) => {
        this.#messages++;
        return visit(message);
      },
    );
    const { meta, body } = this.#found;
    const summary = await recovery.run(meta, body);
    this.#found = { meta: [], body: [] };
    this.#enumeration = 'done';
    for (const segment of [...meta, ...body]) this.#reclaimer.consider(segment);
    return summary;
  }

  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Gives back all the space that can be given back, and resolves when that is done. */
  compact(): Promise<void> {
    return this.#reclaimer.compact();
  }

  async close(): Promise<void> {
    await this.#reclaimer.stop();
    try {
      await this.#writer.close();
    } finally {
      await Promise.all([this.#meta.close(), this.#body.close()]);
    }
  }

  #own(entry: SpoolEntry): SegmentEntry {
    if (!(entry instanceof SegmentEntry) || entry.owner !== this) {
      throw new Error(`the entry of message ${entry.id} belongs to another spool`);
    }
    return entry;
  }

  /** What was read; undefined when compaction has moved the record meanwhile, so that it is to be read again. */
  async #orMoved<T>(read: Promise<T>, moved: () => boolean): Promise<T | undefined> {
    try {
      return await read;
    } catch (error) {
      if (moved()) return undefined;
      throw error;
    }
  }

  async #refuse(entry: SegmentEntry, segment: Segment, offset: number, bytes: Buffer): Promise<never> {
    segment.immovable = true;
    const why = `the ${segment.kind === 'body' ? 'body' : 'envelope'} of message ${entry.id} is damaged`;
    await this.#quarantine.keep(`${this.#prefix}${fileName(segment)}.${offset}`, bytes, why);
    throw new SpoolDamageError(why);
  }
}
