import { expect, test } from 'vitest';
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
