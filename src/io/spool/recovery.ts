import type {
  Clock,
  DeliveryProgress,
  Diagnostics,
  EnumeratedMessage,
  EnumerationSummary,
  MaybePromise,
  MessageId,
  SpooledEnvelope,
} from '../../model/index.ts';
import { errorCode, errorText, patiently } from './file-system.ts';
import {
  checkSegmentHeader,
  type DeadRange,
  decodeEnvelopeText,
  decodeMessage,
  decodeProgress,
  decodeRecordHeader,
  decodeRemoval,
  findRecord,
  type MessageRecord,
  PROGRESS_RECORD_BYTES,
  payloadIntact,
  RECORD_HEADER_BYTES,
  REPLACES,
  type RecordHeader,
  RecordKind,
  recordId,
  SEGMENT_HEADER_BYTES,
} from './format.ts';
import type { Quarantine } from './quarantine.ts';
import { type Segment, SegmentEntry } from './segment.ts';
import type { SegmentDirectory } from './segment-directory.ts';

export interface RecoveryOptions {
  meta: SegmentDirectory;
  body: SegmentDirectory;
  quarantine: Quarantine;
  /** Prefix of names in the quarantine, such as `shard-0-`. */
  prefix: string;
  clock: Clock;
  diagnostics: Diagnostics;
  /** Writes that a record is dead, as GroupWriter.repeatRemoval. */
  withdraw(id: MessageId, ranges: DeadRange[]): void;
}

/** What a look through the bytes of one metadata segment found. */
interface ScannedSegment {
  /** Offsets of intact records, in order. */
  records: number[];
  /** Stretches that are no intact record, from and to. */
  damage: [number, number][];
  closed: boolean;
}

/** Records looked at between two turns of the event loop; about a millisecond of work. */
const SLICE = 256;

/**
 * Finds the live messages of the segments that were there at the start: newest segment first and each from its end,
 * so that one pass is enough (format.ts). Damage is set aside and never stops it; only a file system that refuses to
 * let segments be read does.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #visit: (message: EnumeratedMessage) => MaybePromise<void>;
  readonly #dead = new Map<string, DeadRange[]>();
  readonly #progress = new Map<string, DeliveryProgress & { home: Segment }>();
  /** Messages visited whose older records may still come up. */
  readonly #replaced = new Set<string>();
  #memory = Buffer.alloc(0);
  #messages = 0;
  #quarantined = 0;
  #steps = 0;

  constructor(options: RecoveryOptions, visit: (message: EnumeratedMessage) => MaybePromise<void>) {
    this.#options = options;
    this.#visit = visit;
  }

  async run(metaSegments: readonly Segment[], bodySegments: readonly Segment[]): Promise<EnumerationSummary> {
    const newestFirst = [...metaSegments].sort((a, b) => b.number - a.number);
    for (const segment of newestFirst) await this.#recover(segment, segment === newestFirst[0]);
    for (const segment of [...metaSegments, ...bodySegments]) {
      segment.counted = true;
      segment.trim();
    }
    return { messages: this.#messages, quarantined: this.#quarantined };
  }

  async #recover(segment: Segment, newest: boolean): Promise<void> {
    const bytes = await this.#read(segment);
    if (bytes === undefined) return;
    const header = bytes.length === 0 ? 'good' : checkSegmentHeader(bytes, segment.number);
    if (header === 'foreign') {
      throw new Error(`${segment.path} was written by another version of Moonpost`);
    }
    const scanned = await this.#scan(bytes, header === 'good' ? SEGMENT_HEADER_BYTES : 0);
    if (scanned.records.length === 0 && scanned.damage.length > 0) {
      await this.#setAside(segment, 'no record in it can be read');
      return;
    }
    for (const [from, to] of scanned.damage) await this.#keepDamage(segment, bytes, from, to);
    const last = scanned.records.at(-1);
    // Bodies are synced beside metadata, so the last group may have lost its bodies to a power failure.
    const suspect =
      newest && !scanned.closed && last !== undefined ? decodeRecordHeader(bytes, last)!.group : -1;
    for (let index = scanned.records.length - 1; index >= 0; index--) {
      await this.#meet(segment, bytes, scanned.records[index]!, suspect);
      if (++this.#steps % SLICE === 0) await this.#pause();
    }
  }

  /** The whole segment; undefined when it had to be set aside. */
  async #read(segment: Segment): Promise<Buffer | undefined> {
    const { meta, clock } = this.#options;
    if (segment.size === Number.POSITIVE_INFINITY) {
      await this.#setAside(segment, 'it cannot be read');
      return undefined;
    }
    try {
      // One piece of memory for all: what each would take of its own, the allocator keeps.
      if (this.#memory.length < segment.size) this.#memory = Buffer.allocUnsafeSlow(segment.size);
      return await patiently(clock, () => meta.read(segment, segment.size, 0, this.#memory));
    } catch (error) {
      if (errorCode(error) !== 'EIO') throw error;
      await this.#setAside(segment, `it cannot be read: ${errorText(error)}`);
      return undefined;
    }
  }

  async #scan(bytes: Buffer, start: number): Promise<ScannedSegment> {
    const found: ScannedSegment = { records: [], damage: [], closed: false };
    let at = start;
    if (start === 0) {
      at = this.#next(bytes, 0);
      if (at < bytes.length || !isTornTail(bytes, 0)) found.damage.push([0, at]);
    }
    while (at < bytes.length) {
      if (++this.#steps % (4 * SLICE) === 0) await this.#pause();
      const header = decodeRecordHeader(bytes, at);
      const end = at + RECORD_HEADER_BYTES + (header?.length ?? 0);
      if (header === undefined) {
        const next = this.#next(bytes, at + 1);
        // What an interrupted write leaves is part of a header, or blocks that were never filled.
        const torn = next === bytes.length && isTornTail(bytes, at);
        if (!torn) found.damage.push([at, next]);
        at = next;
      } else if (end > bytes.length) {
        break;
      } else {
        if (payloadIntact(bytes, at, header)) {
          found.records.push(at);
          found.closed = header.kind === RecordKind.closed;
        } else found.damage.push([at, end]);
        at = end;
      }
    }
    return found;
  }

  #next(bytes: Buffer, from: number): number {
    const next = findRecord(bytes, from);
    return next < 0 ? bytes.length : next;
  }

  async #meet(segment: Segment, bytes: Buffer, offset: number, suspect: number): Promise<void> {
    const header = decodeRecordHeader(bytes, offset)!;
    const id = recordId(bytes, offset);
    switch (header.kind) {
      case RecordKind.removal:
        this.#meetRemoval(segment, id, decodeRemoval(bytes, offset, header.length));
        break;
      case RecordKind.progress:
        if (!this.#progress.has(id) && !this.#isDead(segment, id, offset)) {
          this.#progress.set(id, { ...decodeProgress(bytes, offset), home: segment });
        }
        break;
      case RecordKind.message:
        if (this.#replaced.has(id) || this.#isDead(segment, id, offset)) {
          this.#progress.delete(id);
          break;
        }
        await this.#meetMessage(segment, bytes, offset, header, suspect);
        break;
    }
  }

  #meetRemoval(segment: Segment, id: string, ranges: DeadRange[]): void {
    const { segments } = this.#options.meta;
    const known = this.#dead.get(id) ?? [];
    for (const range of ranges) {
      if (!segments.has(range.segment)) continue;
      known.push(range);
      if (range.segment !== segment.number)
        segment.guard(range.segment, RECORD_HEADER_BYTES + 8 * ranges.length);
    }
    // Of its own segment it kills what is before it, which is what is still to come: that is read backwards.
    known.push({ segment: segment.number, offset: 0 });
    this.#dead.set(id, known);
  }

  #isDead(segment: Segment, id: string, offset: number): boolean {
    const ranges = this.#dead.get(id);
    return ranges?.some((range) => range.segment === segment.number && offset >= range.offset) ?? false;
  }

  async #meetMessage(
    segment: Segment,
    bytes: Buffer,
    offset: number,
    header: RecordHeader,
    suspect: number,
  ): Promise<void> {
    const id = recordId(bytes, offset);
    const end = offset + RECORD_HEADER_BYTES + header.length;
    const record = decodeMessage(bytes, offset);
    const isSuspect = header.group === suspect;
    const replaces = (header.flags & REPLACES) !== 0;
    const body = this.#options.body.segments.get(record.bodySegment);
    const isMissing = body === undefined || record.bodyOffset + RECORD_HEADER_BYTES + record.size > body.size;
    // A change whose new body did not get to the disk was never answered: the older record counts.
    if (isSuspect && replaces && (isMissing || !(await this.#holdsBody(id, body, record)))) {
      this.#options.withdraw(id, [{ segment: segment.number, offset }]);
      return;
    }
    if (replaces) this.#replaced.add(id);
    if (isMissing) {
      await this.#keepBodiless(segment, bytes, offset, header, isSuspect);
      return;
    }
    if (isSuspect && !(await this.#bodyIntact(id, body, record))) {
      await this.#keepDamage(segment, bytes, offset, end, `the body of message ${id} is damaged`);
      return;
    }
    const entry = new SegmentEntry(id, segment, body);
    entry.placeRecord(offset, RECORD_HEADER_BYTES + header.length);
    this.#enter(entry, record);
    const envelope = JSON.parse(decodeEnvelopeText(bytes, offset, header.length)) as SpooledEnvelope;
    this.#messages++;
    const progress = { attempts: entry.attempts, due: entry.due };
    const visited = this.#visit({ entry, envelope, progress, size: entry.size });
    if (visited !== undefined) await visited;
  }

  #enter(entry: SegmentEntry, record: MessageRecord): void {
    const { home, bodyHome } = entry;
    entry.placeBody(record.bodyOffset, record.size);
    entry.older = record.older?.filter((number) => this.#options.meta.segments.has(number));
    const newer = this.#progress.get(entry.id);
    const { attempts, due } = newer ?? record;
    entry.setProgress(attempts, due);
    home.join(entry);
    home.liveBytes += entry.length;
    bodyHome.join(entry);
    bodyHome.liveBytes += RECORD_HEADER_BYTES + entry.size;
    if (newer === undefined) return;
    this.#progress.delete(entry.id);
    entry.progressHome = newer.home;
    newer.home.liveBytes += PROGRESS_RECORD_BYTES;
    if (newer.home !== home) newer.home.join(entry);
  }

  async #holdsBody(id: string, body: Segment, record: MessageRecord): Promise<boolean> {
    const length = RECORD_HEADER_BYTES + record.size;
    return (await this.#options.body.readRecord(body, record.bodyOffset, length, id)).intact;
  }

  async #bodyIntact(id: string, body: Segment, record: MessageRecord): Promise<boolean> {
    const length = RECORD_HEADER_BYTES + record.size;
    const { bytes, intact } = await this.#options.body.readRecord(body, record.bodyOffset, length, id);
    if (intact) return true;
    const { quarantine, prefix } = this.#options;
    const name = `${prefix}${fileName(body)}.${record.bodyOffset}`;
    await quarantine.keep(name, bytes, `the body of message ${id} is damaged`);
    return false;
  }

  /** A message without its body cannot be delivered. One of the last group was never answered with success. */
  async #keepBodiless(
    segment: Segment,
    bytes: Buffer,
    offset: number,
    header: RecordHeader,
    unanswered: boolean,
  ): Promise<void> {
    const end = offset + RECORD_HEADER_BYTES + header.length;
    const id = recordId(bytes, offset);
    if (unanswered) {
      this.#options.diagnostics.info('spool', `message ${id} was being written when the last process ended`);
      this.#options.withdraw(id, [{ segment: segment.number, offset }]);
      return;
    }
    await this.#keepDamage(segment, bytes, offset, end, `the body of message ${id} is missing`);
  }

  async #keepDamage(segment: Segment, bytes: Buffer, from: number, to: number, why?: string): Promise<void> {
    const name = `${this.#options.prefix}${fileName(segment)}.${from}`;
    const reason = why ?? `bytes ${from} to ${to} of ${segment.path} are damaged`;
    this.#quarantined++;
    // Unless the copy is safe the segment has to stay as it is.
    if (await this.#options.quarantine.keep(name, bytes.subarray(from, to), reason)) segment.damaged = true;
    else segment.kept = true;
  }

  async #setAside(segment: Segment, why: string): Promise<void> {
    const name = `${this.#options.prefix}${fileName(segment)}`;
    this.#quarantined++;
    if (await this.#options.quarantine.setAside(segment.path, name, `${segment.path}: ${why}`)) {
      this.#options.meta.forget(segment);
    } else segment.kept = true;
  }

  #pause(): Promise<void> {
    return new Promise<void>((resolve) => void this.#options.clock.after(0, resolve));
  }
}

/** Name of a segment's file without its directory. */
export function fileName(segment: Segment): string {
  return segment.path.slice(segment.path.lastIndexOf('/') + 1);
}

/** True for what an interrupted write can leave at the end: less than a header, or nothing but zeros. */
function isTornTail(bytes: Buffer, from: number): boolean {
  if (bytes.length - from < RECORD_HEADER_BYTES) return true;
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
