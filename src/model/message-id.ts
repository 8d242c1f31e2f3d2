import type { MessageId } from './spool.ts';

export interface MessageIdSources {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Random number in [0, 1). */
  random(): number;
  /** Number of the shard, which becomes the clock sequence; 0 to 16383. */
  shard: number;
}

/** 100 ns intervals per millisecond: the unit of a version 1 UUID (RFC 9562 §5.1). */
const TICKS = 10_000;
/** Milliseconds from 1582-10-15, where that count begins, to 1970. */
const GREGORIAN_OFFSET = 12_219_292_800_000;
/** A clock that goes back by more than this is followed; less is ridden out by counting on. Milliseconds. */
const RIDDEN_OUT = 10_000;

/**
 * Makes message ids: version 1 UUIDs as 32 lower-case hex digits, each later than the one before. The clock sequence
 * tells the shards apart. The node is random with its multicast bit set (RFC 9562 §6.10), so that two processes
 * never make the same id; when the clock is set back a new node is drawn and ids follow the clock.
 */
export function createMessageIds({ now, random, shard }: MessageIdSources): () => MessageId {
  if (!Number.isInteger(shard) || shard < 0 || shard > 0x3fff)
    throw new RangeError(`no shard number: ${shard}`);
  const sequence = hex(0x8000 | shard, 4);
  let node = randomNode(random);
  let time = 0;
  let tick = 0;
  return () => {
    const current = Math.floor(now()) + GREGORIAN_OFFSET;
    if (current > time || current < time - RIDDEN_OUT) {
      if (current < time) node = randomNode(random);
      time = current;
      tick = 0;
    } else if (++tick === TICKS) {
      time++;
      tick = 0;
    }
    return formatTime(time, tick) + sequence + node;
  };
}

function randomNode(random: () => number): string {
  const first = Math.floor(random() * 0x1000000) | 0x010000;
  return hex(first, 6) + hex(Math.floor(random() * 0x1000000), 6);
}

/** An id of this shard with the time of creation of another; its node is random, so that no two are the same. */
export function retimedMessageId(id: MessageId, { random, shard }: Omit<MessageIdSources, 'now'>): MessageId {
  return id.slice(0, 16) + hex(0x8000 | shard, 4) + randomNode(random);
}

/** The first 16 digits: time_low, time_mid, version and time_high. The 60-bit count is more than a double holds. */
function formatTime(time: number, tick: number): string {
  const upper = Math.floor(time / 0x100000000);
  const low = (time % 0x100000000) * TICKS + tick;
  const high = upper * TICKS + Math.floor(low / 0x100000000);
  return hex(low % 0x100000000, 8) + hex(high & 0xffff, 4) + hex(0x1000 | (high >>> 16), 4);
}

/** When the message with this id was created: milliseconds since the epoch. */
export function createdAt(id: MessageId): number {
  const low = Number.parseInt(id.slice(0, 8), 16);
  const high = Number.parseInt(id.slice(13, 16) + id.slice(8, 12), 16);
  const rest = (high % TICKS) * 0x100000000 + low;
  return Math.floor(high / TICKS) * 0x100000000 + Math.floor(rest / TICKS) - GREGORIAN_OFFSET;
}

const DASHED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id that somebody typed, with or without dashes, in either case; undefined when it is none. */
export function parseMessageId(text: string): MessageId | undefined {
  const lower = text.toLowerCase();
  const digits = DASHED.test(lower) ? lower.replaceAll('-', '') : lower;
  return /^[0-9a-f]{32}$/.test(digits) ? digits : undefined;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
