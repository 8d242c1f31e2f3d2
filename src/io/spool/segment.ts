import { CompactProgress, type MessageId, type Spool, type SpoolEntry } from '../../model/index.ts';
import type { SegmentKind } from './format.ts';

/**
 * Where one message lies in a segment log. One of these is held per queued message, so it has few fields and all of
 * them are small: the id as four 32-bit numbers, and attempts and due time packed into two, take 40 bytes less than a
 * string and a double would (bench/spool).
 */
export class SegmentEntry extends CompactProgress implements SpoolEntry {
  readonly #id0: number;
  readonly #id1: number;
  readonly #id2: number;
  readonly #id3: number;
  /** The metadata segment with the current message record. */
  home: Segment;
  offset = 0;
  /** Of the record, with its header. */
  length = 0;
  /** The metadata segment with a progress record that is newer than the message record. */
  progressHome: Segment | undefined = undefined;
  bodyHome: Segment;
  bodyOffset = 0;
  /** Of the body, without the header of its record. */
  size = 0;
  /** What only few entries have; undefined for all others. */
  #history: History | undefined = undefined;

  constructor(id: MessageId, home: Segment, bodyHome: Segment) {
    super();
    this.#id0 = Number.parseInt(id.slice(0, 8), 16) | 0;
    this.#id1 = Number.parseInt(id.slice(8, 16), 16) | 0;
    this.#id2 = Number.parseInt(id.slice(16, 24), 16) | 0;
    this.#id3 = Number.parseInt(id.slice(24), 16) | 0;
    this.home = home;
    this.bodyHome = bodyHome;
  }

  get id(): MessageId {
    return hex(this.#id0) + hex(this.#id1) + hex(this.#id2) + hex(this.#id3);
  }

  setProgress(attempts: number, due: number): void {
    this.attempts = attempts;
    this.due = due;
  }

  /** A place has less than 31 bits; told so, the engine keeps it in the object and not as a double of 16 bytes. */
  placeRecord(offset: number, length: number): void {
    this.offset = offset | 0;
    this.length = length | 0;
  }

  placeBody(offset: number, size: number): void {
    this.bodyOffset = offset | 0;
    this.size = size | 0;
  }

  /** Numbers of other metadata segments that may still hold a replaced record of this message. */
  get older(): number[] | undefined {
    return this.#history?.older;
  }

  set older(older: number[] | undefined) {
    this.#history = historyOf(older, this.updates);
  }

  /** -1 = removed; otherwise how many envelope updates are on their way to the disk. */
  get updates(): number {
    return this.#history?.updates ?? 0;
  }

  set updates(updates: number) {
    this.#history = historyOf(this.older, updates);
  }

  get removed(): boolean {
    return this.updates < 0;
  }

  get owner(): Spool {
    return this.home.owner;
  }
}

interface History {
  readonly older: number[] | undefined;
  readonly updates: number;
}

/** Of nearly every entry that is removed. */
const REMOVED: History = { older: undefined, updates: -1 };

/** No method of the entry: one private method takes 8 bytes of each of them. */
function historyOf(older: number[] | undefined, updates: number): History | undefined {
  if (older !== undefined || updates > 0) return { older, updates };
  return updates < 0 ? REMOVED : undefined;
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

/**
 * One file of the log, metadata or bodies.
 * active → sealed → gone. Active while the writer appends; sealed for good when it is full, after a failed write and
 * at close; gone once unlinked or set aside. A segment from before this start is sealed from the beginning, and
 * `counted` only when the enumeration has found out what in it is live.
 */
export class Segment {
  readonly kind: SegmentKind;
  readonly number: number;
  readonly path: string;
  readonly owner: Spool;
  /** Bytes that are known to be good; what a failed write may have left behind them is not counted. */
  size = 0;
  state: 'active' | 'sealed' | 'gone' = 'sealed';
  counted = false;
  /** Holds a damaged record: its mail is to be moved elsewhere and the file unlinked. */
  damaged = false;
  /** Holds something that cannot be moved; it stays until its messages are removed. */
  immovable = false;
  /** Holds damage that could not be copied to the quarantine; it stays. */
  kept = false;
  liveBytes = 0;
  /** The open file of the active segment. */
  file = -1;
  /** True once its directory entry is durable. */
  linked = false;
  readonly #guards = new Map<number, number>();
  #guardBytes = 0;
  #entries: SegmentEntry[] = [];
  #left = 0;

  constructor(kind: SegmentKind, number: number, path: string, owner: Spool) {
    this.kind = kind;
    this.number = number;
    this.path = path;
    this.owner = owner;
  }

  /** Nothing in it is needed any more. */
  get dead(): boolean {
    return (
      !this.kept && this.state === 'sealed' && this.counted && this.liveBytes === 0 && this.#guardBytes === 0
    );
  }

  /** Worth copying what is left elsewhere. */
  get mostlyDead(): boolean {
    if (this.state !== 'sealed' || !this.counted || this.immovable || this.kept) return false;
    return this.damaged || (this.liveBytes + this.#guardBytes) * 2 < this.size;
  }

  /** No more entries come for now: what was kept free for them is given back. */
  trim(): void {
    this.#entries = this.#entries.slice();
  }

  /** Takes an entry that has a record here from now on, unless it had one already. */
  join(entry: SegmentEntry): void {
    this.#entries.push(entry);
  }

  /** Notes that an entry joined earlier has no record here any more. Costs little, amortised. */
  leave(): void {
    this.#left++;
    if (this.#left < 256 || this.#left * 2 < this.#entries.length) return;
    this.#entries = this.members();
    this.#left = 0;
  }

  holds(entry: SegmentEntry): boolean {
    return entry.home === this || entry.bodyHome === this || entry.progressHome === this;
  }

  /** The entries with a record here, in the order in which they came. */
  members(): SegmentEntry[] {
    return this.#entries.filter((entry) => !entry.removed && this.holds(entry));
  }

  /** Notes that removals here cancel records in metadata segment `number`, so that they outlive it. */
  guard(number: number, bytes: number): void {
    this.#guards.set(number, (this.#guards.get(number) ?? 0) + bytes);
    this.#guardBytes += bytes;
  }

  /** Metadata segment `number` is gone for good, or its guards have been copied elsewhere. */
  dropGuard(number: number): boolean {
    const bytes = this.#guards.get(number);
    if (bytes === undefined) return false;
    this.#guards.delete(number);
    this.#guardBytes -= bytes;
    return true;
  }

  dropGuards(): void {
    this.#guards.clear();
    this.#guardBytes = 0;
  }
}
