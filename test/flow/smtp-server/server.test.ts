import { expect, test } from 'vitest';
import { settle } from '../../kit/fake-clock.ts';
import { smtpSession, TestServer } from '../../kit/smtp-session.ts';

test('connections over max_connections are told so and do not count', async () => {
  const server = new TestServer({ options: { max_connections: 1 } });
  const first = server.connect();
  await first.expect('220');
  const second = server.connect();
  await second.expect('421 4.3.2 mx.test too many concurrent sessions. Try later');
  expect(second.closed).toBe(true);
  await first.command('QUIT', '221');
  await settle();
  await server.connect().expect('220');
  expect(server.rejections).toEqual([]);
});

test('the reason for shedding is the greeting, and the answer to MAIL FROM', async () => {
  let reason: string | undefined;
  const server = new TestServer({ refusal: () => reason });
  const early = server.connect();
  await early.expect('220');
  reason = 'disk is too full. Try later';
  await early.mailFrom('a@example.org', '421 4.3.2 mx.test disk is too full. Try later');
  expect(early.closed).toBe(true);
  const late = server.connect();
  await late.expect('421 4.3.2 mx.test disk is too full. Try later');
  expect(late.closed).toBe(true);
  expect(server.rejections).toEqual([]);
});

test('stop: idle sessions leave at once, transactions finish first', async () => {
  const server = new TestServer();
  const idle = server.connect();
  await idle.expect('220');
  const busy = server.connect();
  await busy.envelope();
  let stopped = false;
  const done = server.server.stop().then(() => {
    stopped = true;
  });
  await idle.expect('421 4.3.2 mx.test shutting down');
  expect(idle.closed).toBe(true);
  const late = server.connect();
  await late.expect('421 4.3.2 mx.test shutting down');
  await busy.rcptTo('another@example.com');
  expect(stopped).toBe(false);
  await busy.data('x\r\n', '250 OK ids=id1');
  await busy.expect('421 4.3.2 mx.test shutting down');
  await done;
  expect(busy.closed).toBe(true);
  expect(server.received).toHaveLength(1);
  expect(server.clock.pending).toBe(0);
});

test('stop does not wait for ever for a transaction that stands still', async () => {
  const session = smtpSession();
  await session.envelope();
  const done = session.test.server.stop();
  await session.advance(60_000);
  await session.expect('421 4.3.2 mx.test idle too long');
  await done;
});

test('a thousand pipelined commands do not keep other sessions waiting', async () => {
  const server = new TestServer();
  const greedy = server.connect();
  const modest = server.connect();
  await settle();
  greedy.line();
  modest.line();
  await greedy.send('NOOP\r\n'.repeat(1000));
  expect(greedy.line()).toBeUndefined();
  await modest.command('NOOP', '250');
  await greedy.advance(0);
  let replies = 0;
  while (greedy.line() !== undefined) replies += 1;
  expect(replies).toBe(1000);
});
