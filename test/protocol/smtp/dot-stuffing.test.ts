import { describe, expect, test } from 'vitest';
import { dotStuff } from '../../../src/protocol/smtp/index.ts';

const wire = (body: string): string =>
  Buffer.concat(dotStuff(Buffer.from(body, 'latin1'))).toString('latin1');

test.each([
  ['', '.\r\n'],
  ['a\r\n', 'a\r\n.\r\n'],
  ['a', 'a\r\n.\r\n'],
  ['.', '..\r\n.\r\n'],
  ['.\r\n', '..\r\n.\r\n'],
  ['..a\r\n.b', '...a\r\n..b\r\n.\r\n'],
  ['a.\r\nb.c\r\n', 'a.\r\nb.c\r\n.\r\n'],
  ['a\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r.\rb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r\r\nb\r', 'a\r\n\r\nb\r\n.\r\n'],
  ['a\r', 'a\r\n.\r\n'],
  ['\n', '\r\n.\r\n'],
])('%j', (body, expected) => {
  expect(wire(body)).toBe(expected);
});

describe('ways to smuggle an end of data (threats.md 2.1)', () => {
  test.each([
    '\n.\n',
    '\n.\r\n',
    '\r.\r',
    '\r\n.\n',
    '\r\n.\r',
    '\r.\r\n',
    '\n.\r',
    '\r.\n',
    '\r\n.\r\n',
    '\n\r.\r\n',
    '\r\r\n.\r\r\n',
  ])('%j', (ending) => {
    const text = wire(`a${ending}MAIL FROM:<evil@example.org>`);
    expect(text.indexOf('\r\n.\r\n')).toBe(text.length - 5);
    expect(text).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
  });
});

test('a body that needs nothing is not copied', () => {
  const body = Buffer.from(`${'x'.repeat(70)}\r\n`.repeat(100));
  for (let offset = 0; offset < 5; offset++) {
    const slice = body.subarray(offset);
    expect(dotStuff(slice)[0]).toBe(slice);
  }
});
