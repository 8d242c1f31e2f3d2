import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFeedbackReport } from '../../src/protocol/arf/index.ts';
import { parseDeliveryReport, ReportError } from '../../src/protocol/dsn/index.ts';
import {
  type Address,
  conformanceIssues,
  decodeQuotedPrintable,
  encodeQuotedPrintable,
  fixConformance,
  formatAddressList,
  formatAuthenticationResults,
  formatMimeParameters,
  HeaderError,
  HeaderLine,
  HeaderMap,
  MimeError,
  newText,
  parseAddressList,
  parseAuthenticationResults,
  parseDate,
  parseMessageIdList,
  parseMime,
  parseMimeParameters,
  structuredLine,
} from '../../src/protocol/mime/index.ts';

const pieces = (...parts: string[]) =>
  fc
    .array(fc.oneof(fc.constantFrom(...parts), fc.string({ maxLength: 3, unit: 'binary' })), {
      maxLength: 40,
    })
    .map((chosen) => chosen.join(''));

/** Bytes in which parts, delimiters and broken headers are likely. */
const message = pieces(
  'Content-Type: multipart/mixed; boundary=b\r\n\r\n',
  'Content-Type: multipart/report; report-type=delivery-status; boundary="c"\r\n\r\n',
  'Content-Type: multipart/report; report-type=feedback-report; boundary=c\n\n',
  'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;a\r\n',
  'Content-Type: message/feedback-report\r\n\r\nFeedback-Type: a\r\n',
  'Content-Type: text/html; charset=bogus\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  '--b\r\n',
  '--b--\r\n',
  '--c\n',
  '\r\n--b',
  '--b--',
  '\r\n',
  '\n',
  'A: b\r\n',
  '=ff',
).map((text) => Buffer.from(text, 'latin1'));

/** Whether it runs, or refuses in its own words. */
function tries(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if (error instanceof HeaderError || error instanceof MimeError || error instanceof ReportError)
      return false;
    throw error;
  }
}

test('any bytes are a message and come back as they were', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      const root = parseMime(bytes);
      expect(root.bytes).toEqual(bytes);
      expect(root.copy().bytes).toEqual(bytes);
      tries(() => parseDeliveryReport(bytes));
      tries(() => parseFeedbackReport(bytes));
    }),
    { numRuns: 500 },
  );
});

test('what is fixed has no faults left', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      let fixed: Buffer = bytes;
      const works = tries(() => {
        fixed = fixConformance(bytes, conformanceIssues(bytes), { now: 0, messageId: 'a@b' });
      });
      if (works) expect(conformanceIssues(fixed)).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('no text breaks the parsers of structured headers', () => {
  const text = pieces(
    '"',
    '\\',
    '(',
    ')',
    '<',
    '>',
    '@',
    ',',
    ';',
    ':',
    '.',
    'a',
    'b.c',
    ' ',
    '=?utf-8?q?=C3?=',
    '=',
    '*0*=',
    '/',
    '[',
    ']',
  );
  fc.assert(
    fc.property(text, (value) => {
      tries(() => parseMimeParameters(value));
      tries(() => parseMessageIdList(value));
      tries(() => parseAuthenticationResults(value));
      parseDate(value);
      tries(() => {
        const list = parseAddressList(value);
        expect(parseAddressList(formatAddressList(list))).toEqual(list);
      });
    }),
    { numRuns: 1000 },
  );
});

const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replace(/\s+/g, ' ').trim());
const addressList: fc.Arbitrary<Address[]> = fc.array(
  fc.record({
    name: line.map((name) => (name === '' ? null : name)),
    address: fc.record({
      local_part: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }),
      domain: fc.constantFrom('x.example', '[192.0.2.1]', 'bücher.example'),
    }),
  }),
  { maxLength: 5 },
);

test('addresses survive formatting, folding and the wire', () => {
  fc.assert(
    fc.property(addressList, (list) => {
      const header = structuredLine('To', 'address_list', list);
      const read = HeaderMap.parse(header.bytes).first('to')!;
      expect(read.addressList).toEqual(list);
    }),
  );
});

test('parameters survive formatting, folding and the wire', () => {
  fc.assert(
    fc.property(line, (content) => {
      const value = { value: 'a/b', parameters: new Map([['name', content.toWellFormed()]]) };
      const header = structuredLine('Content-Type', 'mime_params', value);
      expect(HeaderMap.parse(header.bytes).first('content-type')!.mimeParameters).toEqual(value);
      expect(() => parseMimeParameters(formatMimeParameters(value))).not.toThrow();
    }),
  );
});

test('results of authentication survive', () => {
  fc.assert(
    fc.property(line, line, (reason, domain) => {
      const result = { method: 'dkim', result: 'pass', reason, props: new Map([['header.d', domain]]) };
      const header = HeaderLine.of(
        'Authentication-Results',
        formatAuthenticationResults({ serv_id: 'mx', results: [result] }),
      );
      expect(header.bytes.toString()).not.toMatch(/\r\n[^\t]/);
      if (!/["\\]/.test(domain)) expect(header.authenticationResults.results).toEqual([result]);
    }),
  );
});

test('quoted-printable brings every byte back in short lines', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (array) => {
      const bytes = Buffer.from(array);
      const encoded = encodeQuotedPrintable(bytes);
      expect(decodeQuotedPrintable(encoded)).toEqual(bytes);
      for (const text of encoded.toString('latin1').split('\r\n'))
        expect(text.length).toBeLessThanOrEqual(76);
    }),
  );
});

test('every text survives as the body of a part', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
      const lines = text.replace(/\r\n|\r|\n/g, '\r\n').toWellFormed();
      expect(parseMime(newText('text/plain', text).bytes).body).toBe(lines);
    }),
  );
});
