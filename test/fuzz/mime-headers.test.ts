import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  appendHeader,
  decodeEncodedWords,
  endOfHeaders,
  firstHeader,
  foldText,
  formatHeader,
  headersOf,
  headerValue,
  prependHeader,
  removeHeaders,
} from '../../src/protocol/mime/index.ts';

/** Bytes in which headers, folds and blank lines are likely. */
const message = fc
  .array(fc.constantFrom('A', 'b', ':', ' ', '\t', '\r\n', '\n', '\r', '\r\n\r\n', '=?', '?=', '\xff'), {
    maxLength: 40,
  })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

test('no input breaks the scanner, and headers do not overlap', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      let end = 0;
      for (const field of headersOf(bytes)) {
        expect(field.start).toBeGreaterThanOrEqual(end);
        expect(field.valueStart).toBeLessThanOrEqual(field.end);
        headerValue(bytes, field);
        end = field.end;
      }
      const blank = endOfHeaders(bytes);
      if (blank >= 0) expect(end).toBeLessThanOrEqual(blank);
    }),
  );
});

test('what is prepended is found first; removing it gives the message back', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      const edited = prependHeader(bytes, 'X-Test: v\r\n');
      const field = firstHeader(edited, 'x-test')!;
      // A message that begins with a fold continues the new header; nothing else may change it.
      if (bytes[0] !== 0x20 && bytes[0] !== 0x09) {
        expect(headerValue(edited, field)).toBe('v');
        expect(removeHeaders(edited, (name) => name === 'X-Test')).toEqual(bytes);
      }
    }),
  );
});

test('what is appended is before the blank line; removing it gives the message back', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      if (endOfHeaders(bytes) < 0) return;
      const edited = appendHeader(bytes, 'X-Test: v\r\n');
      expect(removeHeaders(edited, (name) => name === 'X-Test')).toEqual(bytes);
    }),
  );
});

test('every text survives encoding, and never begins a line of its own', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 200 });
  fc.assert(
    fc.property(text, (value) => {
      const line = formatHeader('Subject', value, true);
      expect(line).toMatch(/^Subject: (?:[\t -~]|\r\n[\t ])*\r\n$/);
      const read = headerValue(
        Buffer.from(`${line}\r\n`),
        firstHeader(Buffer.from(`${line}\r\n`), 'subject')!,
      );
      expect(String(read)).toBe(value.replace(/[\r\n]+[ \t]*/g, ' ').trim());
    }),
  );
});

test('decoding takes any bytes; folding keeps every word', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 100 }), fc.integer({ min: 1, max: 30 }), (text, soft) => {
      decodeEncodedWords(Buffer.from(text));
      const line = text.replace(/[\r\n\t]/g, ' ');
      expect(foldText(line, soft).replace(/\s+/g, ' ').trim()).toBe(line.replace(/ +/g, ' ').trim());
    }),
  );
});
