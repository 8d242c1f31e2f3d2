import { afterAll, expect, test, vi } from 'vitest';
import { LmtpServer } from '../kit/lmtp-server.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });
const servers: LmtpServer[] = [];

afterAll(async () => {
  await Moonpost.disposeAll();
  for (const server of servers) await server.stop();
});

test('LMTP: an answer for each recipient, and only who is not served is tried again', async () => {
  let full = true;
  const peer = await LmtpServer.start({
    rcpt: (recipient) => (recipient.startsWith('nobody@') ? '550 5.1.1 no such mailbox' : undefined),
    dot: (recipient) => {
      if (recipient.startsWith('gone@')) return '554 5.7.1 not for this mailbox';
      if (!recipient.startsWith('full@') || !full) return undefined;
      full = false;
      return '452 4.2.2 mailbox full';
    },
  });
  servers.push(peer);
  const policy =
    initLua('', "batch_handling = 'BatchByDomain'") +
    relayLua(peer.port, { queue: "retry_interval = '1s'", path: 'use_lmtp = true' });
  const server = await Moonpost.start({ policy });
  const names = ['ann', 'nobody', 'full', 'gone', 'bob'];
  const recipients = names.map((name) => `${name}@dest.example`);
  await sendOne(server.smtp, recipients, 'Subject: local\r\n\r\n.dot\r\nbody');
  await server.untilCounts({ Delivery: 2, Bounce: 2, TransientFailure: 1 });
  // One more message over the connection that there is.
  await sendOne(server.smtp, 'ann@dest.example');
  await server.untilCounts({ Delivery: 4 });
  await server.untilEmpty();
  expect(await server.stop()).toBe(0);

  const outcomes = server
    .records()
    .filter(({ type }) => type !== 'Reception')
    .flatMap(({ type, recipient, response, num_attempts }) =>
      [recipient].flat().map((each) => `${type} ${each.split('@')[0]} ${response.code} ${num_attempts}`),
    );
  expect(outcomes.sort()).toEqual([
    'Bounce gone 554 0',
    'Bounce nobody 550 0',
    'Delivery ann 250 0',
    'Delivery ann 250 0',
    'Delivery bob 250 0',
    'Delivery full 250 1',
    'TransientFailure full 452 0',
  ]);
  expect(peer.delivered.map(({ recipient }) => recipient.split('@')[0]).sort()).toEqual([
    ...['ann', 'ann', 'bob', 'full'],
  ]);
  for (const { sender, body } of peer.delivered) {
    expect(sender).toBe('sender@example.org');
    if (body.includes('Subject: local')) expect(body.endsWith('\r\n\r\n.dot\r\nbody\r\n')).toBe(true);
  }
  expect(peer.commands.some((line) => /^(EHLO|HELO)/i.test(line))).toBe(false);
  expect(peer.commands[0]).toMatch(/^LHLO /);
});
