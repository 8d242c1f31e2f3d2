import { describe, expect, test } from 'vitest';
import { DataReader, type DataReaderOptions, type ReadBody } from '../../../src/protocol/smtp/index.ts';

const OPTIONS: DataReaderOptions = { framing: 'dot', maxSize: 1000, maxLineLength: 100, lineEndings: 'Deny' };

function read(wire: string, options: Partial<DataReaderOptions> = {}): { left: string; result: ReadBody } {
  const reader = new DataReader({ ...OPTIONS, ...options });
  const octets = Buffer.from(wire, 'latin1');
  const count = reader.feed(octets);
  expect(reader.ended).toBe(true);
  return { left: octets.toString('latin1', count), result: reader.finish() };
}

const body = (wire: string, options: Partial<DataReaderOptions> = {}): string => {
  const { result } = read(wire, options);
  return result.kind === 'body' ? result.body.toString('latin1') : result.kind;
};

describe('DataReader', () => {
  test.each([
    ['.\r\n', ''],
    ['\r\n.\r\n', '\r\n'],
    ['a\r\n.\r\n', 'a\r\n'],
    ['..\r\n.\r\n', '.\r\n'],
    ['.a\r\n.\r\n', 'a\r\n'],
    ['...\r\n..b\r\n.\r\n', '..\r\n.b\r\n'],
    ['a.\r\n b.c\r\n.\r\n', 'a.\r\n b.c\r\n'],
    ['\x01\x7f\x80\xff\t\r\n.\r\n', '\x01\x7f\x80\xff\t\r\n'],
  ])('%j', (wire, expected) => expect(body(wire)).toBe(expected));

  test('leaves what follows the end', () => {
    expect(read('a\r\n.\r\nQUIT\r\n').left).toBe('QUIT\r\n');
    expect(read('.\r\n.\r\n').left).toBe('.\r\n');
  });

  test('a message in one chunk is not copied', () => {
    const chunk = Buffer.from('Subject: x\r\n\r\nhello\r\n.\r\n');
    const reader = new DataReader(OPTIONS);
    reader.feed(chunk);
    const result = reader.finish();
    expect(result.kind === 'body' && result.body.buffer).toBe(chunk.buffer);
  });

  test('size counts the message without stuffing and without the end', () => {
    expect(body(`..${'a'.repeat(7)}\r\n.\r\n`, { maxSize: 10 })).toBe(`.${'a'.repeat(7)}\r\n`);
    expect(body(`..${'a'.repeat(8)}\r\n.\r\n`, { maxSize: 10 })).toBe('tooBig');
    expect(body('.\r\n', { maxSize: 0 })).toBe('');
  });

  test('line length counts neither CRLF nor a stuffed dot', () => {
    expect(body(`${'a'.repeat(5)}\r\n.\r\n`, { maxLineLength: 5 })).toBe('aaaaa\r\n');
    expect(body(`..${'a'.repeat(4)}\r\n.\r\n`, { maxLineLength: 5 })).toBe('.aaaa\r\n');
    expect(body(`${'a'.repeat(6)}\r\n.\r\n`, { maxLineLength: 5 })).toBe('lineTooLong');
    expect(body(`a\r\n..${'a'.repeat(5)}\r\n.\r\n`, { maxLineLength: 5 })).toBe('lineTooLong');
    expect(body('aaaa\naaaa\raaaa\r\n.\r\n', { maxLineLength: 4, lineEndings: 'Fix' })).toContain('aaaa');
    expect(body('aaaa\naaaaa\raaaa\r\n.\r\n', { maxLineLength: 4, lineEndings: 'Fix' })).toBe('lineTooLong');
  });

  test('NUL is refused whatever the line endings', () => {
    for (const lineEndings of ['Deny', 'Allow', 'Fix'] as const) {
      expect(body('a\0b\r\n.\r\n', { lineEndings })).toBe('nul');
      expect(body('\0\r\n.\r\n', { lineEndings })).toBe('nul');
    }
  });

  test('a dribbling peer costs little more than what it sends', () => {
    const reader = new DataReader({ ...OPTIONS, maxSize: 100_000, maxLineLength: 100_000 });
    const octet = Buffer.from('a');
    for (let count = 0; count < 50_000; count++) reader.feed(octet);
    reader.feed(Buffer.from('\r\n.\r\n'));
    const result = reader.finish();
    expect(result.kind === 'body' && result.body.toString()).toBe(`${'a'.repeat(50_000)}\r\n`);
  });

  test('chunk framing knows no dots, and its end may cut a CR', () => {
    const reader = new DataReader({ ...OPTIONS, framing: 'chunk' });
    reader.feed(Buffer.from('a\r'));
    reader.feed(Buffer.from('\n.\r\n..b'));
    expect(reader.ended).toBe(false);
    expect(reader.finish()).toEqual({ kind: 'body', body: Buffer.from('a\r\n.\r\n..b') });
    const cut = new DataReader({ ...OPTIONS, framing: 'chunk' });
    cut.feed(Buffer.from('a\r'));
    expect(cut.finish()).toEqual({ kind: 'bareLineEnding' });
  });
});
