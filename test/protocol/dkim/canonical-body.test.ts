import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Canonicalization, canonicalBody, canonicalPieces } from '../../../src/protocol/dkim/index.ts';

const canonical = (how: Canonicalization, body: string) =>
  canonicalBody(how, Buffer.from(body, 'latin1')).toString('latin1');

describe('RFC 6376 §3.4.5', () => {
  const body = ' C \r\nD \t E\r\n\r\n\r\n';

  test('relaxed', () => expect(canonical('relaxed', body)).toBe(' C\r\nD E\r\n'));
  test('simple', () => expect(canonical('simple', body)).toBe(' C \r\nD \t E\r\n'));
});

test.each([
  ['', '', '\r\n'],
  ['\r\n', '', '\r\n'],
  ['\r\n\r\n\r\n', '', '\r\n'],
  [' \t\r\n \r\n', '', ' \t\r\n \r\n'],
  ['no end', 'no end\r\n', 'no end\r\n'],
  ['space at the end ', 'space at the end\r\n', 'space at the end \r\n'],
  ['a\r\n \r\n\r\n', 'a\r\n', 'a\r\n \r\n'],
  ['\r\n\r\na\r\n', '\r\n\r\na\r\n', '\r\n\r\na\r\n'],
  ['a\tb', 'a b\r\n', 'a\tb\r\n'],
  ['a \t \r\nb\r\n', 'a\r\nb\r\n', 'a \t \r\nb\r\n'],
  [
    'no-break\xa0\xa0space \x0b\x0c',
    'no-break\xa0\xa0space \x0b\x0c\r\n',
    'no-break\xa0\xa0space \x0b\x0c\r\n',
  ],
])('%j', (body, relaxed, simple) => {
  expect(canonical('relaxed', body)).toBe(relaxed);
  expect(canonical('simple', body)).toBe(simple);
});

/** RFC 6376 §3.4.3 and §3.4.4 in the words of regular expressions. */
const byTheBook: Record<Canonicalization, (body: string) => string> = {
  simple: (body) => `${body.replace(/(?:\r\n)*$/, '')}\r\n`,
  relaxed: (body) => {
    const text = body
      .replace(/[ \t]+(?=\r\n|$)/g, '')
      .replace(/[ \t]+/g, ' ')
      .replace(/(?:\r\n)*$/, '');
    return text === '' ? '' : `${text}\r\n`;
  },
};

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('\r\n', ' ', '  ', '\t', ' \r\n') },
  { weight: 3, arbitrary: fc.constantFrom('a', '.', 'word', '\xa0', '\x00', '\x85', '\x0b', '=20', '\xff') },
);
const bodies = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));

test('any body comes out as regular expressions would have it, and stays so', () => {
  fc.assert(
    fc.property(bodies, fc.constantFrom<Canonicalization>('simple', 'relaxed'), (body, how) => {
      const once = canonical(how, body);
      expect(once).toBe(byTheBook[how](body));
      expect(canonical(how, once)).toBe(once);
    }),
    { numRuns: 2000 },
  );
});

test('long bodies, at any place in memory, with and without room for the result, and in pieces', () => {
  const words = fc.constantFrom(
    'word',
    'longer-word',
    ' ',
    ' ',
    ' ',
    '!',
    '\t',
    '  ',
    '\r\n',
    ' \r\n',
    '\xe9\xff',
  );
  const text = fc.array(words, { minLength: 50, maxLength: 300 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(text, fc.nat(7), (body, offset) => {
      const memory = Buffer.from(`${'x'.repeat(offset)}${body}`, 'latin1');
      const place = memory.subarray(offset);
      const room = Buffer.alloc(offset * 100);
      const result = canonicalBody('relaxed', place, room).toString('latin1');
      expect(result).toBe(byTheBook.relaxed(body));
      for (const how of ['simple', 'relaxed'] as const) {
        const pieces = [...canonicalPieces(how, place, 20 + offset)];
        expect(Buffer.concat(pieces).toString('latin1')).toBe(byTheBook[how](body));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a body that is canonical already is not copied', () => {
  const body = Buffer.from('one two\r\n three\r\n\r\n');
  for (const how of ['simple', 'relaxed'] as const) {
    const result = canonicalBody(how, body);
    expect(result.toString()).toBe('one two\r\n three\r\n');
    expect(result.buffer).toBe(body.buffer);
  }
});
