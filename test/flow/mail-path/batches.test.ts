import { expect, test } from 'vitest';
import type { Message } from '../../../src/model/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import { mailRooms, transaction } from '../../kit/mail-rooms.ts';

const RECIPIENTS = ['a@one.example', 'b@two.example', 'c@ONE.example'];

async function received(change: (parts: ReturnType<typeof transaction>) => void): Promise<string[][]> {
  const rooms = mailRooms();
  const parts = transaction(rooms.clock, RECIPIENTS, 'x\r\n');
  change(parts);
  const { reply } = await rooms.reception.receive(parts);
  expect(reply.content).toMatch(/^OK ids=/);
  return rooms.events
    .filter(({ type }) => type === 'Reception')
    .map(({ subject }) => ('recipients' in subject ? subject.recipients.map(String) : []));
}

test('BifurcateAlways: a message for each recipient', async () => {
  const batches = await received((parts) => {
    parts.listener = { ...parts.listener, batch_handling: 'BifurcateAlways' };
  });
  expect(batches).toEqual(RECIPIENTS.map((recipient) => [recipient]));
});

test('BatchByDomain: a message for each domain, whatever its case', async () => {
  const batches = await received((parts) => {
    parts.listener = { ...parts.listener, batch_handling: 'BatchByDomain' };
  });
  expect(batches).toEqual([['a@one.example', 'c@ONE.example'], ['b@two.example']]);
});

test('the batches of policy go before batch_handling', async () => {
  const batches = await received((parts) => {
    parts.batches = [RECIPIENTS.map((recipient) => EnvelopeAddress.parse(recipient)!)];
  });
  expect(batches).toEqual([RECIPIENTS]);
});

const TLS = { cipher: 'TLS13_AES_256_GCM_SHA384', protocolVersion: 'TLSv1_3', peerSubjectName: [] };

test.each([
  [undefined, false, 'with ESMTP id'],
  [TLS, false, 'with ESMTPS (TLSv1_3:TLS13_AES_256_GCM_SHA384) id'],
  [TLS, true, 'with ESMTPSA (TLSv1_3:TLS13_AES_256_GCM_SHA384) id'],
])('TLS and AUTH are in Received and in the record: %j %s', async (tls, isAuthenticated, text) => {
  const rooms = mailRooms();
  await rooms.reception.receive({ ...transaction(rooms.clock, RECIPIENTS, 'x\r\n'), tls, isAuthenticated });
  const [first] = rooms.events;
  expect(first!.tls).toEqual(tls);
  expect(String(await (first!.subject as Message).data())).toContain(text);
});
