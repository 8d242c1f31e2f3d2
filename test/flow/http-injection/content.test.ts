import { describe, expect, test } from 'vitest';
import { InjectionRefused } from '../../../src/flow/http-injection/index.ts';
import { type InjectionRequest, type Made, messagesOf } from './kit.ts';

const NOW = Date.UTC(2026, 0, 1);
const DATE = 'Date: Thu, 1 Jan 2026 00:00:00 +0000';

/** The message of one recipient, or why there is none. */
function made(content: InjectionRequest['content'], more: Partial<InjectionRequest> = {}): Made {
  return messagesOf({ content, ...more }, NOW)[0]!;
}

function bodyOf(content: InjectionRequest['content'], more: Partial<InjectionRequest> = {}): string {
  const { text, why } = made(content, more);
  if (why !== undefined) throw new Error(why);
  return text!;
}

function refusal(content: unknown, more: object = {}): { status: number; why: string } {
  try {
    messagesOf({ content, ...more } as Partial<InjectionRequest>, NOW);
  } catch (error) {
    if (error instanceof InjectionRefused) return { status: error.statusCode, why: error.message };
    throw error;
  }
  throw new Error('it was not refused');
}

describe('whole messages', () => {
  test('get CRLF and a MIME version, and no To', () => {
    expect(bodyOf('Subject: hi\nX-A: b\n\none\ntwo\n')).toBe(
      'Subject: hi\r\nX-A: b\r\nMIME-Version: 1.0\r\n\r\none\r\ntwo\r\n',
    );
  });

  test('keep what is fit, and their own MIME version', () => {
    const message = 'MIME-Version: 1.0\r\nSubject: a\r\n b\r\n\r\nplain\r\n';
    expect(bodyOf(message)).toBe(message);
  });

  test('are encoded where a relay could not carry them', () => {
    const text = bodyOf('Subject: Grüße\n\nschön\n');
    expect(text).toMatch(/^Subject: =\?UTF-8\?[QB]\?\S+\?=\r\n/);
    expect(text).toContain('Content-Transfer-Encoding: quoted-printable\r\n');
    expect(text).toContain('\r\n\r\nsch=C3=B6n\r\n');
  });

  test('are one template, headers and body', () => {
    const content =
      'Subject: {{ name }} and {{ shoe }}\n\n{{ email }} {{ to_header }}{% if x %} x{% endif %}\n';
    const recipients = [{ email: 'ann@dest.example', name: 'Ann B.', substitutions: { x: true } }];
    expect(bodyOf(content, { recipients, substitutions: { shoe: 42, x: false } })).toBe(
      'Subject: Ann B. and 42\r\nMIME-Version: 1.0\r\n\r\nann@dest.example "Ann B." <ann@dest.example> x\r\n',
    );
  });

  test('are not escaped', () => {
    expect(bodyOf('Subject: x\n\n{{ v }}', { substitutions: { v: '<&>' } })).toMatch(/\r\n\r\n<&>\r\n$/);
  });

  test('that begin with no header are refused; a body alone is a message', () => {
    expect(refusal('hello')).toEqual({
      status: 422,
      why: 'content: the message begins with a line that is no header',
    });
    expect(bodyOf('\nhello')).toBe('MIME-Version: 1.0\r\n\r\nhello\r\n');
  });

  test('values with line breaks may stand in the body and nowhere else', () => {
    const content = 'Subject: {{ name }}\n\n{{ text }}\n';
    const fine = { name: 'Bob', text: 'one\r\ntwo\n\nthree' };
    expect(bodyOf(content, { substitutions: fine })).toMatch(/\r\n\r\none\r\ntwo\r\n\r\nthree\r\n$/);
    for (const name of [
      'x\r\nBcc: e@evil.example',
      'x\nBcc: e',
      'x\r\rBcc: e',
      'x\r\n\r\nevil',
      'x\n folded',
      '\n',
    ]) {
      const { why } = made(content, { substitutions: { ...fine, name } });
      expect(why, JSON.stringify(name)).toBe(
        'a substitution with a line break stands among the headers of content',
      );
    }
  });

  test('the same holds for what is deep in the values, and for Handlebars', () => {
    const evil = { people: [{ name: 'x\r\nBcc: e@evil.example' }] };
    expect(made('Subject: {{ people[0].name }}\n\nx', { substitutions: evil }).why).toMatch(/line break/);
    const content = 'Subject: {{#each people}}{{name}}{{/each}}\n\nx';
    const handlebars = { substitutions: evil, template_dialect: 'Handlebars' } as const;
    expect(made(content, handlebars).why).toMatch(/line break/);
  });
});

describe('messages in parts', () => {
  const values = { name: 'Ann', html: '<b>' };

  test('the least: a text', () => {
    expect(bodyOf({ text_body: 'hello' })).toBe(
      `To: rcpt@dest.example\r\n${DATE}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n`,
    );
  });

  test('from, reply_to, subject and headers, in the order of their names', () => {
    const text = bodyOf(
      {
        text_body: 'x',
        from: { email: 'from@example.org', name: 'Jörg "J"' },
        reply_to: { email: 'reply@example.org' },
        subject: 'For {{ name }}',
        headers: { 'X-B': 'b {{ name }}', 'X-A': 'ä', subject: 'not this', FROM: 'nor@this' },
      },
      { substitutions: values, recipients: [{ email: 'ann@dest.example', name: 'Ann, B' }] },
    );
    const headers = text.split('\r\nMIME-Version')[0]!.split('\r\n');
    expect(headers).toEqual([
      expect.stringMatching(/^From: =\?UTF-8\?\S+\?= <from@example\.org>$/),
      'Reply-To: reply@example.org',
      'Subject: For Ann, B',
      'X-A: =?UTF-8?B?w6Q=?=',
      'X-B: b Ann, B',
      'To: "Ann, B" <ann@dest.example>',
      DATE,
    ]);
  });

  test.each(['To', 'TO', 'to'])('a header %s takes the place of the one that is made', (name) => {
    const text = bodyOf({ text_body: 'x', headers: { [name]: 'all@example.org' } });
    expect(text.match(/^to:.*$/gim)).toEqual([`${name}: all@example.org`]);
  });

  test('Date and MIME-Version are kept when they are given', () => {
    const headers = { Date: 'Fri, 2 Jan 2026 00:00:00 +0000', 'Mime-Version': '1.0' };
    const text = bodyOf({ text_body: 'x', headers });
    expect(text.match(/^date:.*$/gim)).toEqual([`Date: ${headers.Date}`]);
    expect(text.match(/^mime-version:.*$/gim)).toEqual(['Mime-Version: 1.0']);
  });

  test('alternatives, inline parts and attachments nest as they should', () => {
    const text = bodyOf({
      text_body: 'text',
      html_body: '<p>html</p>',
      amp_html_body: '<p>amp</p>',
      attachments: [
        { data: 'aGVsbG8=', base64: true, content_type: 'image/png', content_id: 'pic', file_name: 'p.png' },
        { data: 'a;b', content_type: 'text/calendar; method=REQUEST', file_name: 'c.ics' },
      ],
    });
    const types = [...text.matchAll(/^Content-Type: ([^;\r]+)/gm)].map(([, type]) => type);
    expect(types).toEqual([
      'multipart/mixed',
      'multipart/related',
      'multipart/alternative',
      'text/plain',
      'text/x-amp-html',
      'text/html',
      'image/png',
      'text/calendar',
    ]);
    expect(text).toContain('Content-ID: <pic>\r\n\r\naGVsbG8=\r\n');
    expect(text).toContain('Content-Disposition: inline; filename=p.png');
    expect(text).toMatch(/text\/calendar;[^\r]*method=REQUEST/);
    expect(text).toContain('Content-Disposition: attachment; filename=c.ics');
  });

  test('values are escaped in HTML alone', () => {
    const text = bodyOf(
      { text_body: '{{ html }}', html_body: '{{ html }}', subject: '{{ html }}' },
      { substitutions: values },
    );
    expect(text).toContain('Subject: <b>\r\n');
    expect(text).toMatch(/text\/plain.*\r\n<b>\r\n.*text\/html.*\r\n&lt;b&gt;\r\n/s);
  });

  test('attachments are no templates', () => {
    const attachments = [{ data: '{{ nope', content_type: 'text/plain' }];
    expect(bodyOf({ text_body: 'x', attachments })).toContain('{{ nope');
  });

  test('null is as good as nothing', () => {
    const content = { text_body: 'x', html_body: null, subject: null, from: null, reply_to: null };
    expect(bodyOf(content, { recipients: [{ email: 'a@dest.example', name: null }] })).toContain(
      'To: a@dest.example\r\n',
    );
  });

  test.each([{}, { amp_html_body: 'x' }, { subject: 'x' }, { text_body: null }])('no body: %j', (content) => {
    expect(refusal(content)).toEqual({
      status: 422,
      why: 'at least one of text_body and/or html_body must be given',
    });
  });
});

describe('header injection', () => {
  const EVIL = 'x\r\nBcc: e@evil.example';
  const safe = (text: string): void => expect(text).not.toMatch(/^bcc:/im);

  test.each([
    ['a header name', { text_body: 'x', headers: { 'X\r\nBcc': 'e' } }],
    ['a header name with a colon', { text_body: 'x', headers: { 'Bcc: e\r\nX': 'e' } }],
    ['the address of From', { text_body: 'x', from: { email: `a@b.example\r\nBcc: e` } }],
    ['the name of From', { text_body: 'x', from: { email: 'a@b.example', name: EVIL } }],
    ['the name of Reply-To', { text_body: 'x', reply_to: { email: 'a@b.example', name: EVIL } }],
    ['a content type', { text_body: 'x', attachments: [{ data: '', content_type: EVIL }] }],
    ['a file name', { text_body: 'x', attachments: [{ data: '', content_type: 'a/b', file_name: EVIL }] }],
    ['a content id', { text_body: 'x', attachments: [{ data: '', content_type: 'a/b', content_id: EVIL }] }],
    ['a Content-Type', { text_body: 'x', headers: { 'content-type': 'text/html' } }],
  ])('%s is refused', (_what, content) => {
    expect(refusal(content).status).toBe(422);
  });

  test('the name of the supplemental header', () => {
    const trace = { trace_headers: { header_name: 'X\r\nBcc' } };
    expect(refusal({ text_body: 'x' }, trace).status).toBe(422);
  });

  test.each(['Jinja', 'Static', 'Handlebars'] as const)(
    'values of headers become one line: %s',
    (dialect) => {
      const content = { text_body: 'x', subject: EVIL, headers: { 'X-A': EVIL, 'X-B': 'a\n\tb' } };
      const text = bodyOf(content, { template_dialect: dialect });
      safe(text);
      expect(text).toContain('Subject: x Bcc: e@evil.example\r\n');
    },
  );

  test.each(['Jinja', 'Handlebars'] as const)('and so do values that templates put there: %s', (dialect) => {
    const content = { text_body: 'x', subject: '{{ evil }}', headers: { 'X-A': '{{ evil }}' } };
    const given = { substitutions: { evil: EVIL }, template_dialect: dialect };
    safe(bodyOf(content, given));
    const from = { email: 'a@b.example', name: '{{ evil }}' };
    expect(made({ text_body: 'x', from }, given).why).toBe('the name has control characters');
    const address = { email: '{{evil}}@b.example' };
    expect(made({ text_body: 'x', from: address }, given).why).toBeDefined();
  });

  test('a value in a name makes no address', () => {
    const from = { email: 'a@b.example', name: '{{ evil }}' };
    const text = bodyOf({ text_body: 'x', from }, { substitutions: { evil: '" <e@evil.example>, "' } });
    expect(text).toContain('From: "\\" <e@evil.example>, \\"" <a@b.example>\r\n');
  });

  test('the name and the address of a recipient', () => {
    for (const recipient of [
      { email: 'a@dest.example', name: EVIL },
      { email: 'a@dest.example\r\nBcc: e' },
      { email: `${EVIL}@dest.example` },
      { email: '' },
      { email: 'nobody' },
    ]) {
      expect(
        made({ text_body: 'x' }, { recipients: [recipient] }).why,
        JSON.stringify(recipient),
      ).toBeDefined();
    }
  });

  test('a sender that is none is 500, as clients know it', () => {
    const sender = { envelope_sender: 'a@b.example\r\nBcc: e' };
    expect(refusal({ text_body: 'x' }, sender)).toEqual({
      status: 500,
      why: 'envelope_sender: it is no mail address',
    });
  });
});
