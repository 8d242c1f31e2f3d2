import { describe, expect, test } from 'vitest';
import {
  appendTextHtml,
  appendTextPlain,
  HeaderLine,
  MimeBuilder,
  type MimePart,
  newBinary,
  newMultipart,
  newText,
  parseMime,
  simpleStructure,
} from '../../../src/protocol/mime/index.ts';

const lines = (...text: string[]) => Buffer.from(text.join('\r\n'), 'latin1');

const MIXED = lines(
  'Subject: mixed',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="outer"',
  '',
  'preamble',
  '--outer',
  'Content-Type: multipart/alternative; boundary=inner',
  '',
  '--inner',
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'gr=FC=DFe',
  '--inner  ',
  'Content-Type: text/html',
  '',
  '<html><body>hi</body></html>',
  '--inner--',
  'inner epilogue',
  '--outer',
  'Content-Type: image/png; name="a.png"',
  'Content-Disposition: attachment; filename="b.png"',
  'Content-ID: <id@x>',
  'Content-Transfer-Encoding: base64',
  '',
  'AAEC',
  '--outer--',
  'epilogue',
  '',
);

const shape = (part: MimePart): unknown =>
  part.isMultipart ? part.children.map(shape) : part.encodedBody.toString('latin1');

describe('parsing', () => {
  test('finds the parts and keeps the bytes', () => {
    const root = parseMime(MIXED);
    expect(shape(root)).toEqual([['gr=FC=DFe', '<html><body>hi</body></html>'], 'AAEC']);
    expect(root.bytes).toEqual(MIXED);
    expect(root.children[0]!.children[0]!.body).toBe('grüße');
    expect(root.children[1]!.body).toEqual(Buffer.from([0, 1, 2]));
    expect([root.id, root.children[1]!.id, root.children[0]!.children[1]!.id]).toEqual(['', '1', '0.1']);
  });

  test.each([
    ['no headers', '\r\nbody'],
    ['no blank line', 'A: b\r\nC: d'],
    ['bare LF', 'Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nA: c\n\ntwo\n--b--\n'],
    [
      'empty parts',
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b\r\n--b\r\nA: b\r\n--b--',
    ],
    ['no end', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none'],
    ['no delimiter', 'Content-Type: multipart/mixed; boundary=b\r\n\r\nonly text'],
    ['junk lines', 'junk\r\nA : b\r\n\tc\r\n more\r\n\r\nbody'],
    ['empty', ''],
    [
      'one boundary twice',
      'Content-Type: multipart/a; boundary=b\n\n--b\nContent-Type: multipart/c; boundary=b\n\n--b\n\nx\n--b--\n--b\n\ny\n--b--\n',
    ],
    [
      'prefix boundaries',
      'Content-Type: multipart/a; boundary=b\n\n--bb\n--b\nContent-Type: multipart/c; boundary=bb\n\n--bb\n\nx\n--b\n\ny\n--bb--\n--b--\n',
    ],
  ])('%s: the bytes stay', (_name, text) => {
    expect(parseMime(Buffer.from(text)).bytes.toString()).toBe(text);
  });

  test('an outer delimiter ends what is inside; a hidden boundary comes back', () => {
    const outer =
      'Content-Type: multipart/a; boundary=b\n\n--b\nContent-Type: multipart/c; boundary=x\n\n--x\n\none\n--b\n\ntwo\n--b--\n';
    expect(shape(parseMime(Buffer.from(outer)))).toEqual([['one'], 'two']);
    const same =
      'Content-Type: multipart/a; boundary=b\n\n--b\nContent-Type: multipart/c; boundary=b\n\n--b\n\nx\n--b--\n--b\n\ny\n--b--\n';
    expect(shape(parseMime(Buffer.from(same)))).toEqual([['x'], 'y']);
  });

  test('hostile input is refused or read in little time', () => {
    const started = performance.now();
    const nested = (levels: number) => {
      let text = '';
      for (let n = 0; n < levels; n++)
        text += `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`;
      return Buffer.from(text);
    };
    expect(parseMime(nested(100)).bytes).toEqual(nested(100));
    expect(() => parseMime(nested(200))).toThrow('nest deeper than 100');
    const many = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\n'.repeat(2000)}`;
    expect(() => parseMime(Buffer.from(many))).toThrow('more than 1000 parts');
    expect(() => parseMime(Buffer.from('A: b\r\n'.repeat(20_000)))).toThrow('more than 10000 headers');
    const candidates = Buffer.concat([nested(99), Buffer.from('\r\n--x'.repeat(500_000))]);
    expect(parseMime(candidates).bytes.length).toBe(candidates.length);
    const longLine = Buffer.from(`Content-Type: ${'a'.repeat(1_000_000)}\r\n\r\nx`);
    expect(parseMime(longLine).bytes).toEqual(longLine);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe('editing', () => {
  test('a new body changes nothing beside its part', () => {
    const root = parseMime(MIXED);
    root.children[0]!.children[0]!.setBody('neu: ü\nzwei\n');
    const text = root.bytes.toString('latin1');
    const before = MIXED.toString('latin1');
    const start = before.indexOf('Content-Type: text/plain');
    const end = before.indexOf('\r\n--inner  ');
    expect(text.startsWith(before.slice(0, start))).toBe(true);
    expect(text.endsWith(before.slice(end))).toBe(true);
    const part = parseMime(root.bytes).children[0]!.children[0]!;
    expect(part.body).toBe('neu: ü\r\nzwei\r\n');
    expect(part.contentType).toEqual({ type: 'text/plain', parameters: new Map([['charset', 'utf-8']]) });
  });

  test('the structure that readers see', () => {
    const { text_part, html_part, header_part, attachments } = simpleStructure(parseMime(MIXED));
    expect([text_part!.id, html_part!.id, header_part.id]).toEqual(['0.0', '0.1', '']);
    expect(attachments.map(({ part: _part, ...rest }) => rest)).toEqual([
      { file_name: 'b.png', inline: false, content_id: 'id@x', content_type: 'image/png' },
    ]);
  });

  test('text is appended', () => {
    const root = parseMime(MIXED);
    expect(appendTextPlain(root, 'footer')).toBe(true);
    expect(appendTextHtml(root, '<p>footer</p>')).toBe(true);
    const edited = parseMime(root.bytes);
    expect(edited.children[0]!.children[0]!.body).toBe('grüße\r\nfooter');
    expect(edited.children[0]!.children[1]!.body).toBe('<html><body>hi\r\n<p>footer</p></body></html>');
    const plain = parseMime(Buffer.from('A: b\r\n\r\ntext\r\n'));
    expect(appendTextHtml(plain, 'x')).toBe(false);
    expect(appendTextPlain(plain, 'x')).toBe(true);
    expect(plain.bytes.toString()).toBe('A: b\r\n\r\ntext\r\n\r\nx');
  });

  test('parts are appended to a multipart that came', () => {
    const root = parseMime(MIXED);
    root.append(newText('text/plain', 'third'));
    const edited = parseMime(root.bytes);
    expect(edited.children.map((part) => part.contentType.type)).toEqual([
      'multipart/alternative',
      'image/png',
      'text/plain',
    ]);
    expect(edited.bytes.toString('latin1')).toContain('epilogue');
    const cut = parseMime(Buffer.from('Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none'));
    cut.append(newText('text/plain', 'two'));
    expect(parseMime(cut.bytes).children).toHaveLength(2);
  });

  test('headers are set in their place', () => {
    const root = parseMime(lines('A: 1', 'Subject: x', 'B: 2', 'subject: y', '', 'body'));
    root.headers.set(HeaderLine.ofText('Subject', 'ü'));
    root.headers.append(HeaderLine.ofText('C', '3'));
    expect(root.bytes.toString()).toBe('A: 1\r\nSubject: =?UTF-8?B?w7w=?=\r\nB: 2\r\nC: 3\r\n\r\nbody');
  });
});

describe('building', () => {
  test('the usual message', () => {
    const builder = new MimeBuilder(() => 'never');
    builder.setStable(true);
    builder.setText('text/html', '<b>hi</b>');
    builder.setText('text/plain', 'hi');
    builder.attach(
      newBinary('image/png', Buffer.from([1, 2, 3]), { file_name: 'ä.png', inline: true, content_id: 'c@x' }),
    );
    builder.attach(newBinary('text/csv', Buffer.from('a,b\n'), { file_name: 'a.csv' }));
    const root = parseMime(builder.build().bytes);
    expect(shape(root)).toEqual([[['hi', '<b>hi</b>'], 'AQID\r\n'], 'a,b\r\n']);
    const { attachments, text_part } = simpleStructure(root);
    expect(text_part!.body).toBe('hi');
    expect(attachments.map(({ file_name, inline, content_id }) => [file_name, inline, content_id])).toEqual([
      ['ä.png', true, 'c@x'],
      ['a.csv', false, null],
    ]);
    expect(root.headers.first('mime-version')?.text).toBe('1.0');
    expect(() => builder.build()).toThrow('already');
  });

  test('what cannot be is refused', () => {
    expect(() => newMultipart('text/plain', [], 'b')).toThrow('no multipart');
    expect(() => newMultipart('multipart/mixed', [], 'b\r\nX: y')).toThrow('boundary');
    expect(() => newText('no type', 'x')).toThrow('no content type');
    expect(() => newBinary('a/b', Buffer.from('x'), { content_id: 'a b' })).toThrow('content id');
    let part = newText('text/plain', 'x');
    expect(() => {
      for (let n = 0; n < 200; n++) part = newMultipart('multipart/mixed', [part], 'b');
    }).toThrow('nest deeper');
  });
});
