import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  dotStuff,
  dotUnstuff,
  type Reply,
  ReplyParser,
  ReplySyntaxError,
} from '../../src/protocol/smtp/index.ts';

/** What comes of the octets when they arrive in pieces of these sizes, the last one with all that is left. */
function parse(input: Buffer, sizes: readonly number[]): { replies: Reply[]; refused: boolean } {
  const parser = new ReplyParser();
  const replies: Reply[] = [];
  let from = 0;
  try {
    for (const size of sizes) {
      parser.push(input.subarray(from, from + size), (reply) => replies.push(reply));
      from += size;
    }
    parser.push(input.subarray(from), (reply) => replies.push(reply));
    return { replies, refused: false };
  } catch (error) {
    if (!(error instanceof ReplySyntaxError)) throw error;
    return { replies, refused: true };
  }
}

const line = fc
  .tuple(
    fc.integer({ min: 150, max: 620 }),
    fc.constantFrom(' ', '-', ''),
    fc.string({ maxLength: 20, unit: 'binary' }),
  )
  .map(([code, separator, text]) => `${code}${separator}${text}\r\n`);
const stream = fc.oneof(
  fc.array(line, { maxLength: 8 }).map((lines) => Buffer.from(lines.join(''))),
  fc
    .array(fc.constantFrom('2', '5', '0', ' ', '-', '\r', '\n', '.', 'x', '250 ok\r\n', '250-'), {
      maxLength: 60,
    })
    .map((parts) => Buffer.from(parts.join(''))),
  fc.uint8Array({ maxLength: 200 }).map((octets) => Buffer.from(octets)),
);

test('replies do not depend on the pieces they arrive in', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), (input, sizes) => {
      expect(parse(input, sizes)).toEqual(parse(input, []));
    }),
    { numRuns: 2000 },
  );
});

const body = fc.oneof(
  fc
    .array(fc.constantFrom('\r\n', '\n', '\r', '.', 'a', '\0', 'line of text'), { maxLength: 40 })
    .map((parts) => Buffer.from(parts.join(''))),
  fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets)),
);

test('what is unstuffed is what was stuffed, with its line endings mended', () => {
  fc.assert(
    fc.property(body, fc.integer({ min: 0, max: 7 }), (octets, offset) => {
      // Every alignment, because the search goes by words.
      const shifted = Buffer.concat([Buffer.alloc(offset), octets]).subarray(offset);
      const wire = Buffer.concat(dotStuff(shifted));
      const text = wire.toString('latin1');
      let expected = octets.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n');
      if (expected !== '' && !expected.endsWith('\r\n')) expected += '\r\n';
      expect(text.endsWith(expected === '' ? '.\r\n' : '\r\n.\r\n')).toBe(true);
      expect(`\r\n${text}`.indexOf('\r\n.\r\n')).toBe(text.length - 3);
      expect(text).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
      expect(dotUnstuff(wire.subarray(0, -3)).toString('latin1')).toBe(expected);
    }),
    { numRuns: 3000 },
  );
});
