import { describe, expect, test } from 'vitest';
import {
  appendHeader,
  decodeEncodedWords,
  encodeWords,
  endOfHeaders,
  firstHeader,
  foldText,
  formatHeader,
  headersOf,
  headerValue,
  isNamed,
  prependHeader,
  removeHeaders,
} from '../../../src/protocol/mime/index.ts';

const MESSAGE = Buffer.from(
  'Received: from a\r\n\tby b\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?b?IQ==?= x\r\n' +
    'X-One : 1\r\nreceived: two\r\nno colon here\r\nX-Two:\r\n\r\nSubject: body\r\n',
);
const value = (message: Buffer, name: string) => headerValue(message, firstHeader(message, name)!);

test('headers are found in any case, unfolded and decoded', () => {
  expect(value(MESSAGE, 'RECEIVED')).toBe('from a\tby b');
  expect(value(MESSAGE, 'subject')).toBe('Grüße! x');
  expect(value(MESSAGE, 'x-one')).toBe('1');
  expect(value(MESSAGE, 'x-two')).toBe('');
  expect(firstHeader(MESSAGE, 'missing')).toBeUndefined();
  expect(headersOf(MESSAGE).map((field) => field.name)).toEqual([
    'Received',
    'Subject',
    'X-One',
    'received',
    'X-Two',
  ]);
  expect(headersOf(MESSAGE, isNamed('received'))).toHaveLength(2);
});

test('edits touch nothing else', () => {
  const removed = removeHeaders(MESSAGE, isNamed('Received'));
  expect(removed.toString()).toBe(
    'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?b?IQ==?= x\r\nX-One : 1\r\nno colon here\r\nX-Two:\r\n\r\nSubject: body\r\n',
  );
  expect(removeHeaders(MESSAGE, isNamed('nothing'))).toBe(MESSAGE);
  expect(prependHeader(MESSAGE, 'A: b\r\n').toString()).toBe(`A: b\r\n${MESSAGE.toString()}`);
  expect(appendHeader(MESSAGE, 'A: b\r\n').toString()).toContain('X-Two:\r\nA: b\r\n\r\nSubject: body');
});

test('messages without a blank line, without headers, with bare LF', () => {
  expect(endOfHeaders(Buffer.from('A: b\r\n'))).toBe(-1);
  expect(() => appendHeader(Buffer.from('A: b\r\n'), 'C: d\r\n')).toThrow('no blank line');
  expect(endOfHeaders(Buffer.from('\r\nbody'))).toBe(0);
  expect(endOfHeaders(Buffer.from(''))).toBe(-1);
  expect(value(Buffer.from('A: b\n c\nD: e\n\nbody'), 'a')).toBe('b c');
  expect(appendHeader(Buffer.from('A: b\n\nbody'), 'C: d\r\n').toString()).toBe('A: b\nC: d\r\n\nbody');
});

test('a value that is not UTF-8 stays bytes', () => {
  const message = Buffer.concat([Buffer.from('A: '), Buffer.from([0xe4]), Buffer.from('\r\n\r\n')]);
  expect(value(message, 'A')).toEqual(Buffer.from([0xe4]));
});

describe('formatHeader', () => {
  test('as given', () => {
    expect(formatHeader('A', 'b')).toBe('A: b\r\n');
    expect(formatHeader('A', 'b\r\n')).toBe('A: b\r\n');
    expect(formatHeader('A', 'b\n c')).toBe('A: b\r\n c\r\n');
  });

  test.each(['b\r\nBcc: x', 'b\nBcc: x', 'b\rc', 'b\r\n\r\nbody', 'b\r\n\r\n'])(
    '%j would begin another header',
    (text) => {
      expect(() => formatHeader('A', text)).toThrow('line break');
    },
  );

  test.each(['', 'A:', 'A b', 'Ä', 'A\r\nB'])('%j is no name', (name) => {
    expect(() => formatHeader(name, 'x')).toThrow('is no header name');
  });

  test('encoded', () => {
    expect(formatHeader('Subject', 'plain', true)).toBe('Subject: plain\r\n');
    expect(formatHeader('Subject', 'Grüße\r\nBcc: x', true)).toBe(
      'Subject: =?UTF-8?B?R3LDvMOfZQ==?= Bcc: x\r\n',
    );
    expect(formatHeader('Subject', 'a long line of plain words, café', true)).toContain(
      '=?UTF-8?Q?caf=C3=A9?=',
    );
    const long = formatHeader('Subject', 'ä'.repeat(200), true);
    expect(long.split('\r\n').every((line) => line.length <= 76)).toBe(true);
    expect(value(Buffer.from(`${long}\r\n`), 'subject')).toBe('ä'.repeat(200));
  });
});

test('encoded words', () => {
  const decoded = (text: string) => decodeEncodedWords(Buffer.from(text)).toString();
  expect(decoded('=?iso-8859-1?q?a=E4_b?=')).toBe('aä b');
  expect(decoded('=?ISO-8859-1*de?Q?=E4?=')).toBe('ä');
  // One character split between words, as some senders do.
  expect(decoded('=?utf-8?q?=C3?= =?utf-8?q?=A4?=')).toBe('ä');
  expect(decoded('=?utf-8?q?a?= =?iso-8859-1?q?=E4?=')).toBe('aä');
  expect(decoded('=?utf-8?q?a?= b =?utf-8?q?c?=')).toBe('a b c');
  expect(decoded('=?no-such-charset?q?a?=')).toBe('=?no-such-charset?q?a?=');
  expect(decoded('=?utf-8?x?a?=')).toBe('=?utf-8?x?a?=');
  expect(encodeWords('a =?b')).toContain('=?UTF-8?');
});

test('folding', () => {
  expect(foldText('aaa bbb ccc', 8)).toBe('aaa bbb\r\n\tccc');
  expect(foldText('aaaaaaaaaa', 4, 6)).toBe('aaaaaa\r\n\taaaa');
  expect(foldText('a b  ')).toBe('a b');
  expect(foldText('')).toBe('');
});
