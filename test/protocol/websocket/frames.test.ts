import { expect, test } from 'vitest';
import {
  type Arrival,
  acceptOfKey,
  closeFrame,
  FrameReader,
  pingFrame,
  pongFrame,
  textFrame,
  WebSocketError,
  whyNoWebSocket,
} from '../../../src/protocol/websocket/index.ts';

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** What a reader makes of octets that arrive `step` at a time. */
function read(octets: Buffer, from: 'client' | 'server', { step = octets.length, maxLength = 1 << 20 } = {}) {
  const reader = new FrameReader({ from, maxLength });
  const arrivals: Arrival[] = [];
  for (let at = 0; at < octets.length; at += Math.max(step, 1)) {
    reader.push(octets.subarray(at, at + step), (arrival) => arrivals.push(arrival));
  }
  return arrivals;
}

function failure(octets: Buffer, from: 'client' | 'server', maxLength?: number): number {
  try {
    read(octets, from, maxLength === undefined ? {} : { maxLength });
  } catch (error) {
    expect(error).toBeInstanceOf(WebSocketError);
    return (error as WebSocketError).code;
  }
  throw new Error('was taken');
}

test('the examples of RFC 6455', () => {
  expect(acceptOfKey('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  expect(textFrame('Hello').toString('hex')).toBe('810548656c6c6f');
  expect(textFrame('Hello', MASK).toString('hex')).toBe('818537fa213d7f9f4d5158');
  expect(read(Buffer.from('818537fa213d7f9f4d5158', 'hex'), 'client')).toEqual([
    { kind: 'text', text: 'Hello' },
  ]);
  const fragments = Buffer.from('010348656c80026c6f', 'hex');
  expect(read(fragments, 'server')).toEqual([{ kind: 'text', text: 'Hello' }]);
  expect(read(Buffer.from('890548656c6c6f', 'hex'), 'server')).toEqual([
    { kind: 'ping', payload: Buffer.from('Hello') },
  ]);
});

test.each([0, 1, 125, 126, 65_535, 65_536])('a text of %i octets, whole and in pieces', (length) => {
  const text = 'x'.repeat(length);
  for (const step of [undefined, 4093]) {
    const options = step === undefined ? {} : { step };
    expect(read(textFrame(text), 'server', options)).toEqual([{ kind: 'text', text }]);
    expect(read(textFrame(text, MASK), 'client', options)).toEqual([{ kind: 'text', text }]);
  }
});

test('control frames come between the fragments of a message, octet by octet', () => {
  const octets = Buffer.concat([
    Buffer.from('010348656c', 'hex'),
    pingFrame(),
    pongFrame(Buffer.from('x')),
    Buffer.from('80026c6f', 'hex'),
    closeFrame(1001, 'bye'),
  ]);
  expect(read(octets, 'server', { step: 1 })).toEqual([
    { kind: 'ping', payload: Buffer.alloc(0) },
    { kind: 'pong' },
    { kind: 'text', text: 'Hello' },
    { kind: 'close', code: 1001, reason: 'bye' },
  ]);
});

test('a reason is cut between characters, where the frame ends', () => {
  const [closing] = read(closeFrame(1008, 'ä'.repeat(100)), 'server');
  expect(closing).toEqual({ kind: 'close', code: 1008, reason: 'ä'.repeat(61) });
  expect(read(Buffer.from('8800', 'hex'), 'server')).toEqual([{ kind: 'close', code: 1005, reason: '' }]);
});

test('what is no websocket is refused', () => {
  expect(failure(textFrame('x'), 'client')).toBe(1002);
  expect(failure(textFrame('x', MASK), 'server')).toBe(1002);
  expect(failure(Buffer.from('c10178', 'hex'), 'server')).toBe(1002);
  expect(failure(Buffer.from('830178', 'hex'), 'server')).toBe(1002);
  expect(failure(Buffer.from('820178', 'hex'), 'server')).toBe(1003);
  expect(failure(Buffer.from('800178', 'hex'), 'server')).toBe(1002);
  expect(failure(Buffer.from('0101780101780', 'hex'), 'server')).toBe(1002);
  expect(failure(Buffer.from('0900', 'hex'), 'server')).toBe(1002);
  expect(failure(Buffer.from('897e0080', 'hex'), 'server')).toBe(1002);
  expect(failure(Buffer.from('880100', 'hex'), 'server')).toBe(1002);
  expect(failure(Buffer.from('8102c328', 'hex'), 'server')).toBe(1007);
});

test('too much is refused before it is here', () => {
  expect(failure(Buffer.from('817fffffffffffffffff', 'hex'), 'server', 1000)).toBe(1009);
  expect(failure(Buffer.from('817e03e9', 'hex'), 'server', 1000)).toBe(1009);
  const half = Buffer.concat([Buffer.from('017e0258', 'hex'), Buffer.alloc(600, 120)]);
  expect(failure(Buffer.concat([half, Buffer.from('007e0258', 'hex')]), 'server', 1000)).toBe(1009);
  const none = Buffer.concat([Buffer.from('0100', 'hex'), Buffer.from('0000'.repeat(2000), 'hex')]);
  expect(failure(none, 'server', 1000)).toBe(1008);
});

test('which requests can become a websocket', () => {
  const right = {
    connection: 'keep-alive, Upgrade',
    upgrade: 'WebSocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  expect(whyNoWebSocket(right)).toBeUndefined();
  expect(whyNoWebSocket({})).toContain('websocket');
  expect(whyNoWebSocket({ ...right, connection: 'keep-alive' })).toContain('websocket');
  expect(whyNoWebSocket({ ...right, 'sec-websocket-version': '8' })).toContain('13');
  expect(whyNoWebSocket({ ...right, 'sec-websocket-key': 'short' })).toContain('Key');
});
