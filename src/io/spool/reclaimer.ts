import type { Clock, Diagnostics, Timer } from '../../model/index.ts';
import { errorText } from './file-system.ts';
import {
  type DeadRange,
  decodeEnvelopeText,
  decodeRecordHeader,
  decodeRemoval,
  findRecord,
  payloadIntact,
  RECORD_HEADER_BYTES,
  RecordKind,
  recordId,
} from './format.ts';
import type { GroupWriter } from './group-writer.ts';
import type { Reserve } from './reserve.ts';
import type { Segment, SegmentEntry } from './segment.ts';
import type { SegmentDirectory } from './segment-directory.ts';

export interface ReclaimerOptions {
  meta: SegmentDirectory;
  body: SegmentDirectory;
  reserve: Reserve;
  writer: () => GroupWriter;
  clock: Clock;
  diagnostics: Diagnostics;
}

/** Bytes and messages moved before compaction lets everybody else go first. */
const SLICE_BYTES = 1024 * 1024;
const SLICE_MESSAGES = 256;
/** Milliseconds between slices. */
const PAUSE = 5;
/**
 * Milliseconds before what lives in a mostly dead segment is moved. Most of it is mail under way that will be gone by
 * then, and the segment with it.
 */
const MOVE_DELAY = 5000;
/** Milliseconds until a segment is tried again after a failure. */
const RETRY_DELAY = 30_000;

/**
 * Gives space back: unlinks segments in which nothing lives, and moves what lives in mostly dead ones to the end of
 * the log, in the background and in slices.
 *
 * A segment is unlinked only after the removals and moves that emptied it are durable, and a removal record outlives
 * every segment in which it kills something: so at no moment does a dead message have a record without its removal.
 */
export class Reclaimer {
  readonly #options: ReclaimerOptions;
  readonly #waiting = new Set<Segment>();
  readonly #timers = new Map<Segment, Timer>();
  #running: Promise<void> | undefined;
  #pausing: { timer: Timer; end: () => void } | undefined;
  #stopped = false;

  constructor(options: ReclaimerOptions) {
    this.#options = options;
  }

  /** Looks at a segment in which something died. Cheap when there is nothing to do. */
  consider(segment: Segment): void {
    if (this.#stopped) return;
    if (segment.dead) this.#start(segment);
    else if (segment.mostlyDead && !this.#timers.has(segment)) this.#startLater(segment, MOVE_DELAY);
  }

  /** Does at once all that would be done in time, and resolves when it is done. */
  async compact(): Promise<void> {
    const { meta, body } = this.#options;
    for (const segment of [...meta.segments.values(), ...body.segments.values()]) {
      if (segment.dead || segment.mostlyDead) this.#start(segment);
    }
    while (this.#running !== undefined) await this.#running;
  }

  /** Ends after the slice in hand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#pausing?.timer.cancel();
    this.#pausing?.end();
    await this.#running;
  }

  #start(segment: Segment): void {
    this.#timers.get(segment)?.cancel();
    this.#timers.delete(segment);
    this.#waiting.add(segment);
    this.#running ??= this.#run();
  }

  #startLater(segment: Segment, delay: number): void {
    if (this.#stopped) return;
    const timer = this.#options.clock.after(delay, () => {
      this.#timers.delete(segment);
      if (segment.dead || segment.mostlyDead) this.#start(segment);
    });
    this.#timers.set(segment, timer);
  }

  async #run(): Promise<void> {
    // Not in the middle of the accounting that led here.
    await this.#pause(0);
    for (const segment of this.#waiting) {
      if (this.#stopped) break;
      this.#waiting.delete(segment);
      try {
        if (segment.mostlyDead && !segment.dead) await this.#empty(segment);
        if (segment.dead) await this.#unlink(segment);
        else if (segment.mostlyDead) this.#startLater(segment, MOVE_DELAY);
      } catch (error) {
        this.#options.diagnostics.warn('spool', `compaction of ${segment.path} failed: ${errorText(error)}`);
        this.#startLater(segment, RETRY_DELAY);
      }
    }
    this.#running = undefined;
  }

  async #unlink(segment: Segment): Promise<void> {
    const { meta, body, reserve } = this.#options;
    await (segment.kind === 'meta' ? meta : body).unlink(segment);
    await reserve.fill();
    if (segment.kind === 'body') return;
    for (const other of meta.segments.values()) {
      if (other.dropGuard(segment.number)) this.consider(other);
    }
  }

  async #empty(segment: Segment): Promise<void> {
    if (segment.kind === 'body') await this.#moveBodies(segment);
    else await this.#moveMetadata(segment);
  }

  async #moveBodies(segment: Segment): Promise<void> {
    const { meta, body } = this.#options;
    let slice: Promise<unknown>[] = [];
    let bytes = 0;
    for (const entry of segment.members()) {
      if (this.#stopped) break;
      if (entry.removed || entry.bodyHome !== segment) continue;
      const { home, offset, length } = entry;
      const bodyLength = RECORD_HEADER_BYTES + entry.size;
      const stored = await body.readRecord(segment, entry.bodyOffset, bodyLength, entry.id);
      const record = await meta.readRecord(home, offset, length, entry.id);
      if (!stored.intact || !record.intact) {
        // Left for loadBody to meet, so that whoever asks for the message is told.
        if (!entry.removed && entry.home === home) segment.immovable = true;
        continue;
      }
      const envelope = decodeEnvelopeText(record.bytes, 0, length - RECORD_HEADER_BYTES);
      const content = stored.bytes.subarray(RECORD_HEADER_BYTES);
      slice.push(this.#write(entry, envelope, content, { home, offset }));
      bytes += bodyLength;
      if (bytes < SLICE_BYTES && slice.length < SLICE_MESSAGES) continue;
      await this.#finishSlice(slice);
      slice = [];
      bytes = 0;
    }
    await this.#finishSlice(slice);
  }

  async #moveMetadata(segment: Segment): Promise<void> {
    const { meta } = this.#options;
    const bytes = await meta.read(segment, segment.size, 0);
    let slice: Promise<unknown>[] = [];
    for (const entry of segment.members()) {
      if (this.#stopped) return;
      if (entry.removed) continue;
      if (entry.home === segment) {
        const move = this.#moveRecord(segment, bytes, entry);
        if (move !== undefined) slice.push(move);
      } else if (entry.progressHome === segment) this.#options.writer().noteProgress(entry);
      if (slice.length < SLICE_MESSAGES) continue;
      await this.#finishSlice(slice);
      slice = [];
    }
    await this.#finishSlice(slice);
    await this.#repeatRemovals(segment, bytes);
  }

  #moveRecord(segment: Segment, bytes: Buffer, entry: SegmentEntry): Promise<unknown> | undefined {
    const { offset, id } = entry;
    const header = decodeRecordHeader(bytes, offset);
    if (header === undefined || recordId(bytes, offset) !== id || !payloadIntact(bytes, offset, header)) {
      segment.immovable = true;
      return undefined;
    }
    const envelope = decodeEnvelopeText(bytes, offset, header.length);
    return this.#write(entry, envelope, undefined, { home: segment, offset });
  }

  #write(
    entry: SegmentEntry,
    envelope: string,
    body: Buffer | undefined,
    source: { home: Segment; offset: number },
  ): Promise<unknown> {
    const written = this.#options.writer().write(entry.id, entry, envelope, body, source);
    // Looked at when the slice ends; should something else fail before that, nobody looks.
    written.catch(() => {});
    return written;
  }

  /** Copies the removals that still kill something elsewhere to the end of the log. */
  async #repeatRemovals(segment: Segment, bytes: Buffer): Promise<void> {
    const { meta } = this.#options;
    const writer = this.#options.writer();
    let steps = 0;
    for (let at = findRecord(bytes, 0); at >= 0; ) {
      const header = decodeRecordHeader(bytes, at);
      if (header === undefined) {
        at = findRecord(bytes, at + 1);
        continue;
      }
      if (header.kind === RecordKind.removal && payloadIntact(bytes, at, header)) {
        const needed = (range: DeadRange): boolean =>
          range.segment !== segment.number && meta.segments.has(range.segment);
        const ranges = decodeRemoval(bytes, at, header.length).filter(needed);
        if (ranges.length > 0) writer.repeatRemoval(recordId(bytes, at), ranges);
      }
      at += RECORD_HEADER_BYTES + header.length;
      if (at >= bytes.length) break;
      if (++steps % 1024 === 0) await this.#pause(0);
      if (this.#stopped) return;
    }
    await writer.flush();
    segment.dropGuards();
  }

  async #finishSlice(slice: readonly Promise<unknown>[]): Promise<void> {
    if (slice.length === 0) return;
    const results = await Promise.allSettled(slice);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    await this.#pause(PAUSE);
  }

  #pause(delay: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise<void>((resolve) => {
      const end = (): void => {
        this.#pausing = undefined;
        resolve();
      };
      this.#pausing = { timer: this.#options.clock.after(delay, end), end };
    });
  }
}
