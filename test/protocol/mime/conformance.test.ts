import { describe, expect, test } from 'vitest';
import { conformanceIssues, fixConformance, parseMime } from '../../../src/protocol/mime/index.ts';

const fixes = { now: Date.UTC(2026, 10, 21), messageId: 'id@x.example' };
const SOUND = 'Date: Sat, 21 Nov 2026 00:00:00 +0000\r\nMessage-ID: <a@b>\r\nMIME-Version: 1.0\r\n';

describe('issues', () => {
  test.each([
    ['', []],
    ['junk\r\n', ['MISSING_COLON_VALUE']],
    ['A : b\r\n', ['NAME_ENDS_WITH_SPACE']],
    ['A: b\n', ['NON_CANONICAL_LINE_ENDINGS']],
    [`A: ${'b'.repeat(996)}\r\n`, ['LINE_TOO_LONG']],
    [`A: ${'b'.repeat(995)}\r\n`, []],
    ['A: ü\r\n', ['NEEDS_TRANSFER_ENCODING']],
  ])('%j', (headers, expected) => {
    expect(conformanceIssues(Buffer.from(`${SOUND}${headers}\r\nbody\r\n`))).toEqual(expected);
  });

  test('missing headers', () => {
    expect(conformanceIssues(Buffer.from('A: b\r\n\r\n'))).toEqual([
      'MISSING_DATE_HEADER',
      'MISSING_MESSAGE_ID_HEADER',
      'MISSING_MIME_VERSION',
    ]);
  });
});

describe('fixes', () => {
  const fixed = (text: string | Buffer) => {
    const message = Buffer.from(text as string);
    const result = fixConformance(message, conformanceIssues(message), fixes);
    expect(conformanceIssues(result)).toEqual([]);
    return result.toString('latin1');
  };

  test('missing headers are added and nothing else changes', () => {
    expect(fixed('a:  b\r\n\tc\r\n\r\nbody')).toBe(
      'a:  b\r\n\tc\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\nMessage-ID: <id@x.example>\r\nMIME-Version: 1.0\r\n\r\nbody',
    );
  });

  test('8-bit text and headers are encoded, sound headers stay', () => {
    const text = fixed(`${SOUND}Subject: grüße\nTo: Jürg <a@b.example>\njunk\nx-A :  b\n\ngrüße\n`);
    expect(text).toBe(
      `${SOUND}Subject: =?UTF-8?B?Z3LDvMOfZQ==?=\r\nTo: =?UTF-8?Q?J=C3=BCrg?= <a@b.example>\r\nx-A: b\r\n` +
        'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9Fe\r\n',
    );
  });

  test('text keeps its meaning when its charset is another', () => {
    const text = Buffer.from(
      `${SOUND}Content-Type: text/plain; charset=iso-8859-1\r\n\r\ngr\xfc\xdfe`,
      'latin1',
    );
    expect(parseMime(Buffer.from(fixed(text))).body).toBe('grüße');
    const guessed = fixConformance(
      Buffer.from(`${SOUND}\r\n\xe4\xe2\xe0`, 'latin1'),
      ['NEEDS_TRANSFER_ENCODING'],
      {
        ...fixes,
        charsetOf: () => 'windows-1251',
      },
    );
    expect(parseMime(guessed).body).toBe('два');
  });

  test('long lines and messages inside messages', () => {
    const long = fixed(`${SOUND}\r\n${'word '.repeat(400)}\r\n`);
    expect(parseMime(Buffer.from(long)).body).toBe(`${'word '.repeat(400)}\r\n`);
    const inside = fixed(`${SOUND}Content-Type: message/rfc822\r\n\r\nSubject: ü\r\n\r\nbödy\r\n`);
    const inner = parseMime(parseMime(Buffer.from(inside)).encodedBody);
    expect([inner.headers.first('subject')!.unstructured, inner.body]).toEqual(['ü', 'bödy\r\n']);
  });

  test('binary parts keep their bytes', () => {
    const bytes = Buffer.from([0xff, 0, 0x80]);
    const message = Buffer.concat([
      Buffer.from(`${SOUND}Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n`),
      bytes,
    ]);
    expect(parseMime(Buffer.from(fixed(message), 'latin1')).body).toEqual(bytes);
  });
});
