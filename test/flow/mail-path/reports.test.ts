import { describe, expect, test } from 'vitest';
import { logRecord, type Message, type RelayFacts } from '../../../src/model/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import { type Handler, mailRooms, transaction } from '../../kit/mail-rooms.ts';

const part = (type: string, text: string): string => `--b\r\nContent-Type: ${type}\r\n\r\n${text}\r\n`;
const report = (kind: string, ...parts: string[]): string =>
  `Content-Type: multipart/report; report-type=${kind}; boundary=b\r\nSubject: report\r\n\r\n` +
  `${part('text/plain', 'for people')}${parts.join('')}--b--\r\n`;

const TRACE = Buffer.from('{"_@_":"\\\\_/","recipient":"who@there.example","tenant":"acme"}').toString(
  'base64',
);
const ARF = report(
  'feedback-report',
  part(
    'message/feedback-report',
    'Feedback-Type: abuse\r\nUser-Agent: X/1\r\nVersion: 1\r\nOriginal-Rcpt-To: who@there.example\r\nX-More: y',
  ),
  part('text/rfc822-headers', `X-KumoRef: ${TRACE}`),
);
const failed = (recipient: string, more: string): string =>
  `\r\n\r\nFinal-Recipient: rfc822; ${recipient}\r\nStatus: 5.1.1\r\n${more}`;
const OOB = report(
  'delivery-status',
  part(
    'message/delivery-status',
    `Reporting-MTA: dns; mta.example${failed('a@x.example', 'Action: failed\r\nDiagnostic-Code: smtp; 554 5.7.1 go away')}` +
      failed('b@x.example', 'Action: failed\r\nOriginal-Recipient: rfc822; orig@x.example') +
      failed('c@x.example', 'Action: delayed') +
      failed('d@x.example', 'Action: failed\r\nDiagnostic-Code: x-unix; exit 3') +
      failed('e@x.example', 'Action: failed\r\nDiagnostic-Code: smtp; nobody here'),
  ),
);
const BROKEN = report('feedback-report', part('message/feedback-report', 'Feedback-Type: abuse'));
const PLAIN = 'Subject: plain\r\n\r\nhello\r\n';

const facts = (more: Partial<RelayFacts>): RelayFacts => ({
  relays: false,
  logArf: 'Ignore',
  logOob: 'Ignore',
  ...more,
});

async function received(
  body: string,
  relay: RelayFacts | 'failed' | ((sender: string, recipient: string) => RelayFacts | 'failed'),
  recipients = ['reports@dest.example'],
  handlers: Record<string, Handler> = {},
) {
  const rooms = mailRooms(handlers);
  const parts = transaction(rooms.clock, recipients, body);
  parts.relayOf = (sender, recipient) =>
    typeof relay === 'function' ? relay(String(sender), String(recipient)) : relay;
  const { reply } = await rooms.reception.receive(parts);
  await rooms.clock.advance(1000);
  return { rooms, code: reply.code, text: reply.content, records: rooms.records() };
}

describe('feedback reports (log_arf)', () => {
  test('LogThenRelay: Feedback in place of Reception, and on it goes', async () => {
    const { rooms, code, records } = await received(ARF, facts({ logArf: 'LogThenRelay' }));
    expect(code).toBe(250);
    expect(records).toEqual(['Feedback 250', 'Delivery 250']);
    const record = logRecord(rooms.events[0]!, 0, 0, 'node', {}, {});
    expect(record.feedback_report).toEqual({
      feedback_type: 'abuse',
      user_agent: 'X/1',
      version: '1',
      arrival_date: null,
      incidents: null,
      original_envelope_id: null,
      original_mail_from: null,
      reporting_mta: null,
      source_ip: null,
      authentication_results: [],
      original_rcpto_to: ['who@there.example'],
      reported_domain: [],
      reported_uri: [],
      extensions: { 'x-more': ['y'] },
      original_message: expect.stringContaining('X-KumoRef'),
      supplemental_trace: { recipient: 'who@there.example', tenant: 'acme' },
    });
    expect(JSON.parse(JSON.stringify(record)).feedback_report).toEqual(record.feedback_report);
  });

  test('LogThenDrop: answered, logged and gone, also from somebody who may relay', async () => {
    const { rooms, code, text, records } = await received(
      ARF,
      facts({ relays: true, logArf: 'LogThenDrop' }),
    );
    expect(`${code} ${text}`).toBe(`250 OK ids=${'0'.repeat(32)}`);
    expect(records).toEqual(['Feedback 250']);
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.queues.size).toBe(0);
  });

  test('Ignore: mail like any other', async () => {
    expect((await received(ARF, facts({ relays: true }))).records).toEqual(['Reception 250', 'Delivery 250']);
    expect((await received(ARF, facts({ logOob: 'LogThenRelay' }))).text).toBe('relaying not permitted');
  });

  test('what is no report, or a malformed one, is relayed as the client may', async () => {
    for (const body of [PLAIN, BROKEN]) {
      const refused = await received(body, facts({ logArf: 'LogThenRelay' }));
      expect([refused.code, refused.text, refused.records]).toEqual([550, 'relaying not permitted', []]);
      const relayed = await received(body, facts({ relays: true, logArf: 'LogThenDrop' }));
      expect(relayed.records).toEqual(['Reception 250', 'Delivery 250']);
    }
  });
});

describe('delivery reports (log_oob)', () => {
  test('LogThenRelay: a record for each failed recipient beside Reception', async () => {
    const { rooms, records } = await received(OOB, facts({ logOob: 'LogThenRelay' }));
    expect(records).toEqual(['Reception 250', 'OOB 554', 'OOB 550', 'OOB 550', 'OOB 550', 'Delivery 250']);
    const logged = rooms.events.slice(1, 5).map((event) => logRecord(event, 0, 0, 'node', {}, {}));
    expect(logged.map(({ sender, recipient, size, queue }) => [sender, recipient, size, queue])).toEqual(
      ['a', 'orig', 'd', 'e'].map((user) => ['reports@dest.example', `${user}@x.example`, 0, 'dest.example']),
    );
    expect(logged.map(({ response }) => response)).toEqual([
      { code: 554, enhanced_code: { class: 5, subject: 7, detail: 1 }, content: 'go away', command: null },
      { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: '', command: null },
      { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: 'exit 3', command: null },
      {
        code: 550,
        enhanced_code: { class: 5, subject: 1, detail: 1 },
        content: 'nobody here',
        command: null,
      },
    ]);
  });

  test('LogThenDrop', async () => {
    const { rooms, code, records } = await received(OOB, facts({ logOob: 'LogThenDrop' }));
    expect(code).toBe(250);
    expect(records.slice(0, 2)).toEqual(['Reception 250', 'OOB 554']);
    expect(records).toHaveLength(5);
    expect(rooms.spool.content.size).toBe(0);
  });
});

describe('the relay decision after reception', () => {
  test('is made for the sender and the first recipient that policy left', async () => {
    const asked: string[][] = [];
    const { code } = await received(
      PLAIN,
      (sender, recipient) => {
        asked.push([sender, recipient]);
        return facts({ relays: recipient !== 'moved@elsewhere.example' });
      },
      ['a@dest.example'],
      {
        smtp_server_message_received: ((message: Message) => {
          message.recipients = [EnvelopeAddress.parse('moved@elsewhere.example')!];
          return { kind: 'absent' };
        }) as unknown as Handler,
      },
    );
    expect(asked).toEqual([['sender@source.example', 'moved@elsewhere.example']]);
    expect(code).toBe(550);
  });

  test('takes those of a transaction that may go, and refuses only when none may', async () => {
    const { records, text } = await received(
      PLAIN,
      (_, recipient) => facts({ relays: recipient.startsWith('b@') }),
      ['a@dest.example', 'b@dest.example'],
    );
    expect(text).toBe(`OK ids=${'1'.padStart(32, '0')}`);
    expect(records).toEqual(['Reception 250', 'Delivery 250']);
  });

  test('does not matter for what goes to the queue `null`', async () => {
    const { records, code } = await received(PLAIN, facts({}), ['a@dest.example'], {
      smtp_server_message_received: ((message: Message) => {
        message.meta.queue = 'null';
        return { kind: 'absent' };
      }) as unknown as Handler,
    });
    expect([code, records]).toEqual([250, ['Reception 250']]);
  });

  test('policy that cannot say: 421, and nothing is kept', async () => {
    const { rooms, code, records } = await received(PLAIN, 'failed');
    expect([code, records]).toEqual([421, []]);
    expect(rooms.spool.content.size).toBe(0);
  });
});
