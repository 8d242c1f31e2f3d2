import { describe, expect, test } from 'vitest';
import {
  formatAddressList,
  HeaderSyntaxError,
  parseAddressList,
  parseMailbox,
  parseMailboxList,
} from '../../../src/protocol/mime/index.ts';

const mailbox = (name: string | null, local_part: string, domain: string) => ({
  name,
  address: { local_part, domain },
});

describe('parsing', () => {
  test.each([
    ['a@b.example', mailbox(null, 'a', 'b.example')],
    ['<a@b.example>', mailbox(null, 'a', 'b.example')],
    ['Ann Lee <a@b.example>', mailbox('Ann Lee', 'a', 'b.example')],
    ['"Lee, Ann" <a@b.example>', mailbox('Lee, Ann', 'a', 'b.example')],
    ['John Q. Public <a@b.example>', mailbox('John Q. Public', 'a', 'b.example')],
    ['"a \\"b\\"" <a@b.example>', mailbox('a "b"', 'a', 'b.example')],
    ['(why) Ann (not (so) much) <a@b.example> (end)', mailbox('Ann', 'a', 'b.example')],
    ['=?utf-8?q?J=C3=BCrg?= <a@b.example>', mailbox('Jürg', 'a', 'b.example')],
    ['=?utf-8?q?J=C3?= =?utf-8?q?=BCrg?= Lee <a@b.example>', mailbox('Jürg Lee', 'a', 'b.example')],
    ['"=?utf-8?q?not?=" <a@b.example>', mailbox('=?utf-8?q?not?=', 'a', 'b.example')],
    ['Jürg <jürg@bücher.example>', mailbox('Jürg', 'jürg', 'bücher.example')],
    ['"a b"@c.example', mailbox(null, 'a b', 'c.example')],
    ['"a b".c@d.example', mailbox(null, 'a b.c', 'd.example')],
    ['a . b @ c . example', mailbox(null, 'a.b', 'c.example')],
    ['<@r.example,@s.example:a@b.example>', mailbox(null, 'a', 'b.example')],
    ['a@[192.0.2.1]', mailbox(null, 'a', '[192.0.2.1]')],
    ['Ann\r\n <a@b.example>', mailbox('Ann', 'a', 'b.example')],
  ])('%s', (text, expected) => {
    expect(parseAddressList(text)).toEqual([expected]);
  });

  test('lists, groups and empty places', () => {
    expect(parseAddressList('a@x.example,, b@x.example,')).toEqual([
      mailbox(null, 'a', 'x.example'),
      mailbox(null, 'b', 'x.example'),
    ]);
    expect(parseAddressList('Team: a@x.example, B <b@x.example>; , c@x.example')).toEqual([
      { name: 'Team', entries: [mailbox(null, 'a', 'x.example'), mailbox('B', 'b', 'x.example')] },
      mailbox(null, 'c', 'x.example'),
    ]);
    expect(parseAddressList('undisclosed-recipients:;')).toEqual([
      { name: 'undisclosed-recipients', entries: [] },
    ]);
    expect(parseAddressList('')).toEqual([]);
  });

  test.each([
    'a',
    'a b@c.example',
    'a@',
    '@b.example',
    'a@b@c',
    '<a@b',
    '<>',
    'a..b@c.example',
    '.a@b.example',
    'Foo, Inc. <a@b.example>',
    '"open <a@b.example>',
    '(open a@b.example',
    'a@b.example c@d.example',
    'G: H: a@b.example;;',
    'G: a@b.example',
    'a@"b"',
    'a@[b',
  ])('%s is refused', (text) => {
    expect(() => parseAddressList(text)).toThrow(HeaderSyntaxError);
  });

  test('mailbox lists take no group, a mailbox stands alone', () => {
    expect(() => parseMailboxList('G:;')).toThrow('group');
    expect(() => parseMailbox('a@b.example, c@d.example')).toThrow('one mailbox');
  });

  test('nesting and length cost no stack and no time', () => {
    const started = performance.now();
    expect(() => parseAddressList('('.repeat(1_000_000))).toThrow('does not end');
    expect(parseAddressList(`${'('.repeat(300_000)}${')'.repeat(300_000)}a@b.example`)).toHaveLength(1);
    expect(parseAddressList('a@b.example,'.repeat(80_000))).toHaveLength(80_000);
    expect(() => parseAddressList('a '.repeat(500_000))).toThrow(HeaderSyntaxError);
    expect(() => parseAddressList('"\\'.repeat(500_000))).toThrow(HeaderSyntaxError);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

test('formatting quotes and encodes what needs it', () => {
  expect(
    formatAddressList([
      mailbox(null, 'a b', 'x.example'),
      mailbox('Lee, Ann', 'a', 'x.example'),
      { name: 'Team', entries: [mailbox('Jürg Lee', 'j', 'x.example')] },
    ]),
  ).toBe('"a b"@x.example, "Lee, Ann" <a@x.example>, Team: =?UTF-8?Q?J=C3=BCrg_Lee?= <j@x.example>;');
});
