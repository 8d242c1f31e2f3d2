import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { parseDeliveryReport } from '../../src/protocol/dsn/index.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const EXAMPLE = resolve(import.meta.dirname, '../../examples/bounce-mails/init.lua');

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

function replaced(policy: string, replacements: readonly [string, string][]): string {
  let result = policy;
  for (const [from, to] of replacements) {
    expect(result.split(from), from).toHaveLength(2);
    result = result.replace(from, to);
  }
  return result;
}

test('senders of ours are told what bounces, within their budget; nobody else, and never the null sender', async () => {
  const ours = await MailDrop.start({
    // The mailbox of one sender is gone, so that the report to it bounces as well.
    rcpt: (address) => (address === 'gone@example.org' ? '550 5.1.1 gone' : undefined),
  });
  const theirs = await MailDrop.start({ rcpt: () => '550-5.1.1 no\r\n550 5.1.1 such user' });
  const policy = replaced(readFileSync(EXAMPLE, 'utf8'), [
    ["'127.0.0.1:2525'", "'127.0.0.1:0'"],
    ["'127.0.0.1:8000'", "'127.0.0.1:0'"],
    ["addr = '127.0.0.1:2527'", `addr = '127.0.0.1:${ours.port}'`],
    ["addr = '127.0.0.1:2526'", `addr = '127.0.0.1:${theirs.port}'`],
    ['./var/bounce-mails/log', 'DIR/log'],
    ["'20/h'", "'2/h'"],
  ]);
  const server = await Moonpost.start({ policy });
  const send = async (from: string, to: string): Promise<void> => {
    const talk = await SmtpTalk.greeted(server.smtp);
    const content = `Subject: from ${from}\r\n\r\nsecret body`;
    expect(await talk.send(from, [to], content)).toMatch(/^250 OK/);
    await talk.quit();
  };
  await send('ann@example.org', 'nobody@example.com');
  await send('gone@example.org', 'nobody@example.com');
  await send('stranger@elsewhere.example', 'nobody@example.com');
  await send('', 'nobody@example.com');
  for (let n = 0; n < 4; n++) await send('bulk@example.org', `dead${n}@example.com`);
  // Eight messages, and the report to the mailbox that is gone.
  const records = await server.untilCounts({ Bounce: 9, Delivery: 3 });
  await server.untilEmpty();
  expect(await server.stop()).toBe(0);

  expect(server.counts()).toMatchObject({ Reception: 8, Bounce: 9, Delivery: 3 });
  const told = ours.messages.map(({ sender, recipients }) => `${sender}>${recipients}`).sort();
  expect(told).toEqual(['>ann@example.org', '>bulk@example.org', '>bulk@example.org']);
  const { body } = ours.messages.find(({ recipients }) => recipients[0] === 'ann@example.org')!;
  expect(body).toContain('Auto-Submitted: auto-replied');
  expect(body).not.toContain('secret body');
  const report = parseDeliveryReport(Buffer.from(body, 'latin1'))!;
  expect(report.per_message.reporting_mta).toEqual({ mta_type: 'dns', name: 'mta.example.org' });
  expect(report.per_recipient).toHaveLength(1);
  expect(report.per_recipient[0]).toMatchObject({
    final_recipient: { recipient_type: 'rfc822', recipient: 'nobody@example.com' },
    action: 'failed',
    status: { class: 5, subject: 1, detail: 1 },
    remote_mta: { mta_type: 'dns', name: 'mx.example.com' },
  });
  expect(report.per_recipient[0]!.diagnostic_code!.diagnostic).toMatch(/^550 5\.1\.1 no such user/);
  expect(report.original_message).toContain('Subject: from ann@example.org');
  // The report that could not be delivered ended there: its record has no sender.
  const last = records.filter(({ type, recipient }) => type === 'Bounce' && recipient === 'gone@example.org');
  expect(last.map(({ sender }) => sender)).toEqual(['']);
});
