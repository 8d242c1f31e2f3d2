import { describe, expect, test } from 'vitest';
import { parseDeliveryReport, ReportError, statusNotification } from '../../../src/protocol/dsn/index.ts';
import { parseMime } from '../../../src/protocol/mime/index.ts';

const report = (status: string, original = 'Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody') =>
  Buffer.from(
    `Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n` +
      `Content-Type: message/delivery-status\r\n\r\n${status}\r\n--b\r\n${original}\r\n--b--\r\n`,
  );

const STATUS = [
  'Reporting-MTA: dns; mta.example',
  'Arrival-Date: Sat, 21 Nov 2026 07:30:20 +0000',
  'X-Queue: a',
  'X-Queue: b',
  '',
  'Final-Recipient: rfc822; a@x.example',
  'Action: Failed',
  'Status: 5.1.1 (no such user)',
  'Remote-MTA: dns; mx.x.example',
  'Diagnostic-Code: smtp; 550 no',
  ' such user',
].join('\r\n');

describe('reading', () => {
  test('all of it', () => {
    const parsed = parseDeliveryReport(report(STATUS))!;
    expect(parsed.per_message).toEqual({
      reporting_mta: { mta_type: 'dns', name: 'mta.example' },
      original_envelope_id: null,
      dsn_gateway: null,
      received_from_mta: null,
      arrival_date: '2026-11-21T07:30:20Z',
      extensions: new Map([['x-queue', ['a', 'b']]]),
    });
    expect(parsed.per_recipient).toHaveLength(1);
    expect(parsed.per_recipient[0]).toMatchObject({
      final_recipient: { recipient_type: 'rfc822', recipient: 'a@x.example' },
      action: 'failed',
      status: { class: 5, subject: 1, detail: 1 },
      remote_mta: { mta_type: 'dns', name: 'mx.x.example' },
      diagnostic_code: { diagnostic_type: 'smtp', diagnostic: '550 no such user' },
      original_recipient: null,
    });
    expect(parsed.original_message).toBe('Subject: x\r\n\r\nbody');
  });

  test('other messages are none', () => {
    expect(parseDeliveryReport(Buffer.from('A: b\r\n\r\nbody'))).toBeUndefined();
  });

  test.each([
    ['', 'empty'],
    ['Final-Recipient: rfc822;a@b', 'reporting-mta is missing'],
    ['Reporting-MTA: mta.example', 'no type'],
    ['Reporting-MTA: dns;a\r\nReporting-MTA: dns;b', 'stands 2 times'],
    ['Reporting-MTA: dns;a\r\nArrival-Date: soon', 'no date'],
    ['Reporting-MTA: dns;a\r\n\r\nAction: failed', 'final-recipient is missing'],
    [
      'Reporting-MTA: dns;a\r\n\r\nFinal-Recipient: rfc822;a\r\nAction: failed\r\nStatus: bad',
      'no status code',
    ],
    ['no field', 'no field of a report'],
  ])('%j is malformed', (status, text) => {
    expect(() => parseDeliveryReport(report(status))).toThrow(ReportError);
    expect(() => parseDeliveryReport(report(status))).toThrow(text);
  });
});

describe('writing', () => {
  const facts = {
    reportingMta: { mta_type: 'dns', name: 'mta.example' },
    sender: 'sender@x.example',
    recipients: ['a@y.example', 'b@y.example'],
    arrived: Date.UTC(2026, 10, 21),
    lastAttempt: Date.UTC(2026, 10, 22),
    status: { class: 5, subject: 1, detail: 1 },
    diagnostic: '550 5.1.1 no\r\nBcc: evil@x.example',
    remoteMta: { mta_type: 'dns', name: 'mx.y.example' },
    expired: false,
    messageId: 'id@mta.example',
    boundary: 'b1',
    original: { message: Buffer.from('Subject: x\r\n\r\nbody'), scope: 'HeadersOnly' as const },
  };

  test('what is written reads back', () => {
    const message = statusNotification(facts);
    const parsed = parseDeliveryReport(message)!;
    expect(parsed.per_recipient.map(({ final_recipient }) => final_recipient.recipient)).toEqual(
      facts.recipients,
    );
    expect(parsed.per_recipient[0]!.diagnostic_code!.diagnostic).toBe('550 5.1.1 no Bcc: evil@x.example');
    expect(parsed.original_message).toBe('Subject: x\r\n');
    const { headers } = parseMime(message);
    expect(headers.first('to')!.text).toBe('sender@x.example');
    expect(headers.first('auto-submitted')!.text).toBe('auto-replied');
    expect(headers.first('bcc')).toBeUndefined();
  });

  test('the whole message, or none', () => {
    const whole = statusNotification({ ...facts, original: { ...facts.original, scope: 'FullContent' } });
    expect(parseDeliveryReport(whole)!.original_message).toBe('Subject: x\r\n\r\nbody');
    expect(
      parseDeliveryReport(statusNotification({ ...facts, original: undefined }))!.original_message,
    ).toBeNull();
  });

  test('an address beyond ASCII makes the UTF-8 form, with the type of each address (RFC 6533)', () => {
    const message = statusNotification({
      ...facts,
      recipients: ['jürgen@bücher.example', 'b@y.example'],
      diagnostic: '550 5.1.1 kein Jürgen',
      original: { message: Buffer.from('Subject: Grüße\r\n\r\nbody'), scope: 'HeadersOnly' },
    });
    const types = parseMime(message).children.map(({ contentType }) => contentType.type);
    expect(types).toEqual(['text/plain', 'message/global-delivery-status', 'message/global-headers']);
    const parsed = parseDeliveryReport(message)!;
    expect(parsed.per_recipient.map(({ final_recipient }) => final_recipient)).toEqual([
      { recipient_type: 'utf-8', recipient: 'jürgen@bücher.example' },
      { recipient_type: 'rfc822', recipient: 'b@y.example' },
    ]);
    expect(parsed.per_recipient[0]!.diagnostic_code!.diagnostic).toBe('550 5.1.1 kein Jürgen');
    expect(parsed.original_message).toBe('Subject: Grüße\r\n');
    // RFC 6532 §3.2: a header takes UTF-8 as it is, not in encoded words, which are not for addresses.
    const sent = statusNotification({ ...facts, sender: 'jürgen@x.example' }).toString();
    expect(sent).toMatch(/^To: jürgen@x\.example\r$/m);
  });

  test('what a peer says beyond ASCII does not change the form', () => {
    const message = statusNotification({ ...facts, diagnostic: '550 kein Jürgen 🙂', original: undefined });
    const status = parseMime(message).children[1]!;
    expect(status.contentType.type).toBe('message/delivery-status');
    expect(status.decodedBody.toString()).toContain('Diagnostic-Code: smtp; 550 kein J?rgen ?');
  });

  test.each([
    ['Subject: Grüße', 'FullContent', 'message/global', true],
    ['Subject: x', 'FullContent', 'message/rfc822', true],
    ['Subject: x', 'HeadersOnly', 'text/rfc822-headers', false],
  ] as const)('%s, %s: the original is %s', (header, scope, type, is8bit) => {
    const original = { message: Buffer.from(`${header}\r\n\r\nGrüße`), scope };
    const root = parseMime(statusNotification({ ...facts, original }));
    const part = root.children[2]!;
    expect(part.contentType.type).toBe(type);
    for (const { headers } of [root, part]) {
      expect(headers.first('content-transfer-encoding')?.text).toBe(is8bit ? '8bit' : undefined);
    }
  });
});
