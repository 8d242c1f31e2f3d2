/** Messages that are made to cost their reader time, each of about `size` bytes. */

type Piece = string | Buffer;

const join = (...pieces: Piece[]): Buffer =>
  Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)));

const fill = (text: string, size: number): Buffer =>
  Buffer.alloc(Math.max(1, Math.floor(size / text.length)) * text.length, text, 'latin1');

const MULTIPART = 'Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\n';
const LONG_BOUNDARY = 'b'.repeat(200);

const subject = (text: string) => (size: number) => join('Subject: ', fill(text, size), '\r\n\r\n');
const to = (text: string) => (size: number) => join('To: ', fill(text, size), 'a@b.example\r\n\r\n');
const body = (headers: string, text: string) => (size: number) => join(headers, '\r\n', fill(text, size));
const inMultipart = (text: string) => (size: number) => join(MULTIPART, fill(text, size));
const contentType = (text: string) => (size: number) =>
  join('Content-Type: multipart/mixed; boundary=b; ', fill(text, size), '\r\n\r\n--b\r\n');

function numbered(size: number, piece: (at: number) => string): string {
  const pieces: string[] = [];
  for (let at = 0, length = 0; length < size; at++) {
    const text = piece(at);
    pieces.push(text);
    length += text.length;
  }
  return pieces.join('');
}

const nestedLevel = (at: number) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`;

export const HOSTILE_MAIL: Readonly<Record<string, (size: number) => Buffer>> = {
  'text lines': body('Subject: a\r\n', 'an ordinary line of text\r\n'),
  'bare LF': body('Subject: a\r\n', '\n'),
  'bare CR': body('Subject: a\r\n', '\r'),
  '8-bit text': body('Content-Type: text/plain\r\n', '\xe4'),
  'lines of two hyphens': inMultipart('\n--'),
  'lines almost a delimiter': inMultipart('\n--bc'),
  'prefixes of a long boundary': (size) =>
    join(
      `Content-Type: multipart/mixed; boundary=${LONG_BOUNDARY}\r\n\r\n--${LONG_BOUNDARY}\r\n\r\n`,
      fill(`\r\n--${LONG_BOUNDARY.slice(1)}c`, size),
    ),
  'a delimiter and blanks without end': inMultipart('\n--bb            '),
  'blanks after a delimiter': (size) => join(MULTIPART, '\n--bb', fill(' ', size)),
  'parts without end': inMultipart('\r\n--bb\r\n\r\n'),
  'delimiters that end': inMultipart('\r\n--bb--\r\n'),
  'multiparts in each other': (size) => Buffer.from(numbered(size, nestedLevel)),
  'deep multiparts, much text': (size) => join(numbered(2000, nestedLevel), fill('\r\n--b', size)),
  'messages in messages': (size) =>
    join('Content-Type: message/rfc822\r\n\r\n'.repeat(30), fill('\xe4', size)),
  'many headers': (size) => fill('A: b\r\n', size),
  'folds without end': (size) => join('A: b\r\n', fill(' x\r\n', size), '\r\n'),
  'lines without colon': (size) => fill('ab\r\n', size),
  'a name without end': (size) => join(fill('a', size), ': b\r\n\r\n'),
  'blanks in a name': (size) => join('a', fill(' ', size), 'b: c\r\n\r\n'),
  'many parameters': contentType('x=y; '),
  'many names of parameters': (size) =>
    Buffer.from(`Content-Type: text/plain${numbered(size, (at) => `; p${at}*0*=a`)}\r\n\r\n`),
  'many sections of a parameter': (size) =>
    Buffer.from(`Content-Type: text/plain${numbered(size, (at) => `; n*${at}*=%41`)}\r\n\r\n`),
  'parts with many parameters': (size) =>
    join(
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n',
      ...Array.from({ length: 900 }, () =>
        join('--b\r\nContent-Type: text/plain; ', fill('x=y; ', size / 900), '\r\n\r\n'),
      ),
    ),
  'escapes in a quoted string': contentType('a="\\"\\"\\"'),
  'open quotes': contentType('"a'),
  'open comments': contentType('('),
  'encoded words': subject('=?utf-8?q?=C3=A4?= '),
  'encoded words of two charsets': subject('=?iso-8859-1?q?=E4?= =?koi8-r?q?=E4?= '),
  'encoded words of no charset': subject('=?bogus?q?=E4?= =?nope?q?=E4?= '),
  'beginnings of encoded words': subject('=?utf-8?q?'),
  'blanks between encoded words': (size) =>
    join('Subject: =?utf-8?q?a?=', fill(' ', size), '=?utf-8?q?a?=\r\n\r\n'),
  'a charset without end': (size) => join('Subject: =?', fill('a', size), '\r\n\r\n'),
  'quoted-printable of equals': body('Content-Transfer-Encoding: quoted-printable\r\n', '='),
  'quoted-printable of blanks': body(
    'Content-Transfer-Encoding: quoted-printable\r\n',
    `=${' '.repeat(990)}`,
  ),
  'base64 of short lines': body('Content-Transfer-Encoding: base64\r\n', 'QUJD\r\n'),
  'base64 of nothing': body('Content-Transfer-Encoding: base64\r\n', '!'),
  'many addresses': to('a@b.example, '),
  'groups of addresses': to('g:a@b.example;, '),
  'words of a name': to('a '),
  'quoted words of a name': to('"a" '),
  'comments in comments': (size) => join('To: ', fill('(', size / 2), fill(')', size / 2), ' a@b\r\n\r\n'),
  'dots of a local part': to('a.'),
  'nothing but commas': to(','),
};
