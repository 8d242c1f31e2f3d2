import { expect, test } from 'vitest';
import type { Message } from '../../../src/model/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import { fails, rejects, returns, smtpSession, type TestHandler } from '../../kit/smtp-session.ts';

const EVENT = 'smtp_server_split_transaction';

async function sentThrough(handler: TestHandler, reply: string) {
  const session = smtpSession({ policy: { [EVENT]: handler } });
  await session.envelope();
  await session.rcptTo('second@example.net');
  await session.data('x\r\n', reply);
  return session;
}

const batchesOf = (session: Awaited<ReturnType<typeof sentThrough>>): string[][] | undefined =>
  session.received[0]?.batches?.map((batch) => batch.map(String));

test('policy says which recipients share a message', async () => {
  const session = await sentThrough((message) => {
    const { recipients } = message as Message;
    return returns([[...recipients, 'third@example.org'], [recipients[1]]]);
  }, '250');
  expect(batchesOf(session)).toEqual([
    ['recipient@example.com', 'second@example.net', 'third@example.org'],
    ['second@example.net'],
  ]);
});

test('it sees what smtp_server_data made of the message', async () => {
  const session = smtpSession({
    policy: {
      smtp_server_data: (message) => {
        (message as Message).meta.seen = true;
        return undefined;
      },
      [EVENT]: (message) => {
        expect((message as Message).meta.seen).toBe(true);
        return returns([(message as Message).recipients]);
      },
    },
  });
  await session.envelope();
  await session.data('x\r\n');
  expect(session.received[0]?.batches).toHaveLength(1);
  expect(session.test.policy.fired).toEqual(['smtp_server_data', EVENT]);
});

test('nothing returned leaves it to batch_handling', async () => {
  expect((await sentThrough(() => returns(undefined), '250')).received[0]?.batches).toBeUndefined();
});

test('a table keyed by domain is taken by its values; empty batches count for nothing', async () => {
  const address = EnvelopeAddress.parse('a@example.org')!;
  const session = await sentThrough(() => returns({ 'example.org': [address], 'example.com': {} }), '250');
  expect(batchesOf(session)).toEqual([['a@example.org']]);
});

test.each([[[]], [{}], [[[]]], [[{}, []]]])('no batch with a recipient: %j', async (value) => {
  const session = await sentThrough(() => returns(value), '550 5.7.1 relaying not permitted');
  expect(session.received).toEqual([]);
});

test.each([['x'], [7], [['a@example.org']], [[['not an address']]], [[[7]]], [[['<>']]]])(
  'what is no list of lists of addresses: %j',
  async (value) => {
    const session = await sentThrough(() => returns(value), '421 4.3.0 mx.test technical difficulties');
    expect(session.received).toEqual([]);
    expect(session.test.complaints[0]).toContain(EVENT);
  },
);

test('a rejection is for the whole transaction, and the session goes on', async () => {
  const session = await sentThrough(() => rejects(451, '4.7.1 later'), '451 4.7.1 later');
  expect(session.received).toEqual([]);
  await session.mailFrom('a@example.org');
});

test('an error closes', async () => {
  const session = await sentThrough(() => fails, '421 4.3.0 mx.test technical difficulties');
  expect(session.closed).toBe(true);
});
