import { describe, expect, test } from 'vitest';
import { HeaderError, MimeError, parseMime } from '../../../src/protocol/mime/index.ts';
import { HOSTILE_MAIL } from '../../kit/hostile-mail.ts';
import { MIME_WORK } from '../../kit/mime-work.ts';

const SIZE = 1024 * 1024;
/** ms for one call on 1 MB; the slowest takes a tenth on an idle machine. What grows with n² takes minutes. */
const GENEROUS = 3000;

describe.each(Object.entries(HOSTILE_MAIL))('%s', (_, make) => {
  const message = make(SIZE);

  test.each(Object.entries(MIME_WORK))('%s: a result or a refusal, soon', (_, work) => {
    const start = performance.now();
    try {
      work(message);
    } catch (error) {
      if (!(error instanceof HeaderError) && !(error instanceof MimeError)) throw error;
      expect(error.message.length).toBeLessThan(200);
    }
    expect(performance.now() - start).toBeLessThan(GENEROUS);
  });

  test('what is parsed keeps every byte', () => {
    try {
      expect(parseMime(message).bytes.equals(message)).toBe(true);
    } catch (error) {
      if (!(error instanceof HeaderError) && !(error instanceof MimeError)) throw error;
    }
  });
});

test('the caps are where they are said to be', () => {
  const parts = (count: number) =>
    Buffer.from(
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\n\r\n'.repeat(count)}--b--\r\n`,
    );
  expect(parseMime(parts(999)).children).toHaveLength(999);
  expect(() => parseMime(parts(1000))).toThrow('more than 1000 parts');

  const nested = (count: number) =>
    Buffer.from(
      Array.from(
        { length: count },
        (_, at) => `Content-Type: multipart/x; boundary=b${at}\r\n\r\n--b${at}\r\n`,
      )
        .join('')
        .concat('\r\n'),
    );
  expect(parseMime(nested(100)).height).toBe(101);
  expect(() => parseMime(nested(101))).toThrow('deeper than 100');

  const headers = (count: number) => Buffer.from(`${'A: b\r\n'.repeat(count)}\r\n`);
  expect(parseMime(headers(10_000)).headers.named()).toHaveLength(10_000);
  expect(() => parseMime(headers(10_001))).toThrow('more than 10000 headers');

  const almost = (count: number) =>
    Buffer.from(`Content-Type: multipart/x; boundary=bb\r\n\r\n--bb\r\n\r\n${'--bc\r\n'.repeat(count)}`);
  expect(parseMime(almost(100_000)).children).toHaveLength(1);
  expect(() => parseMime(almost(100_001))).toThrow('almost delimiters');
});

test('a boundary that is the beginning of another is not mistaken for it', () => {
  const message = Buffer.from(
    [
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: multipart/mixed; boundary="b--"',
      '',
      '--b--',
      '',
      'inner',
      '--b----',
      '--bx',
      '--b  ',
      '',
      'outer',
      '--b--',
      '',
    ].join('\r\n'),
  );
  const root = parseMime(message);
  expect(root.bytes.equals(message)).toBe(true);
  expect(root.children.map((part) => part.children.length)).toEqual([1, 0]);
  expect(root.children[0]!.children[0]!.body).toBe('inner');
  expect(root.children[1]!.body).toBe('outer');
});

test('10,000 addresses, also in groups, are all read', () => {
  const list = Array.from({ length: 10_000 }, (_, at) => `"N ${at}" <user${at}@x.example> (c(o)m)`);
  const read = parseMime(Buffer.from(`To: ${list.join(',\r\n ')}\r\n\r\n`)).headers.first('to')!;
  expect(read.addressList).toHaveLength(10_000);
  expect(read.addressList.at(-1)).toEqual({
    name: 'N 9999',
    address: { local_part: 'user9999', domain: 'x.example' },
  });
  const group = parseMime(Buffer.from(`To: everybody: ${list.join(', ')};\r\n\r\n`)).headers.first('to')!;
  expect(group.addressList).toMatchObject([{ name: 'everybody', entries: { length: 10_000 } }]);
});
