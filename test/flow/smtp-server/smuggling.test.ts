import { describe, expect, test } from 'vitest';
import { smtpSession } from '../../kit/smtp-session.ts';

// threats.md 2.1: spellings that some server somewhere takes for the end of DATA.
const ENDINGS = {
  'LF . LF': '\n.\n',
  'LF . CRLF': '\n.\r\n',
  'CR . CR': '\r.\r',
  'CRLF . LF': '\r\n.\n',
  'CRLF . CR': '\r\n.\r',
  'CR . CRLF': '\r.\r\n',
  'LF . CR': '\n.\r',
  'CR . LF': '\r.\n',
  'CRLF NUL . CRLF': '\r\n\0.\r\n',
  'CRLF . NUL CRLF': '\r\n.\0\r\n',
  'LF CR . CRLF': '\n\r.\r\n',
  'CR CRLF . CR CRLF': '\r\r\n.\r\r\n',
};
const SMUGGLED = 'MAIL FROM:<smuggled@example.org>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nevil\r\n';
const NUL_FORMS = ['CRLF NUL . CRLF', 'CRLF . NUL CRLF'];

describe.each(Object.entries(ENDINGS))('%s', (name, ending) => {
  const body = `Subject: x\r\n\r\none${ending}${SMUGGLED}`;

  test('DATA, Deny: refused and closed', async () => {
    const session = smtpSession();
    await session.envelope();
    await session.data(body, '552 5.6.0');
    expect(session.closed).toBe(true);
    expect(session.reply()).toBeUndefined();
    expect(session.received).toEqual([]);
  });

  test('DATA, Deny, an octet at a time', async () => {
    const session = smtpSession();
    await session.envelope();
    await session.command('DATA', '354');
    for (const octet of Buffer.from(`${body}.\r\n`)) session.transport.write(Buffer.from([octet]));
    await session.expect('552 5.6.0');
    expect(session.closed).toBe(true);
    expect(session.received).toEqual([]);
  });

  test('BDAT, Deny: refused and closed', async () => {
    const session = smtpSession();
    await session.envelope();
    await session.send(`BDAT ${body.length} LAST\r\n${body}`);
    await session.expect('552 5.6.0');
    expect(session.closed).toBe(true);
    expect(session.received).toEqual([]);
  });

  test.each(['Allow', 'Fix'] as const)('DATA, %s: one message, or none with NUL', async (policy) => {
    const session = smtpSession({ options: { invalid_line_endings: policy } });
    await session.envelope();
    const isNul = NUL_FORMS.includes(name);
    await session.data(body, isNul ? '552 5.6.0' : '250 OK ids=id1');
    expect(session.reply()).toBeUndefined();
    expect(session.received.map(({ sender }) => sender.email)).toEqual(isNul ? [] : ['sender@example.org']);
    if (isNul) return;
    const text = session.received[0]!.body.toString();
    expect(text).toContain('MAIL FROM:<smuggled@example.org>');
    if (policy === 'Fix') expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  });
});
