import { PROGRESS_RECORD_BYTES, RECORD_HEADER_BYTES } from './format.ts';
import { type Group, olderSegments, type Segments, type Ticket } from './group.ts';
import { type Segment, SegmentEntry } from './segment.ts';

/** Told of every segment of which something has died. */
export type Reclaim = (segment: Segment) => void;

/**
 * After a group has become durable: entries point to their new places, and what is dead is counted as dead. Not
 * earlier, since a segment may be unlinked as soon as nothing in it is counted as live.
 */
export function applyGroup(
  group: Group,
  meta: Segment,
  body: Segment | undefined,
  existing: Segments,
  reclaim: Reclaim,
): void {
  for (const { ranges } of group.withdrawals) guard(meta, ranges, existing);
  for (let index = 0; index < group.removals.length; index++) {
    guard(meta, group.ranges[index]!, existing);
    bury(group.removals[index]!, reclaim);
  }
  for (const entry of group.progress) if (!entry.removed) placeProgress(entry, meta, reclaim);
  for (const ticket of group.written) place(ticket, meta, body, existing, reclaim);
}

function guard(meta: Segment, ranges: readonly { segment: number }[], existing: Segments): void {
  const bytes = RECORD_HEADER_BYTES + 8 * ranges.length;
  for (const { segment } of ranges) {
    if (segment !== meta.number && existing.has(segment)) meta.guard(segment, bytes);
  }
}

function bury(entry: SegmentEntry, reclaim: Reclaim): void {
  const { home, bodyHome, progressHome } = entry;
  home.liveBytes -= entry.length;
  bodyHome.liveBytes -= RECORD_HEADER_BYTES + entry.size;
  home.leave();
  bodyHome.leave();
  reclaim(home);
  reclaim(bodyHome);
  if (progressHome === undefined) return;
  entry.progressHome = undefined;
  progressHome.liveBytes -= PROGRESS_RECORD_BYTES;
  progressHome.leave();
  reclaim(progressHome);
}

function placeProgress(entry: SegmentEntry, meta: Segment, reclaim: Reclaim): void {
  const before = entry.progressHome;
  meta.liveBytes += PROGRESS_RECORD_BYTES;
  if (before !== meta && entry.home !== meta) meta.join(entry);
  entry.progressHome = meta;
  if (before === undefined) return;
  before.liveBytes -= PROGRESS_RECORD_BYTES;
  if (before !== meta) before.leave();
  reclaim(before);
}

function place(
  ticket: Ticket,
  meta: Segment,
  body: Segment | undefined,
  existing: Segments,
  reclaim: Reclaim,
): void {
  const entry = ticket.entry ?? newEntry(ticket, meta, body!);
  if (ticket.entry !== undefined) {
    unplace(entry, meta, existing, reclaim);
    if (ticket.body !== undefined) moveBody(entry, ticket, body!, reclaim);
  }
  ticket.entry = entry;
  entry.placeRecord(ticket.offset, ticket.length);
  meta.liveBytes += ticket.length;
}

function newEntry(ticket: Ticket, meta: Segment, body: Segment): SegmentEntry {
  const entry = new SegmentEntry(ticket.id, meta, body);
  entry.placeBody(ticket.bodyOffset, ticket.body!.length);
  meta.join(entry);
  body.join(entry);
  body.liveBytes += RECORD_HEADER_BYTES + entry.size;
  return entry;
}

function moveBody(entry: SegmentEntry, ticket: Ticket, body: Segment, reclaim: Reclaim): void {
  const before = entry.bodyHome;
  before.liveBytes -= RECORD_HEADER_BYTES + entry.size;
  entry.bodyHome = body;
  entry.placeBody(ticket.bodyOffset, ticket.body!.length);
  body.liveBytes += RECORD_HEADER_BYTES + entry.size;
  if (before === body) return;
  body.join(entry);
  before.leave();
  reclaim(before);
}

/** An entry gets a new message record in `meta`: the old record and any progress record are dead. */
function unplace(entry: SegmentEntry, meta: Segment, existing: Segments, reclaim: Reclaim): void {
  const { home, progressHome } = entry;
  entry.older = olderSegments(entry, meta, existing);
  if (home !== meta && progressHome !== meta) meta.join(entry);
  entry.home = meta;
  entry.progressHome = undefined;
  home.liveBytes -= entry.length;
  if (home !== meta) home.leave();
  reclaim(home);
  if (progressHome === undefined) return;
  progressHome.liveBytes -= PROGRESS_RECORD_BYTES;
  if (progressHome !== meta) progressHome.leave();
  reclaim(progressHome);
}
