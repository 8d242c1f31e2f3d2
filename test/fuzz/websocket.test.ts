import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Arrival, FrameReader, textFrame, WebSocketError } from '../../src/protocol/websocket/index.ts';

test('whatever arrives is a message or a WebSocketError', () => {
  const head = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(head, fc.boolean(), (octets, fromClient) => {
      const reader = new FrameReader({ from: fromClient ? 'client' : 'server', maxLength: 100 });
      try {
        for (const octet of octets) reader.push(Buffer.of(octet), () => {});
      } catch (error) {
        expect(error).toBeInstanceOf(WebSocketError);
      }
    }),
  );
});

test('what is written is read, however it is cut', () => {
  const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 5 });
  const mask = fc.uint8Array({ minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(texts, mask, fc.integer({ min: 1, max: 50 }), (written, key, step) => {
      const octets = Buffer.concat(written.map((text) => textFrame(text, Buffer.from(key))));
      const read: Arrival[] = [];
      const reader = new FrameReader({ from: 'client', maxLength: 10_000 });
      for (let at = 0; at < octets.length; at += step) {
        reader.push(octets.subarray(at, at + step), (arrival) => read.push(arrival));
      }
      expect(read).toEqual(written.map((text) => ({ kind: 'text', text })));
    }),
  );
});
