import {
  type Clock,
  type Diagnostics,
  type MessageId,
  measured,
  SpoolWriteError,
  type Timer,
} from '../../model/index.ts';
import { errorText, writeFully } from './file-system.ts';
import { type DeadRange, MetadataEncoder } from './format.ts';
import { type Barrier, encodeGroup, type Group, type Ticket, type Withdrawal } from './group.ts';
import { applyGroup, type Reclaim } from './placement.ts';
import type { Reserve } from './reserve.ts';
import type { Segment, SegmentEntry } from './segment.ts';
import type { SegmentDirectory } from './segment-directory.ts';

export interface WriterOptions {
  meta: SegmentDirectory;
  body: SegmentDirectory;
  clock: Clock;
  diagnostics: Diagnostics;
  /** False leaves out every fdatasync: mail then survives a crash of the process, not of the machine. */
  flush: boolean;
  /** A metadata segment is sealed when it has this many bytes. */
  metaSegmentBytes: number;
  bodySegmentBytes: number;
  reserve: Reserve;
  /** Told of every segment that was sealed or of which something has died. */
  reclaim: Reclaim;
}

const commits = measured.histogram('spool_commit_latency');
/** Bytes of bodies and number of messages after which a group is closed and the rest waits for the next. */
const GROUP_BODY_BYTES = 32 * 1024 * 1024;
const GROUP_TICKETS = 2048;
const GROUP_NOTES = 32_768;
/** Milliseconds that removals and progress wait for a message to go with. */
const NOTE_DELAY = 5;
/** Milliseconds until removals and progress are tried again after a failure. */
const RETRY_DELAY = 250;

/**
 * Writes the log. What is asked for while a group is being written gathers into the next one.
 * idle → waiting (for the next turn of the event loop; for 5 ms when there are only removals and progress, the
 * notes) → writing → writing the next group, or idle.
 *
 * A group is: create segments if needed, one writev per file, one fdatasync per file, both files at the same time.
 * When any of it fails, the segments that were touched are cut back to where they were and never written again; where
 * cutting back fails too, withdrawals of the group's records are written elsewhere. Only then the messages are
 * rejected. Notes are kept; after a failure they go alone, since they are small and bring space back, and if that
 * fails as well, whatever waits is rejected.
 */
export class GroupWriter {
  readonly #options: WriterOptions;
  readonly #encoder = new MetadataEncoder();
  #meta: Segment | undefined;
  #body: Segment | undefined;
  #groups = 0;
  #failures = 0;
  #tickets: Ticket[] = [];
  #removals: SegmentEntry[] = [];
  #progress = new Set<SegmentEntry>();
  #withdrawals: Withdrawal[] = [];
  /** Removals ever noted, and how many of them the operating system has. */
  #removalsNoted = 0;
  #removalsHandedOver = 0;
  /** In the order of their targets. */
  #removalWaiters: { target: number; resolve: () => void }[] = [];
  #barriers: Barrier[] = [];
  #timer: Timer | undefined;
  #timerDelay = 0;
  #writing = false;
  /** Takes nothing new. */
  #closed = false;
  /** Writes nothing more. */
  #ended = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the records are durable, or are no longer wanted. Rejects with SpoolWriteError; then nothing was
   * kept.
   */
  write(
    id: MessageId,
    entry: SegmentEntry | undefined,
    envelope: string,
    body: Buffer | undefined,
    source?: Ticket['source'],
  ): Promise<SegmentEntry | undefined> {
    if (this.#closed) return Promise.reject(new SpoolWriteError('the spool is closed'));
    return new Promise((resolve, reject) => {
      const ticket = {
        id,
        entry,
        envelope,
        body,
        source,
        resolve,
        reject,
        offset: 0,
        length: 0,
        bodyOffset: 0,
      };
      this.#tickets.push(ticket);
      this.#schedule(0);
    });
  }

  /** Writes attempts and due time of an entry with the next group. */
  noteProgress(entry: SegmentEntry): void {
    if (entry.removed || this.#closed) return;
    this.#progress.add(entry);
    this.#schedule(NOTE_DELAY);
  }

  /** Writes with the next group that an entry is removed. */
  noteRemoval(entry: SegmentEntry): void {
    if (this.#closed) return;
    this.#progress.delete(entry);
    this.#removals.push(entry);
    this.#removalsNoted++;
    this.#schedule(NOTE_DELAY);
  }

  /** Resolves when the removals noted so far are written, synced or not; at once while writing fails. */
  removalsWritten(): Promise<void> {
    const target = this.#removalsNoted;
    if (this.#closed || this.#failures > 0 || this.#removalsHandedOver >= target) return Promise.resolve();
    this.#schedule(0);
    return new Promise((resolve) => this.#removalWaiters.push({ target, resolve }));
  }

  /** Writes a removal record once more, because the segment that holds it is to go. */
  repeatRemoval(id: MessageId, ranges: DeadRange[]): void {
    this.#withdrawals.push({ id, ranges });
    this.#schedule(NOTE_DELAY);
  }

  /** Resolves when everything asked for so far is written; rejects with SpoolWriteError when that fails. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#barriers.push({ resolve, reject });
      this.#schedule(0);
    });
  }

  /** Writes what is pending and the mark of an orderly end. Rejects when that failed; it is closed all the same. */
  async close(): Promise<void> {
    this.#closed = true;
    try {
      await this.flush();
      await this.#markClosed();
    } finally {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#ended = true;
    }
  }

  #schedule(delay: number): void {
    if (this.#ended || this.#writing || (this.#timer !== undefined && this.#timerDelay <= delay)) return;
    this.#timer?.cancel();
    this.#timerDelay = delay;
    this.#timer = this.#options.clock.after(delay, () => {
      this.#timer = undefined;
      this.#writing = true;
      void this.#run();
    });
  }

  #notesPending(): boolean {
    return this.#removals.length > 0 || this.#progress.size > 0 || this.#withdrawals.length > 0;
  }

  /** Writes groups while anybody waits for one. Never rejects. */
  async #run(): Promise<void> {
    do await this.#writeGroup(this.#failures > 0 && this.#notesPending());
    while (this.#tickets.length > 0 || this.#barriers.length > 0);
    this.#writing = false;
    if (this.#notesPending()) this.#schedule(this.#failures > 0 ? RETRY_DELAY : NOTE_DELAY);
  }

  async #writeGroup(notesOnly: boolean): Promise<void> {
    const group = this.#take(notesOnly);
    const began = this.#options.clock.monotonic();
    const failure = await this.#attempt(group);
    commits.took(this.#options.clock.monotonic() - began);
    if (failure === undefined) {
      for (const { entry, resolve } of group.tickets) resolve(entry);
      for (const { resolve } of group.barriers) resolve();
      return;
    }
    if (notesOnly && (await this.#options.reserve.spend())) {
      this.#barriers.unshift(...group.barriers);
      return this.#writeGroup(true);
    }
    // The withdrawals have to be on disk before anybody hears of the rejection, if that is possible at all.
    if (this.#withdrawals.length > 0 && group.written.length > 0) await this.#writeGroup(true);
    const tickets = notesOnly ? this.#tickets.splice(0) : group.tickets;
    const barriers = notesOnly ? this.#barriers.splice(0) : [];
    for (const { reject } of [...tickets, ...group.barriers, ...barriers]) reject(failure);
  }

  #take(notesOnly: boolean): Group {
    const removals = this.#removals.splice(0, GROUP_NOTES);
    const progress: SegmentEntry[] = [];
    for (const entry of this.#progress) {
      if (progress.length === GROUP_NOTES) break;
      progress.push(entry);
    }
    if (progress.length === this.#progress.size) this.#progress = new Set();
    else for (const entry of progress) this.#progress.delete(entry);
    const withdrawals = this.#withdrawals;
    this.#withdrawals = [];
    const tickets = notesOnly ? [] : this.#takeTickets();
    const everything = this.#tickets.length === 0 && !this.#notesPending();
    const barriers = everything ? this.#barriers.splice(0) : [];
    const filledIn = { written: [], ranges: [], bodies: [], bodyBytes: 0 };
    return { withdrawals, removals, progress, tickets, barriers, ...filledIn };
  }

  #takeTickets(): Ticket[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#tickets.length && count < GROUP_TICKETS && bytes < GROUP_BODY_BYTES) {
      bytes += this.#tickets[count++]!.body?.length ?? 0;
    }
    return this.#tickets.splice(0, count);
  }

  async #attempt(group: Group): Promise<SpoolWriteError | undefined> {
    const { withdrawals, removals, progress, tickets } = group;
    if (withdrawals.length + removals.length + progress.length + tickets.length === 0) return undefined;
    const { meta: metaFiles, body: bodyFiles } = this.#options;
    const start = { meta: -1, body: -1 };
    let handedOver = 0;
    const onWritten = (): void => {
      handedOver = removals.length;
      this.#handOver(handedOver);
    };
    try {
      if (tickets.some((ticket) => ticket.body !== undefined)) this.#body ??= await bodyFiles.create();
      this.#meta ??= await metaFiles.create();
      const meta = this.#meta;
      const body = this.#body;
      this.#encoder.begin(++this.#groups);
      encodeGroup(group, this.#encoder, meta, body, metaFiles.segments);
      start.meta = meta.size;
      if (group.bodyBytes > 0) start.body = body!.size;
      await settleBoth(
        this.#append(metaFiles, meta, [this.#encoder.bytes], onWritten),
        group.bodyBytes > 0 ? this.#append(bodyFiles, body!, group.bodies) : undefined,
      );
    } catch (error) {
      this.#removalsHandedOver -= handedOver;
      await this.#undo(group, start);
      return this.#noteFailure(error);
    }
    this.#accept(group);
    return undefined;
  }

  #handOver(removals: number): void {
    this.#removalsHandedOver += removals;
    let count = 0;
    while ((this.#removalWaiters[count]?.target ?? Infinity) <= this.#removalsHandedOver) count++;
    for (const { resolve } of this.#removalWaiters.splice(0, count)) resolve();
  }

  async #append(
    directory: SegmentDirectory,
    segment: Segment,
    chunks: readonly Buffer[],
    onWritten: () => void = () => {},
  ): Promise<void> {
    await writeFully(directory.files, segment.file, chunks, segment.size);
    onWritten();
    if (!this.#options.flush) return;
    await settleBoth(
      directory.files.fdatasync(segment.file),
      segment.linked ? undefined : directory.files.syncDirectory(directory.path),
    );
    segment.linked = true;
  }

  /** The group is durable. */
  #accept(group: Group): void {
    const { meta: metaFiles, reclaim } = this.#options;
    const meta = this.#meta!;
    const body = this.#body;
    meta.size += this.#encoder.length;
    if (body !== undefined) body.size += group.bodyBytes;
    applyGroup(group, meta, body, metaFiles.segments, reclaim);
    this.#sealFull();
    this.#noteSuccess();
  }

  #sealFull(): void {
    const { meta, body, metaSegmentBytes, bodySegmentBytes, reclaim } = this.#options;
    const fullMeta = this.#meta !== undefined && this.#meta.size >= metaSegmentBytes ? this.#meta : undefined;
    const fullBody = this.#body !== undefined && this.#body.size >= bodySegmentBytes ? this.#body : undefined;
    if (fullMeta !== undefined) {
      this.#meta = undefined;
      meta.seal(fullMeta);
      reclaim(fullMeta);
    }
    if (fullBody !== undefined) {
      this.#body = undefined;
      body.seal(fullBody);
      reclaim(fullBody);
    }
  }

  /** Keeps the notes of a failed group, and takes back what it may have left on disk. */
  async #undo(group: Group, start: { meta: number; body: number }): Promise<void> {
    this.#removals = [...group.removals, ...this.#removals];
    this.#withdrawals = [...group.withdrawals, ...this.#withdrawals];
    for (const entry of group.progress) if (!entry.removed) this.#progress.add(entry);
    if (start.body >= 0) {
      const body = this.#body!;
      this.#body = undefined;
      await this.#cutBack(this.#options.body, body, start.body);
    }
    if (start.meta < 0) return;
    const meta = this.#meta!;
    this.#meta = undefined;
    if (await this.#cutBack(this.#options.meta, meta, start.meta)) return;
    const ranges = [{ segment: meta.number, offset: start.meta }];
    for (const { id } of group.written) this.#withdrawals.push({ id, ranges });
  }

  /** Ends a segment at `length`; true when what was behind that is durably gone. */
  async #cutBack(directory: SegmentDirectory, segment: Segment, length: number): Promise<boolean> {
    const { files } = directory;
    let done = false;
    if (length === 0) {
      done = await directory.unlink(segment).then(
        () => true,
        () => false,
      );
      if (done) return true;
    }
    try {
      await files.ftruncate(segment.file, length);
      if (this.#options.flush) await files.fdatasync(segment.file);
      done = true;
    } catch {
      // The caller knows what to do, and the error that led here is the one to report.
    }
    directory.seal(segment);
    this.#options.reclaim(segment);
    return done;
  }

  async #markClosed(): Promise<void> {
    const segment = this.#meta;
    if (segment === undefined || segment.size === 0) return;
    this.#encoder.begin(++this.#groups);
    this.#encoder.closed();
    await this.#append(this.#options.meta, segment, [this.#encoder.bytes]);
  }

  #noteFailure(error: unknown): SpoolWriteError {
    const text = `writing to the spool failed: ${errorText(error)}`;
    // Deliveries must not stand still because what they removed cannot be written.
    for (const { resolve } of this.#removalWaiters.splice(0)) resolve();
    // One line per trouble, not one per group: a full disk fails thousands of times a second.
    if (this.#failures++ === 0) this.#options.diagnostics.error('spool', text);
    return new SpoolWriteError(text, { cause: error });
  }

  #noteSuccess(): void {
    if (this.#failures === 0) return;
    this.#options.diagnostics.warn('spool', `writing works again after ${this.#failures} failed groups`);
    this.#failures = 0;
  }
}

/** Waits for both to end, whichever way, then throws the first failure: nothing may run on behind an undo. */
async function settleBoth(first: Promise<void>, second: Promise<void> | undefined): Promise<void> {
  const results = await Promise.allSettled([first, second]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
