import { describe, expect, test } from 'vitest';
import {
  allowsMx,
  formatMtaStsPolicy,
  MtaStsPolicyError,
  parseMtaStsPolicy,
  policyId,
} from '../../../src/protocol/mta-sts/index.ts';

describe('policyId', () => {
  test.each([
    [['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
    [['v=STSv1;id=1'], '1'],
    [['v=STSv1 ; id=1 ; x-note=a-b ;'], '1'],
    [['v=STSv1; x=1; id=2; id=3'], '2'],
    [['v=spf1 -all', 'v=STSv1; id=1;', 'v=STSv1x; id=2;'], '1'],
    [[], undefined],
    [['v=STSv1; id=1;', 'v=STSv1; id=2;'], undefined],
    [['v=STSv1;'], undefined],
    [['v=STSv1; id=;'], undefined],
    [['v=STSv1; id=a b;'], undefined],
    [[`v=STSv1; id=${'1'.repeat(33)};`], undefined],
    [['v=stsv1; id=1;'], undefined],
    [['v=STSv1; id=1; nonsense;'], undefined],
    [['v=STSv1;; id=1;'], undefined],
    [['id=1; v=STSv1;'], undefined],
    [['v=STSv1; id=1\u200b;'], undefined],
  ])('%j', (records, id) => {
    expect(policyId(records)).toBe(id);
  });
});

const sound =
  'version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\nmax_age: 604800\r\n';

describe('parseMtaStsPolicy', () => {
  test('what is formatted parses back', () => {
    const policy = parseMtaStsPolicy(sound);
    expect(parseMtaStsPolicy(formatMtaStsPolicy(policy))).toEqual(policy);
    const none = { mode: 'none' as const, mx: [], maxAge: 0 };
    expect(parseMtaStsPolicy(formatMtaStsPolicy(none))).toEqual(none);
  });

  test('reads a policy', () => {
    expect(parseMtaStsPolicy(sound)).toEqual({
      mode: 'enforce',
      mx: ['mail.example.com', '*.example.net'],
      maxAge: 604_800,
    });
  });

  test('LF, unknown keys, lines without a colon, doubled keys and a year at most', () => {
    const text =
      'x: y\nversion: STSv1\nversion: 2\nmode:testing\nmode: none\nnonsense\nmx: a.b\nmx: a.b\nmax_age: 9999999999';
    expect(parseMtaStsPolicy(text)).toEqual({ mode: 'testing', mx: ['a.b'], maxAge: 31_557_600 });
  });

  test('mode none needs no mx', () => {
    expect(parseMtaStsPolicy('version: STSv1\nmode: none\nmax_age: 0')).toEqual({
      mode: 'none',
      mx: [],
      maxAge: 0,
    });
  });

  test.each([
    ['', 'version'],
    [sound.replace('STSv1', 'STSv2'), 'version'],
    [sound.replace('enforce', 'Enforce'), 'mode'],
    [sound.replace('mode: enforce\r\n', ''), 'mode'],
    [sound.replace('604800', '1 week'), 'max_age'],
    [sound.replace('604800', '-1'), 'max_age'],
    [sound.replace(/mx: .*\r\n/g, ''), 'mx is missing'],
    [sound.replace('mail.example.com', 'mail.*.com'), 'an mx'],
    [sound.replace('mail.example.com', '*'), 'an mx'],
    [sound.replace('mail.example.com', 'a b'), 'an mx'],
    [sound + Array.from({ length: 1001 }, (_, n) => `mx: h${n}.example\r\n`).join(''), '1000 mx'],
    ['<html>version: STSv1</html>', 'version'],
  ])('%j is none', (text, why) => {
    expect(() => parseMtaStsPolicy(text)).toThrow(MtaStsPolicyError);
    expect(() => parseMtaStsPolicy(text)).toThrow(why);
  });
});

test('a star stands for one label', () => {
  const policy = parseMtaStsPolicy(sound);
  const allowed = ['mail.example.com', 'a.example.net', 'a-b.example.net'];
  const refused = [
    'example.net',
    'a.b.example.net',
    '.example.net',
    'xmail.example.com',
    'mail.example.com.evil',
    '',
  ];
  expect(allowed.filter((host) => !allowsMx(policy, host))).toEqual([]);
  expect(refused.filter((host) => allowsMx(policy, host))).toEqual([]);
});
