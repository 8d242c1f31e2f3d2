import { describe, expect, test } from 'vitest';
import { type Reply, ReplyParser, ReplySyntaxError } from '../../../src/protocol/smtp/index.ts';

function parse(text: string | Buffer): Reply[] {
  const replies: Reply[] = [];
  new ReplyParser().push(Buffer.from(text as string), (reply) => replies.push(reply));
  return replies;
}

describe('replies', () => {
  test.each([
    ['250 ok\r\n', 250, null, 'ok'],
    ['250\r\n', 250, null, ''],
    ['250 \r\n', 250, null, ''],
    ['250 ok\n', 250, null, 'ok'],
    ['250-a\r\n250-b\r\n250 c\r\n', 250, null, 'a\nb\nc'],
    ['250-a\r\n250\r\n', 250, null, 'a\n'],
    ['550 5.1.1 no such user\r\n', 550, '5.1.1', 'no such user'],
    ['550 5.1.1\r\n', 550, '5.1.1', ''],
    ['550-5.1.1 no\r\n550 5.1.1 user\r\n', 550, '5.1.1', 'no\nuser'],
    ['550-5.1.1 no\r\n550 user\r\n', 550, '5.1.1', 'no\nuser'],
    ['550 4.1.1 class differs\r\n', 550, null, '4.1.1 class differs'],
    ['250 2.1 is no status\r\n', 250, null, '2.1 is no status'],
    ['250 2.1.1000 is no status\r\n', 250, null, '2.1.1000 is no status'],
    ['250 größe\r\n', 250, null, 'größe'],
    ['250 a\0b\x1b[31m\tc\rd\r\n', 250, null, 'a\ufffdb\ufffd[31m\tc\ufffdd'],
  ])('%j', (text, code, enhanced, content) => {
    const [reply, ...more] = parse(text);
    const { class: kind, subject, detail } = reply!.enhanced ?? {};
    expect(more).toEqual([]);
    expect(reply).toMatchObject({ code, content, command: null });
    expect(reply!.enhanced === null ? null : `${kind}.${subject}.${detail}`).toBe(enhanced);
  });

  test('several in one piece', () => {
    expect(parse('250 a\r\n354 b\r\n').map(({ code }) => code)).toEqual([250, 354]);
  });

  test('octets that are no UTF-8 do not stop it', () => {
    expect(parse(Buffer.from('250 \xff\r\n', 'latin1'))[0]!.content).toBe('\ufffd');
  });
});

describe('what is no reply', () => {
  test.each([
    '\r\n',
    'hello\r\n',
    '25 ok\r\n',
    '2500 ok\r\n',
    '199 ok\r\n',
    '600 ok\r\n',
    '250+ok\r\n',
    '250-a\r\n251 b\r\n',
  ])('%j', (text) => {
    expect(() => parse(text)).toThrow(ReplySyntaxError);
  });

  test('a line without end', () => {
    expect(() => parse(`250 ${'x'.repeat(4100)}`)).toThrow('reply line too long');
    expect(() => parse(`250 ${'x'.repeat(4100)}\r\n`)).toThrow('reply line too long');
  });

  test('lines without end', () => {
    expect(() => parse('250-x\r\n'.repeat(300))).toThrow('reply too long');
    expect(() => parse(`250-${'x'.repeat(4000)}\r\n`.repeat(20))).toThrow('reply too long');
  });

  test('what was complete before it is still given', () => {
    const replies: Reply[] = [];
    expect(() =>
      new ReplyParser().push(Buffer.from('250 ok\r\nboo\r\n'), (reply) => replies.push(reply)),
    ).toThrow();
    expect(replies).toHaveLength(1);
  });
});
