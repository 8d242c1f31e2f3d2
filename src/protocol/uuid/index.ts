/** UUIDs of RFC 9562. Random bytes and the time come from the caller. */

/** Sixteen bytes and their texts. */
export class Uuid {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get simple(): string {
    return this.bytes.toString('hex');
  }

  get hyphenated(): string {
    return this.simple.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
}

/** Hyphenated, simple, in braces or as URN. Undefined for anything else. */
export function parseUuid(text: string): Uuid | undefined {
  const inner = /^(?:urn:uuid:(.*)|\{(.*)\}|(.*))$/is.exec(text);
  const digits = inner?.[1] ?? inner?.[2] ?? inner?.[3] ?? '';
  const simple = /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/i.test(digits);
  return simple ? new Uuid(Buffer.from(digits.replaceAll('-', ''), 'hex')) : undefined;
}

function marked(bytes: Buffer, version: number): Uuid {
  bytes[6] = (bytes[6]! & 0x0f) | (version << 4);
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return new Uuid(bytes);
}

/** 100 ns units from 15 October 1582 to 1970. */
const GREGORIAN = 0x01b21dd213814000n;

/** Time-based. `now` in milliseconds, fractions count; `random` gives 8 bytes for clock sequence and node. */
export function uuidV1(now: number, random: Uint8Array): Uuid {
  const time = timestamp(now);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(Number(time & 0xffffffffn), 0);
  bytes.writeUInt16BE(Number((time >> 32n) & 0xffffn), 4);
  bytes.writeUInt16BE(Number((time >> 48n) & 0x0fffn), 6);
  bytes.set(random.subarray(0, 8), 8);
  // RFC 9562 section 6.10: a node that is no hardware address has the multicast bit set.
  bytes[10] = bytes[10]! | 1;
  return marked(bytes, 1);
}

/** `random` gives 16 bytes. */
export function uuidV4(random: Uint8Array): Uuid {
  return marked(Buffer.from(random.subarray(0, 16)), 4);
}

/** As version 1, in an order that sorts by time. */
export function uuidV6(now: number, random: Uint8Array): Uuid {
  const time = timestamp(now);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(Number(time >> 28n), 0);
  bytes.writeUInt16BE(Number((time >> 12n) & 0xffffn), 4);
  bytes.writeUInt16BE(Number(time & 0x0fffn), 6);
  bytes.set(random.subarray(0, 8), 8);
  bytes[10] = bytes[10]! | 1;
  return marked(bytes, 6);
}

/** Milliseconds since 1970, then random bits. */
export function uuidV7(now: number, random: Uint8Array): Uuid {
  const bytes = Buffer.from(random.subarray(0, 16));
  bytes.writeUIntBE(Math.floor(now), 0, 6);
  return marked(bytes, 7);
}

function timestamp(now: number): bigint {
  return BigInt(Math.floor(now * 10_000)) + GREGORIAN;
}
