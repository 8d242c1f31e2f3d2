import { describe, expect, test } from 'vitest';
import {
  formatAuthenticationResults,
  formatMimeParameters,
  parseAuthenticationResults,
  parseDate,
  parseMessageId,
  parseMessageIdList,
  parseMimeParameters,
} from '../../../src/protocol/mime/index.ts';

describe('values with parameters', () => {
  const read = (text: string) => {
    const { value, parameters } = parseMimeParameters(text);
    return [value, Object.fromEntries(parameters)];
  };

  test.each([
    ['text/plain', ['text/plain', {}]],
    ['Text/Plain; Charset="utf-8"', ['Text/Plain', { charset: 'utf-8' }]],
    ['text/plain; charset=us-ascii (Plain text)', ['text/plain', { charset: 'us-ascii' }]],
    ['multipart/mixed;boundary="a; b\\"c"', ['multipart/mixed', { boundary: 'a; b"c' }]],
    ['a/b; name==?utf-8?q?=C3=A4?=', ['a/b', { name: 'ä' }]],
    ["a/b; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun", ['a/b', { title: 'This is ***fun' }]],
    ['a/b; url*0="ftp://"; url*1="x.example"', ['a/b', { url: 'ftp://x.example' }]],
    ['a/b; t*1*=%FCrg; t*0*=iso-8859-1\'\'J; t*2=" L"', ['a/b', { t: 'Jürg L' }]],
    ['a/b; x=1; x=2', ['a/b', { x: '1' }]],
    ['a/b; ; junk; y=2;', ['a/b', { y: '2' }]],
    ['base64', ['base64', {}]],
    ['', ['', {}]],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test('hostile names are only names', () => {
    const { parameters } = parseMimeParameters('a/b; __proto__=x; constructor=y; x*99999=z; x*-1=z');
    expect([...parameters]).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  test('formatting', () => {
    const format = (name: string, content: string) =>
      formatMimeParameters({ value: 'a/b', parameters: new Map([[name, content]]) });
    expect(format('name', 'plain.txt')).toBe('a/b; name=plain.txt');
    expect(format('name', 'two words.txt')).toBe('a/b; name="two words.txt"');
    expect(format('name', 'ä.txt')).toBe("a/b; name*=utf-8''%C3%A4.txt");
    for (const content of ['ä'.repeat(60), `${'long '.repeat(30)}"'%`, "it's (100%) * fine\u{1f600}ä"]) {
      const text = format('filename', content);
      expect(parseMimeParameters(text).parameters.get('filename')).toBe(content);
    }
  });
});

describe('message ids', () => {
  test('one and several', () => {
    expect(parseMessageId(' <a.b@c> (comment) ')).toBe('a.b@c');
    expect(parseMessageIdList('<a@b>\r\n <c@d>,<e@f>')).toEqual(['a@b', 'c@d', 'e@f']);
    expect(parseMessageIdList('')).toEqual([]);
  });

  test.each(['a@b', '<a@b', '<>', '<a b@c>', '<a@b> <c@d>'])('%s is no id', (text) => {
    expect(() => parseMessageId(text)).toThrow();
  });
});

describe('Authentication-Results', () => {
  test('parsing', () => {
    expect(
      parseAuthenticationResults(
        'mx.example 1; dkim/1=pass (good) reason="so \\"it\\" is" header.d=x.example header.i=@x.example; spf=fail smtp.mailfrom="a b"@x',
      ),
    ).toEqual({
      serv_id: 'mx.example',
      version: 1,
      results: [
        {
          method: 'dkim',
          method_version: 1,
          result: 'pass',
          reason: 'so "it" is',
          props: new Map([
            ['header.d', 'x.example'],
            ['header.i', '@x.example'],
          ]),
        },
        { method: 'spf', result: 'fail', props: new Map([['smtp.mailfrom', '"a b"@x']]) },
      ],
    });
  });

  test('none, and what is broken', () => {
    expect(parseAuthenticationResults('mx.example; none')).toEqual({ serv_id: 'mx.example', results: [] });
    for (const text of [
      '',
      ';',
      'mx.example dkim=pass',
      'mx.example; dkim',
      'mx.example; dkim=pass header.d',
    ])
      expect(() => parseAuthenticationResults(text), text).toThrow();
  });

  test('formatting reads back, and hostile values stay in their place', () => {
    const results = [
      {
        method: 'dkim',
        result: 'pass',
        reason: 'a; b\r\nBcc: c',
        props: new Map([['header.d', 'x.example; spf=pass\r\nX: y']]),
      },
    ];
    const text = formatAuthenticationResults({ serv_id: 'mx.example', results });
    expect(text).not.toMatch(/\r\n[^\t]/);
    const read = parseAuthenticationResults(text);
    expect(read.results).toHaveLength(1);
    expect(read.results[0]!.props.get('header.d')).toBe('x.example; spf=pass X: y');
    expect(formatAuthenticationResults({ serv_id: 'mx', results: [] })).toBe('mx; none');
  });
});

describe('dates', () => {
  test.each([
    ['Sat, 21 Nov 2026 07:30:20 +0000', Date.UTC(2026, 10, 21, 7, 30, 20)],
    ['21 Nov 2026 07:30 -0130 (comment)', Date.UTC(2026, 10, 21, 9, 0, 0)],
    ['1 jan 99 00:00:00 GMT', Date.UTC(1999, 0, 1)],
    ['1 Jan 01 00:00:00 EST', Date.UTC(2001, 0, 1, 5)],
  ])('%s', (text, time) => {
    expect(parseDate(text)).toBe(time);
  });

  test.each(['', 'yesterday', '32 Jan 2020 00:00', '1 Foo 2020 00:00', '1 Jan 2020 25:00'])('%s', (text) => {
    expect(parseDate(text)).toBeUndefined();
  });
});
