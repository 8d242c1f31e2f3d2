import { describe, expect, test } from 'vitest';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';

const parts = (text: string): string[] | undefined => {
  const address = EnvelopeAddress.parse(text);
  return address && [address.user, address.domain, address.email];
};

describe('EnvelopeAddress.parse', () => {
  test.each([
    ['user@example.com', 'user', 'example.com', 'user@example.com'],
    ['<User.Name+tag@Example.COM>', 'User.Name+tag', 'Example.COM', 'User.Name+tag@Example.COM'],
    ['"a b"@x', 'a b', 'x', '"a b"@x'],
    ['"a\\"\\\\b"@x', 'a"\\b', 'x', '"a\\"\\\\b"@x'],
    ['"a@b>"@x', 'a@b>', 'x', '"a@b>"@x'],
    ['""@x', '', 'x', '""@x'],
    ['<@one.example,@two.example:user@three.example>', 'user', 'three.example', 'user@three.example'],
    ['u@[192.0.2.1]', 'u', '[192.0.2.1]', 'u@[192.0.2.1]'],
    ['u@[IPv6:2001:db8::1]', 'u', '[IPv6:2001:db8::1]', 'u@[IPv6:2001:db8::1]'],
    ['u@[tag:content]', 'u', '[tag:content]', 'u@[tag:content]'],
    ['u@under_score.example', 'u', 'under_score.example', 'u@under_score.example'],
    ['\u00fc\u20ac@\u00e4.example', '\u00fc\u20ac', '\u00e4.example', '\u00fc\u20ac@\u00e4.example'],
    ['\u{1f4e7}@x', '\u{1f4e7}', 'x', '\u{1f4e7}@x'],
    ["!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~", 'x', "!#$%&'*+-/=?^_`{|}~@x"],
    ['Postmaster', 'postmaster', '', 'Postmaster'],
    ['<POSTMASTER>', 'postmaster', '', 'Postmaster'],
    ['postmaster@x', 'postmaster', 'x', 'postmaster@x'],
  ])('%s', (text, user, domain, email) => expect(parts(text)).toEqual([user, domain, email]));

  test.each(['', '<>'])('%j is the null sender', (text) => {
    expect(EnvelopeAddress.parse(text)).toBe(EnvelopeAddress.nullSender);
    expect(String(EnvelopeAddress.nullSender)).toBe('');
  });

  test.each([
    'user',
    '@',
    '@x',
    'a@',
    'a@b@c',
    '<a@b',
    'a@b>',
    '<<a@b>>',
    ' a@b',
    'a@b ',
    'a b@c',
    '.a@b',
    'a.@b',
    'a..b@c',
    'a@.b',
    'a@b.',
    'a@b..c',
    'a@-b',
    'a@b-',
    'a@b-.c',
    'a@b,c@d',
    'a@[192.0.2.256]',
    'a@[192.0.2]',
    'a@[IPv6:192.0.2.1]',
    'a@[IPv6:1::2::3]',
    'a@[192.0.2.1',
    'a@[192.0.2.1]x',
    'a@[:x]',
    '"a@b',
    '"a"b@c',
    '"a\\"@c',
    '"a\nb"@c',
    '"a\\\nb"@c',
    'a\0@b',
    'a@b\0',
    'a@b\r\n',
    'a\x7f@b',
    'a\x85@b',
    'a@\ufffd',
    '\ud800@b',
    '\udc00@b',
    'a@\ud83d.x',
    '<@x@y:a@b>',
    '<@x:>',
    '@x,a@b',
  ])('%j is no address', (text) => expect(EnvelopeAddress.parse(text)).toBeUndefined());

  test('limits of RFC 5321 4.5.3.1, in octets', () => {
    expect(parts(`${'a'.repeat(64)}@x`)).toBeDefined();
    expect(parts(`${'a'.repeat(65)}@x`)).toBeUndefined();
    expect(parts(`${'\u20ac'.repeat(21)}@x`)).toBeDefined();
    expect(parts(`${'\u20ac'.repeat(22)}@x`)).toBeUndefined();
    expect(parts(`${'\u{1f4e7}'.repeat(16)}@x`)).toBeDefined();
    expect(parts(`${'\u{1f4e7}'.repeat(16)}a@x`)).toBeUndefined();
    const domain = `${'d'.repeat(63)}.`.repeat(3);
    expect(parts(`a@${domain}${'e'.repeat(63)}`)).toBeDefined();
    expect(parts(`a@${domain}${'e'.repeat(62)}.f`)).toBeUndefined();
    expect(parts(`a@${'d'.repeat(64)}`)).toBeUndefined();
  });

  test('isInternationalized', () => {
    expect(EnvelopeAddress.parse('a@b')?.isInternationalized).toBe(false);
    expect(EnvelopeAddress.parse('\u00e4@b')?.isInternationalized).toBe(true);
    expect(EnvelopeAddress.parse('a@\u00e4')?.isInternationalized).toBe(true);
  });
});
