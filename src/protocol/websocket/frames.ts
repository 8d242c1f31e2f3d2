import { isUtf8 } from 'node:buffer';

/** Why a websocket is closed (RFC 6455 §7.4.1). */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupported: 1003,
  noStatus: 1005,
  abnormal: 1006,
  badText: 1007,
  policy: 1008,
  tooBig: 1009,
} as const;

/** What the peer did is no websocket, or more than is taken; `code` says so in the close frame. */
export class WebSocketError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What arrives: messages as wholes, and the control frames between their fragments. */
export type Arrival =
  | { kind: 'text'; text: string }
  | { kind: 'close'; code: number; reason: string }
  | { kind: 'ping'; payload: Buffer }
  | { kind: 'pong' };

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSING = 8;
const PING = 9;
const PONG = 10;

const NOTHING = Buffer.alloc(0);

/**
 * Reads one direction of a websocket (RFC 6455 §5): frames out of octets, messages out of frames. A server gets masked
 * frames only, a client never. A message of more than `maxLength` octets is an error, and so is a binary one.
 */
export class FrameReader {
  readonly #isMasked: boolean;
  readonly #maxLength: number;
  #input: Buffer = NOTHING;
  #fragments: Buffer[] | undefined;
  #length = 0;

  constructor({ from, maxLength }: { from: 'client' | 'server'; maxLength: number }) {
    this.#isMasked = from === 'client';
    this.#maxLength = maxLength;
  }

  /** Calls back for everything that is whole now. Throws WebSocketError; nothing may be pushed after that. */
  push(chunk: Buffer, arrived: (arrival: Arrival) => void): void {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    for (let taken = this.#takeFrame(arrived); taken; taken = this.#takeFrame(arrived));
    // A piece of a frame must not keep the read alive that it came with.
    if (this.#input.length === 0) this.#input = NOTHING;
    else if (this.#input.buffer.byteLength > 4 * this.#input.length) this.#input = Buffer.from(this.#input);
  }

  #takeFrame(arrived: (arrival: Arrival) => void): boolean {
    const input = this.#input;
    if (input.length < 2) return false;
    const [first, second] = [input[0]!, input[1]!];
    const opcode = first & 0x0f;
    const isControl = (opcode & 0x08) !== 0;
    if ((first & 0x70) !== 0) throw new WebSocketError(CLOSE.protocolError, 'reserved bits are set');
    if (((second & 0x80) !== 0) !== this.#isMasked) {
      throw new WebSocketError(CLOSE.protocolError, this.#isMasked ? 'no mask' : 'a mask');
    }
    let length = second & 0x7f;
    let at = 2;
    if (isControl && (length > 125 || (first & 0x80) === 0)) {
      throw new WebSocketError(CLOSE.protocolError, 'a control frame in parts');
    }
    if (length === 126) {
      if (input.length < 4) return false;
      length = input.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (input.length < 10) return false;
      length = Number(input.readBigUInt64BE(2));
      at = 10;
    }
    // Before it is here: nobody waits for what will not be taken.
    if (!isControl && this.#length + length > this.#maxLength) {
      throw new WebSocketError(CLOSE.tooBig, `a message of more than ${this.#maxLength} octets`);
    }
    const start = this.#isMasked ? at + 4 : at;
    if (input.length < start + length) return false;
    let payload = input.subarray(start, start + length);
    if (this.#isMasked) payload = unmasked(payload, input.subarray(at, start));
    this.#input = input.subarray(start + length);
    this.#frame(opcode, (first & 0x80) !== 0, payload, arrived);
    return true;
  }

  #frame(opcode: number, isLast: boolean, payload: Buffer, arrived: (arrival: Arrival) => void): void {
    switch (opcode) {
      case TEXT:
      case CONTINUATION:
        this.#part(opcode, isLast, payload, arrived);
        return;
      case BINARY:
        throw new WebSocketError(CLOSE.unsupported, 'a binary message');
      case CLOSING:
        arrived(closingOf(payload));
        return;
      case PING:
        arrived({ kind: 'ping', payload: Buffer.from(payload) });
        return;
      case PONG:
        arrived({ kind: 'pong' });
        return;
      default:
        throw new WebSocketError(CLOSE.protocolError, `unknown opcode ${opcode}`);
    }
  }

  #part(opcode: number, isLast: boolean, payload: Buffer, arrived: (arrival: Arrival) => void): void {
    if ((opcode === TEXT) !== (this.#fragments === undefined)) {
      throw new WebSocketError(CLOSE.protocolError, 'fragments out of order');
    }
    this.#fragments ??= [];
    this.#fragments.push(isLast ? payload : Buffer.from(payload));
    this.#length += payload.length;
    // Fragments without octets would be without end.
    if (this.#fragments.length > 1024) throw new WebSocketError(CLOSE.policy, 'too many fragments');
    if (!isLast) return;
    const whole = this.#fragments.length === 1 ? payload : Buffer.concat(this.#fragments);
    this.#fragments = undefined;
    this.#length = 0;
    if (!isUtf8(whole)) throw new WebSocketError(CLOSE.badText, 'text that is not UTF-8');
    arrived({ kind: 'text', text: whole.toString() });
  }
}

function closingOf(payload: Buffer): Arrival {
  if (payload.length === 0) return { kind: 'close', code: CLOSE.noStatus, reason: '' };
  if (payload.length === 1) throw new WebSocketError(CLOSE.protocolError, 'half a close code');
  return { kind: 'close', code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
}

function unmasked(payload: Buffer, mask: Buffer): Buffer {
  const plain = Buffer.allocUnsafe(payload.length);
  for (let at = 0; at < payload.length; at++) plain[at] = payload[at]! ^ mask[at & 3]!;
  return plain;
}

/** Every function makes one frame. `mask`: four random octets, which clients must give (RFC 6455 §5.3). */
export function textFrame(text: string, mask?: Buffer): Buffer {
  return frame(TEXT, Buffer.from(text), mask);
}

export function pingFrame(mask?: Buffer): Buffer {
  return frame(PING, NOTHING, mask);
}

export function pongFrame(payload: Buffer, mask?: Buffer): Buffer {
  return frame(PONG, payload, mask);
}

/** A reason is cut where the frame ends. */
export function closeFrame(code: number, reason: string, mask?: Buffer): Buffer {
  const text = Buffer.from(reason);
  let end = Math.min(text.length, 123);
  while (end > 0 && end < text.length && (text[end]! & 0xc0) === 0x80) end--;
  const payload = Buffer.alloc(2 + end);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2, 0, end);
  return frame(CLOSING, payload, mask);
}

function frame(opcode: number, payload: Buffer, mask: Buffer | undefined): Buffer {
  const { length } = payload;
  const extra = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.allocUnsafe(2 + extra);
  head[0] = 0x80 | opcode;
  head[1] = (extra === 0 ? length : extra === 2 ? 126 : 127) | (mask === undefined ? 0 : 0x80);
  if (extra === 2) head.writeUInt16BE(length, 2);
  if (extra === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (mask === undefined) return Buffer.concat([head, payload]);
  return Buffer.concat([head, mask, unmasked(payload, mask)]);
}
