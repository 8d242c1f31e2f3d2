import { crc32 } from 'node:zlib';
import {
  type DeliveryProgress,
  type EnumeratedMessage,
  type EnumerationSummary,
  type MaybePromise,
  type MessageId,
  type Spool,
  SpoolDamageError,
  type SpoolEntry,
  type SpooledEnvelope,
  SpoolWriteError,
  type Timer,
} from '../../model/index.ts';
import { errorCode, errorText, nodeFileSystem, patiently, type SpoolFileSystem } from './file-system.ts';
import { findBody, finishReplacing } from './local-disk-bodies.ts';
import { decodeMetadata, encodeMetadata, LocalDiskEntry } from './local-disk-entry.ts';
import { LocalDiskFiles } from './local-disk-files.ts';
import { Quarantine } from './quarantine.ts';
import type { SegmentSpoolOptions } from './segment-spool.ts';

export type LocalDiskSpoolOptions = Omit<SegmentSpoolOptions, 'metaSegmentBytes' | 'bodySegmentBytes'>;

/** Removals and progress written at the same time. */
const PARALLEL_NOTES = 8;
const NOTE_DELAY = 5;
const RETRY_DELAY = 1000;

/** Opens a spool of one fsynced file per body and one per envelope. The caller holds the lock. */
export async function openLocalDiskSpool(options: LocalDiskSpoolOptions): Promise<LocalDiskSpool> {
  const spool = new LocalDiskSpool(options);
  await spool.open();
  return spool;
}

/**
 * A file per message. Body and metadata are written and synced in `new/`, then renamed into place, the body first: the
 * metadata file in its place is what makes the message exist. What changes a message later waits for what went before.
 */
export class LocalDiskSpool implements Spool {
  readonly #options: LocalDiskSpoolOptions;
  readonly #files: SpoolFileSystem;
  readonly #meta: LocalDiskFiles;
  readonly #bodies: LocalDiskFiles;
  readonly #quarantine: Quarantine;
  /** Messages whose progress or removal is still to be written. */
  #notes = new Set<LocalDiskEntry>();
  /** Rejected messages of which something may still be in place. */
  readonly #rejected = new Set<MessageId>();
  /** Stored since the start, until the enumeration is over, which does not visit them. */
  #stored: Set<MessageId> | undefined = new Set();
  readonly #underWay = new Set<Promise<unknown>>();
  #timer: Timer | undefined;
  #writingNotes: Promise<unknown> | undefined;
  #lastFailure: unknown;
  #messages = 0;
  #closed = false;

  constructor(options: LocalDiskSpoolOptions) {
    this.#options = options;
    this.#files = options.fileSystem ?? nodeFileSystem;
    const flush = options.flush ?? true;
    this.#meta = new LocalDiskFiles(this.#files, options.metaPath, flush);
    this.#bodies = new LocalDiskFiles(this.#files, options.dataPath, flush);
    const path = options.quarantinePath ?? `${options.metaPath}/quarantine`;
    this.#quarantine = new Quarantine(this.#files, path, options.diagnostics);
  }

  /** Makes the directories and clears away what was being written when the last process ended. */
  async open(): Promise<void> {
    await this.#meta.open();
    await this.#bodies.open();
    for (const id of await this.#meta.leftovers()) {
      if (!(await this.#meta.has(id))) await this.#bodies.remove(id, false);
      await this.#meta.discard(id);
    }
    for (const id of await this.#bodies.leftovers()) await finishReplacing(this.#meta, this.#bodies, id);
  }

  get directories(): readonly string[] {
    return [this.#meta.path, this.#bodies.path];
  }

  get empty(): boolean {
    return this.#stored === undefined && this.#messages === 0;
  }

  store(id: MessageId, envelope: SpooledEnvelope, body: Buffer): Promise<SpoolEntry> {
    return this.#tracked(this.#store(id, envelope, body));
  }

  updateEnvelope(entry: SpoolEntry, envelope: SpooledEnvelope, body?: Buffer): Promise<void> {
    return this.#tracked(this.#updateEnvelope(this.#own(entry), envelope, body));
  }

  async #store(id: MessageId, envelope: SpooledEnvelope, body: Buffer): Promise<SpoolEntry> {
    if (this.#closed) throw new SpoolWriteError('the spool is closed');
    if (!/^[0-9a-f]{32}$/.test(id)) throw new SpoolWriteError(`${JSON.stringify(id)} is no message id`);
    const entry = new LocalDiskEntry(id, this);
    entry.size = body.length;
    entry.checksum = crc32(body) | 0;
    const metadata = encodeMetadata(entry, envelope);
    this.#stored?.add(id);
    try {
      if (this.#rejected.has(id)) await this.#withdraw(id);
      // Metadata in `new/` first: it tells the next start of a body that came no further.
      await this.#meta.prepare(id, metadata);
      await this.#bodies.prepare(id, body);
      await this.#bodies.publish(id);
      await this.#meta.publish(id);
    } catch (error) {
      await this.#reject(id);
      throw new SpoolWriteError(`writing to the spool failed: ${errorText(error)}`, { cause: error });
    }
    this.#messages++;
    return entry;
  }

  async #updateEnvelope(entry: LocalDiskEntry, updated: SpooledEnvelope, body?: Buffer): Promise<void> {
    const envelope = structuredClone(updated);
    try {
      await this.#inTurn(entry, async () => {
        if (entry.removed) return;
        if (body === undefined) await this.#rewrite(entry, envelope);
        else await this.#replace(entry, envelope, body);
      });
    } catch (error) {
      throw new SpoolWriteError(`writing to the spool failed: ${errorText(error)}`, { cause: error });
    }
  }

  /** Lets `close` wait for what is under way. */
  async #tracked<T>(change: Promise<T>): Promise<T> {
    this.#underWay.add(change);
    try {
      return await change;
    } finally {
      this.#underWay.delete(change);
    }
  }

  saveProgress(entry: SpoolEntry, { attempts, due }: DeliveryProgress): void {
    const own = this.#own(entry);
    own.attempts = attempts;
    own.due = due;
    this.#note(own);
  }

  remove(entry: SpoolEntry): void {
    const own = this.#own(entry);
    if (own.removed) return;
    own.removed = true;
    this.#messages--;
    this.#note(own);
  }

  removalsWritten(): Promise<void> {
    return this.#writeNotes().catch(() => {});
  }

  async loadEnvelope(entry: SpoolEntry): Promise<SpooledEnvelope> {
    const own = this.#own(entry);
    const bytes = await this.#meta.read(own.id);
    const envelope = decodeMetadata(bytes, new LocalDiskEntry(own.id, this));
    if (envelope !== undefined) return envelope;
    return this.#refuse(own, 'meta', bytes, `the envelope of message ${own.id} is damaged`);
  }

  async loadBody(entry: SpoolEntry): Promise<Buffer> {
    const own = this.#own(entry);
    for (;;) {
      const { busy } = own;
      const found = await findBody(this.#bodies, own);
      if (found.isIntact) return found.bytes!;
      // Perhaps it was just being replaced.
      if (busy === undefined && own.busy === undefined) {
        if (found.bytes === undefined) throw new SpoolDamageError(`the body of message ${own.id} is missing`);
        return this.#refuse(own, 'body', found.bytes, `the body of message ${own.id} is damaged`);
      }
      await (busy ?? own.busy);
    }
  }

  async enumerate(visit: (message: EnumeratedMessage) => MaybePromise<void>): Promise<EnumerationSummary> {
    if (this.#stored === undefined) throw new Error('a spool is enumerated once');
    const summary = { messages: 0, quarantined: 0 };
    for await (const id of this.#meta.ids()) {
      if (this.#stored.has(id)) continue;
      const entry = new LocalDiskEntry(id, this);
      const envelope = await this.#recover(id, entry);
      if (envelope === 'gone') continue;
      if (envelope === 'damaged') {
        summary.quarantined++;
        continue;
      }
      summary.messages++;
      this.#messages++;
      await visit({
        entry,
        envelope,
        progress: { attempts: entry.attempts, due: entry.due },
        size: entry.size,
      });
    }
    this.#stored = undefined;
    return summary;
  }

  async flush(): Promise<void> {
    do {
      this.#lastFailure = undefined;
      await this.#writeNotes();
      if (this.#lastFailure !== undefined) {
        throw new SpoolWriteError(`writing to the spool failed: ${errorText(this.#lastFailure)}`);
      }
    } while (this.#notes.size > 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
    try {
      await this.flush();
    } finally {
      this.#timer?.cancel();
    }
  }

  async #recover(id: MessageId, entry: LocalDiskEntry): Promise<SpooledEnvelope | 'gone' | 'damaged'> {
    const why = `the envelope of message ${id} is damaged`;
    try {
      const bytes = await patiently(this.#options.clock, () => this.#meta.read(id));
      const envelope = decodeMetadata(bytes, entry);
      if (envelope !== undefined) return envelope;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 'gone';
      if (errorCode(error) !== 'EIO') throw error;
    }
    await this.#setAside(id, 'meta', why);
    await this.#setAside(id, 'body', why);
    return 'damaged';
  }

  async #setAside(id: MessageId, what: 'meta' | 'body', why: string): Promise<void> {
    const path = (what === 'meta' ? this.#meta : this.#bodies).pathOf(id);
    await this.#quarantine.setAside(path, this.#quarantineName(id, what), why);
  }

  #quarantineName(id: MessageId, what: 'meta' | 'body'): string {
    return `${this.#options.quarantinePrefix ?? ''}${id}.${what}`;
  }

  async #refuse(entry: LocalDiskEntry, what: 'meta' | 'body', bytes: Buffer, why: string): Promise<never> {
    await this.#quarantine.keep(this.#quarantineName(entry.id, what), bytes, why);
    throw new SpoolDamageError(why);
  }

  async #rewrite(entry: LocalDiskEntry, envelope: SpooledEnvelope): Promise<void> {
    await this.#restore(entry);
    const before = await this.#meta.read(entry.id);
    await this.#meta.prepare(entry.id, encodeMetadata(entry, envelope));
    try {
      await this.#meta.publish(entry.id);
    } catch (error) {
      // It may be in place without being durable.
      entry.restore = before;
      await this.#restore(entry).catch(() => this.#note(entry));
      throw error;
    }
  }

  /**
   * The new body waits in `new/`; once the metadata names it, the change has happened. The body then moves to its
   * place, now or at the next start, and is found in `new/` until then.
   */
  async #replace(entry: LocalDiskEntry, envelope: SpooledEnvelope, body: Buffer): Promise<void> {
    const { id, size, checksum } = entry;
    // While the metadata of a change that failed is in place, it names the body of that change.
    await this.#restore(entry);
    if (await this.#bodies.hasPrepared(id)) await finishReplacing(this.#meta, this.#bodies, id);
    await this.#bodies.prepareDurably(id, body);
    entry.size = body.length;
    entry.checksum = crc32(body) | 0;
    try {
      await this.#rewrite(entry, envelope);
    } catch (error) {
      entry.size = size;
      entry.checksum = checksum;
      // Until the old metadata is back, the new one may be found and would need its body.
      if (entry.restore === undefined) await this.#bodies.discard(id).catch(() => {});
      throw error;
    }
    await this.#bodies.publish(id).catch(() => {});
  }

  async #restore(entry: LocalDiskEntry): Promise<void> {
    if (entry.restore === undefined) return;
    await this.#meta.prepare(entry.id, entry.restore);
    await this.#meta.publish(entry.id);
    entry.restore = undefined;
  }

  /** Removes what a failed `store` left. Does not reject: what cannot be removed now is tried again. */
  async #reject(id: MessageId): Promise<void> {
    this.#rejected.add(id);
    await this.#withdraw(id).catch(() => this.#schedule(RETRY_DELAY));
  }

  async #withdraw(id: MessageId): Promise<void> {
    await this.#meta.remove(id, true);
    await this.#bodies.remove(id, false);
    await this.#meta.discard(id);
    await this.#bodies.discard(id);
    this.#rejected.delete(id);
  }

  #own(entry: SpoolEntry): LocalDiskEntry {
    if (!(entry instanceof LocalDiskEntry) || entry.owner !== this) {
      throw new Error(`the entry of message ${entry.id} belongs to another spool`);
    }
    return entry;
  }

  /** Runs a change after those of the same message that were asked for before. */
  async #inTurn(entry: LocalDiskEntry, change: () => Promise<void>): Promise<void> {
    while (entry.busy !== undefined) await entry.busy;
    const running = change();
    const busy = running.then(
      () => {},
      () => {},
    );
    entry.busy = busy;
    await busy;
    if (entry.busy === busy) entry.busy = undefined;
    return running;
  }

  #note(entry: LocalDiskEntry): void {
    this.#notes.add(entry);
    this.#schedule(NOTE_DELAY);
  }

  #schedule(delay: number): void {
    if (this.#closed) return;
    this.#timer ??= this.#options.clock.after(delay, () => {
      this.#timer = undefined;
      void this.#writeNotes();
    });
  }

  /** Writes what is noted, a few at a time. What fails is noted again and tried later. Never rejects. */
  async #writeNotes(): Promise<void> {
    while (this.#writingNotes !== undefined) await this.#writingNotes;
    const entries = this.#notes.values();
    this.#notes = new Set();
    const rejected = [...this.#rejected].map((id) =>
      this.#withdraw(id).catch((error) => this.#noteFailed(error)),
    );
    const writers = Array.from({ length: PARALLEL_NOTES }, async () => {
      for (const entry of entries) await this.#writeNote(entry);
    });
    this.#writingNotes = Promise.all([...writers, ...rejected]);
    await this.#writingNotes;
    this.#writingNotes = undefined;
  }

  async #writeNote(entry: LocalDiskEntry): Promise<void> {
    try {
      await this.#inTurn(entry, async () => {
        if (!entry.removed) {
          await this.#restore(entry);
          return this.#rewrite(entry, await this.loadEnvelope(entry));
        }
        await this.#meta.remove(entry.id, true);
        await this.#bodies.remove(entry.id, false);
      });
    } catch (error) {
      // Damage has been set aside and reported; there is nothing to write to.
      if (error instanceof SpoolDamageError) return;
      this.#notes.add(entry);
      this.#noteFailed(error);
    }
  }

  #noteFailed(error: unknown): void {
    if (this.#lastFailure === undefined) {
      this.#options.diagnostics.error('spool', `writing to the spool failed: ${errorText(error)}`);
    }
    this.#lastFailure = error;
    this.#schedule(RETRY_DELAY);
  }
}
