import type { MessageId } from '../../model/index.ts';
import {
  type DeadRange,
  encodeBodyHeader,
  encodeSegmentHeader,
  type MetadataEncoder,
  RECORD_HEADER_BYTES,
  REPLACES,
  SEGMENT_HEADER_BYTES,
} from './format.ts';
import type { Segment, SegmentEntry } from './segment.ts';

/** A message record to be written, and with it the body when that is new or moves. */
export interface Ticket {
  id: MessageId;
  /** Undefined for a new message. */
  entry: SegmentEntry | undefined;
  envelope: string;
  body: Buffer | undefined;
  /** Set by compaction: the record that `envelope` was read from. Should another be current, nothing is written. */
  source: { home: Segment; offset: number } | undefined;
  resolve(entry: SegmentEntry | undefined): void;
  reject(error: Error): void;
  // Where the records lie, once encoded.
  offset: number;
  length: number;
  bodyOffset: number;
}

/** A removal record that no entry stands behind: of a rejected message, or copied onward by compaction. */
export interface Withdrawal {
  id: MessageId;
  ranges: DeadRange[];
}

export interface Barrier {
  resolve(): void;
  reject(error: Error): void;
}

/** What is written and synced together. */
export interface Group {
  withdrawals: Withdrawal[];
  removals: SegmentEntry[];
  progress: SegmentEntry[];
  tickets: Ticket[];
  barriers: Barrier[];
  // Filled in by encoding: the tickets that were still wanted, the ranges of each removal, what goes to the body
  // segment, and the bytes of that.
  written: Ticket[];
  ranges: DeadRange[][];
  bodies: Buffer[];
  bodyBytes: number;
}

/** Segments that exist, by number. */
export type Segments = ReadonlyMap<number, Segment>;

/**
 * Lays a group out: metadata into the encoder, bodies as a list of buffers. Withdrawals and removals come first, so
 * that they cannot meet a message that is stored again under the same id.
 */
export function encodeGroup(
  group: Group,
  encoder: MetadataEncoder,
  meta: Segment,
  body: Segment | undefined,
  existing: Segments,
): void {
  if (meta.size === 0) encoder.raw(encodeSegmentHeader('meta', meta.number));
  for (const { id, ranges } of group.withdrawals) encoder.removal(id, ranges);
  for (const entry of group.removals) {
    const ranges = (olderSegments(entry, meta, existing) ?? []).map((segment) => ({ segment, offset: 0 }));
    group.ranges.push(ranges);
    encoder.removal(entry.id, ranges);
  }
  for (const entry of group.progress) encoder.progress(entry.id, entry.attempts, entry.due);
  group.written = group.tickets.filter(isWanted);
  layBodies(group, encoder, body);
  /** Bodies that changed within the group: what changes of those messages after that has the new one. */
  const changed = new Map<SegmentEntry, Ticket>();
  for (const ticket of group.written) {
    if (ticket.entry !== undefined && ticket.body !== undefined) changed.set(ticket.entry, ticket);
    ticket.offset = meta.size + encoder.length;
    ticket.length = encodeMessage(ticket, encoder, meta, { segment: body, changed }, existing);
  }
}

function isWanted({ entry, source }: Ticket): boolean {
  if (entry === undefined) return true;
  if (entry.removed) return false;
  if (source === undefined) return true;
  return entry.updates === 0 && entry.home === source.home && entry.offset === source.offset;
}

function layBodies(group: Group, encoder: MetadataEncoder, body: Segment | undefined): void {
  const withBody = group.written.filter((ticket) => ticket.body !== undefined);
  if (body === undefined || withBody.length === 0) return;
  if (body.size === 0) {
    group.bodies.push(encodeSegmentHeader('body', body.number));
    group.bodyBytes = SEGMENT_HEADER_BYTES;
  }
  const headers = Buffer.allocUnsafe(RECORD_HEADER_BYTES * withBody.length);
  for (let index = 0; index < withBody.length; index++) {
    const ticket = withBody[index]!;
    const start = RECORD_HEADER_BYTES * index;
    encodeBodyHeader(headers, start, ticket.id, encoder.group, ticket.body!);
    group.bodies.push(headers.subarray(start, start + RECORD_HEADER_BYTES), ticket.body!);
    ticket.bodyOffset = body.size + group.bodyBytes;
    group.bodyBytes += RECORD_HEADER_BYTES + ticket.body!.length;
  }
}

function encodeMessage(
  ticket: Ticket,
  encoder: MetadataEncoder,
  meta: Segment,
  bodies: { segment: Segment | undefined; changed: ReadonlyMap<SegmentEntry, Ticket> },
  existing: Segments,
): number {
  const { id, entry, envelope } = ticket;
  const carrier = ticket.body !== undefined ? ticket : bodies.changed.get(entry!);
  const record = {
    bodySegment: (carrier === undefined ? entry!.bodyHome : bodies.segment!).number,
    bodyOffset: carrier === undefined ? entry!.bodyOffset : carrier.bodyOffset,
    size: carrier === undefined ? entry!.size : carrier.body!.length,
    attempts: entry?.attempts ?? 0,
    due: entry?.due ?? 0,
    older: entry === undefined ? undefined : olderSegments(entry, meta, existing),
  };
  return encoder.message(id, record, entry === undefined ? 0 : REPLACES, envelope);
}

/** Metadata segments other than `meta` that still exist and may hold a record of this message. */
export function olderSegments(entry: SegmentEntry, meta: Segment, existing: Segments): number[] | undefined {
  const { home, older } = entry;
  const numbers = older?.filter((number) => number !== meta.number && existing.has(number)) ?? [];
  if (home !== meta && existing.has(home.number) && !numbers.includes(home.number)) numbers.push(home.number);
  return numbers.length > 0 ? numbers : undefined;
}
