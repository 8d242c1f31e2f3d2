import { describe, expect, test } from 'vitest';
import { parseFeedbackReport } from '../../../src/protocol/arf/index.ts';
import { ReportError } from '../../../src/protocol/dsn/index.ts';

const report = (fields: string, original = 'Subject: x') =>
  Buffer.from(
    'Content-Type: multipart/report; report-type="feedback-report"; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n' +
      `Content-Type: message/feedback-report\r\n\r\n${fields}\r\n--b\r\n` +
      `Content-Type: text/rfc822-headers\r\n\r\n${original}\r\n--b--\r\n`,
  );

const REQUIRED = 'Feedback-Type: abuse\r\nUser-Agent: X/1\r\nVersion: 1';

describe('feedback reports', () => {
  test('all of it', () => {
    const trace = Buffer.from('{"_@_":"\\\\_/","recipient":"a@b.example","__proto__":1}').toString('base64');
    const parsed = parseFeedbackReport(
      report(
        `${REQUIRED}\r\nSource-IP: 192.0.2.1\r\nOriginal-Rcpt-To: <a@b>\r\nOriginal-Rcpt-To: <c@d>\r\nIncidents: 3\r\n` +
          'Received-Date: Sat, 21 Nov 2026 07:30:20 +0000\r\nReporting-MTA: dns; mta.example\r\nX-More: y',
        `X-Short: AA\r\nX-KumoRef: ${trace.slice(0, 20)}\r\n\t${trace.slice(20)}`,
      ),
    )!;
    expect(parsed).toMatchObject({
      feedback_type: 'abuse',
      user_agent: 'X/1',
      version: '1',
      arrival_date: '2026-11-21T07:30:20Z',
      incidents: 3,
      source_ip: '192.0.2.1',
      original_rcpto_to: ['<a@b>', '<c@d>'],
      reporting_mta: { mta_type: 'dns', name: 'mta.example' },
      extensions: new Map([['x-more', ['y']]]),
    });
    expect(Object.entries(parsed.supplemental_trace!)).toEqual([
      ['recipient', 'a@b.example'],
      ['__proto__', 1],
    ]);
  });

  test('other messages are none; broken reports are told', () => {
    expect(parseFeedbackReport(Buffer.from('A: b\r\n\r\n'))).toBeUndefined();
    expect(parseFeedbackReport(report(REQUIRED))!.supplemental_trace).toBeNull();
    expect(() => parseFeedbackReport(report('Feedback-Type: abuse'))).toThrow('user-agent is missing');
    expect(() => parseFeedbackReport(report(`${REQUIRED}\r\nIncidents: many`))).toThrow(ReportError);
  });
});
