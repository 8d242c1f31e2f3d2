import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  appendHeader,
  appendTextPlain,
  decodeEncodedWords,
  eachPart,
  encodeWords,
  endOfHeaders,
  firstHeader,
  formatHeader,
  HeaderError,
  HeaderLine,
  headerValue,
  isNamed,
  MimeError,
  type MimePart,
  parseMime,
  prependHeader,
  removeHeaders,
  simpleStructure,
} from '../../src/protocol/mime/index.ts';

/** Headers as they come: folded, with bare LF, without colon, in 8 bits, with blanks before the colon. */
const headerLine = fc.constantFrom(
  'Subject: hello\r\n',
  'Subject : spaced\r\n',
  'X-A: one\r\n two\r\n\tthree\r\n',
  'X-A: \xff\xfe\r\n',
  'x-a:\r\n',
  'no colon here\r\n',
  'X-Bare: lf\n',
  'X-Cr: a\rb\r\n',
  '=?utf-8?q?=00?=: x\r\n',
  'To: "open\r\n',
  '__proto__: x\r\n',
);
const headers = fc.array(headerLine, { maxLength: 6 }).map((lines) => lines.join(''));
const text = fc
  .array(fc.constantFrom('text', '\r\n', '\n', '\r', '--', '--b', '\x00', '\xe4', '=', '.', ' '), {
    maxLength: 12,
  })
  .map((pieces) => pieces.join(''));

/** A message of one part, or a multipart of such. */
const message = fc.oneof(
  fc.tuple(headers, text).map(([block, body]) => `${block}\r\n${body}`),
  fc
    .tuple(headers, fc.array(fc.tuple(headers, text), { maxLength: 3 }), text)
    .map(
      ([block, parts, around]) =>
        `${block}Content-Type: multipart/mixed; boundary="b b"\r\n\r\n${around}` +
        parts.map(([inner, body]) => `\r\n--b b\r\n${inner}\r\n${body}`).join('') +
        `\r\n--b b--${around}`,
    ),
);
const bytes = message.map((content) => Buffer.from(content, 'latin1'));

function partsOf(root: MimePart): MimePart[] {
  const parts: MimePart[] = [];
  eachPart(root, (part) => void parts.push(part));
  return parts;
}

test('one header is set in one part: no byte of anything else moves', () => {
  fc.assert(
    fc.property(bytes, fc.nat(), (given, choice) => {
      const root = parseMime(given);
      const parts = partsOf(root);
      const part = parts[choice % parts.length]!;
      const before = part.headers.bytes;
      part.headers.set(HeaderLine.of('X-New', 'value'));
      const after = part.headers.bytes;
      const written = root.bytes;
      // The old block is the new one without the line, and stands where the old one stood.
      const line = Buffer.from('X-New: value\r\n');
      const at = after.indexOf(line);
      const rest = Buffer.concat([after.subarray(0, at), after.subarray(at + line.length)]);
      const mended = before.length > 0 && before.at(-1) !== 0x0a ? Buffer.from('\r\n') : Buffer.alloc(0);
      expect(rest).toEqual(Buffer.concat([before, mended]));
      const place = written.indexOf(line);
      const without = Buffer.concat([written.subarray(0, place), written.subarray(place + line.length)]);
      if (mended.length === 0) expect(without).toEqual(given);
      else expect(without.length).toBe(given.length + 2);
    }),
    { numRuns: 500 },
  );
});

test('the body of one part is replaced: headers and bodies of the others stay', () => {
  fc.assert(
    fc.property(bytes, (given) => {
      const root = parseMime(given);
      const before = partsOf(root).map((part) => [part.headers.bytes, part.encodedBody] as const);
      const shown = simpleStructure(root).text_part;
      try {
        if (!appendTextPlain(root, 'one line more')) {
          expect(root.bytes).toEqual(given);
          return;
        }
      } catch (error) {
        if (error instanceof HeaderError || error instanceof MimeError) return;
        throw error;
      }
      expect(String(shown!.body)).toContain('one line more');
      partsOf(root).forEach((part, at) => {
        if (part === shown || part.isMultipart) return;
        expect([part.headers.bytes, part.encodedBody]).toEqual(before[at]);
      });
      expect(parseMime(root.bytes).bytes).toEqual(root.bytes);
    }),
    { numRuns: 500 },
  );
});

test('headers of a message are added and removed: what remains is what was there', () => {
  const value = fc.string({ unit: 'binary', maxLength: 60 });
  fc.assert(
    fc.property(bytes, value, fc.boolean(), (given, content, encode) => {
      let line: string;
      try {
        line = formatHeader('X-New', content, encode);
      } catch (error) {
        if (error instanceof HeaderError) return;
        throw error;
      }
      const isFolded = given[0] === 0x20 || given[0] === 0x09;
      if (!isFolded) {
        const prepended = prependHeader(given, line);
        expect(prepended.subarray(-given.length || prepended.length)).toEqual(given);
        expect(removeHeaders(prepended, isNamed('x-new'))).toEqual(given);
      }
      if (endOfHeaders(given) < 0) return;
      const appended = appendHeader(given, line);
      expect(removeHeaders(appended, isNamed('X-NEW'))).toEqual(given);
    }),
    { numRuns: 500 },
  );
});

test('no value, whatever it holds, makes a second header or ends the headers', () => {
  const value = fc
    .array(fc.constantFrom('a', '\r', '\n', '\r\n', '\r\n\r\n', ' ', '\t', '\0', 'Bcc: x', 'ü', '=?', '😀'), {
      maxLength: 20,
    })
    .map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(value, fc.boolean(), (content, encode) => {
      let line: string;
      try {
        line = formatHeader('X-New', content, encode);
      } catch (error) {
        if (error instanceof HeaderError) return;
        throw error;
      }
      const root = parseMime(Buffer.from(`${line}Last: 1\r\n\r\nbody`));
      expect(root.headers.named().map(({ name }) => name)).toEqual(['X-New', 'Last']);
      expect(root.encodedBody.toString()).toBe('body');
    }),
    { numRuns: 1000 },
  );
});

test('RFC 2047: text becomes one run of encoded words that decodes to the same text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (given) => {
      const encoded = encodeWords(given, 9, true);
      expect(decodeEncodedWords(Buffer.from(encoded)).toString()).toBe(given);
      for (const word of encoded.split(' ')) {
        expect(word).toMatch(/^=\?UTF-8\?[BQ]\?[!->@-~]*\?=$/);
        expect(word.length).toBeLessThanOrEqual(75);
      }
      // Only the words that need it, and what stands between them.
      const line = given.replace(/\s+/g, ' ').trim();
      const some = encodeWords(line, 9);
      expect(some).toMatch(/^[\t -~]*$/);
      const runs = some.match(/=\?UTF-8\?[BQ]\?[!->@-~]*\?=(?: =\?UTF-8\?[BQ]\?[!->@-~]*\?=)*/g) ?? [];
      expect(runs.length).toBeLessThanOrEqual(1);
      expect(decodeEncodedWords(Buffer.from(some)).toString()).toBe(line);
    }),
    { numRuns: 500 },
  );
});

test('RFC 2047: a Subject goes through a whole message', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (given) => {
      const line = given.replace(/\s+/g, ' ').trim();
      const whole = Buffer.from(`${formatHeader('Subject', line, true)}\r\n`);
      expect(headerValue(whole, firstHeader(whole, 'subject')!)).toBe(line);
      for (const written of whole.toString().split('\r\n')) expect(written.length).toBeLessThanOrEqual(900);
    }),
  );
});
