import { expect, test } from 'vitest';
import type { MemoryLevel } from '../../../src/model/index.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';
import { mailRooms, pathConfig, type Rooms, transaction } from '../../kit/mail-rooms.ts';

const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `u${n}@dest.example`);

/** Rooms whose memory is as the test says; peers greet when they are told to. */
function rooms(path: object = {}): Rooms & { memory: { level: MemoryLevel }; greet(): void } {
  const memory: { level: MemoryLevel } = { level: 'enough' };
  const made = mailRooms(
    { get_egress_path_config: () => pathConfig({ connection_limit: 1, ...path }) },
    undefined,
    new FakeClock(),
    { memory },
  );
  let isQuiet = true;
  made.peers.answer = (command) => (isQuiet && command.startsWith('MAIL') ? '421 later' : undefined);
  return Object.assign(made, {
    memory,
    greet: () => {
      isQuiet = false;
    },
  });
}

/** The peer leaves the one connection waiting at the banner, with a message in hand, and what follows waits for it. */
async function waiting(made: Rooms): Promise<void> {
  made.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
  await made.receive(['first@dest.example']);
  await settle();
}

test.each([
  ['ShrinkDataAndMeta', 0, 0],
  ['ShrinkData', 0, 10],
  ['NoShrink', 10, 10],
])(
  'low memory: what enters a ready queue shrinks by low_memory_reduction_policy = %s',
  async (how, bodies, metas) => {
    const made = rooms({ low_memory_reduction_policy: how });
    await waiting(made);
    made.memory.level = 'low';
    await made.receive(many(10));
    await settle();
    const { resident } = made.queues;
    expect([...made.ready.live()][0]!.length).toBe(10);
    expect([resident.bodies, resident.count]).toEqual([bodies, metas]);
  },
);

test('with enough memory nothing shrinks', async () => {
  const made = rooms({ no_memory_reduction_policy: 'NoShrink' });
  await waiting(made);
  await made.receive(many(10));
  await settle();
  expect(made.queues.resident.bodies).toBe(10);
  made.memory.level = 'none';
  made.ready.memoryChanged();
  await settle();
  expect(made.queues.resident.bodies).toBe(10);
});

test.each([
  ['ShrinkDataAndMeta', 0, 0],
  ['ShrinkData', 0, 10],
])(
  'no memory left: what waits in ready queues shrinks by no_memory_reduction_policy = %s',
  async (how, bodies, metas) => {
    const made = rooms({ no_memory_reduction_policy: how });
    await waiting(made);
    await made.receive(many(10));
    await settle();
    expect(made.queues.resident.count).toBe(10);
    made.memory.level = 'none';
    made.ready.memoryChanged();
    await settle();
    expect([made.queues.resident.bodies, made.queues.resident.count]).toEqual([bodies, metas]);
  },
);

test('what has left memory is delivered whole, and nothing stays behind', async () => {
  const made = rooms({ low_memory_reduction_policy: 'ShrinkData' });
  made.memory.level = 'low';
  made.greet();
  const bodies = many(20).map((email) => `Subject: x\r\n\r\nto ${email}\r\n`);
  for (const [index, email] of many(20).entries()) await made.receive([email], bodies[index]);
  await made.clock.advance(5000);
  expect(made.records().filter((record) => record === 'Delivery 250')).toHaveLength(20);
  expect(
    made.peers.bodies.filter((body) => bodies.some((sent) => body.endsWith(sent.slice(-20)))),
  ).toHaveLength(20);
  expect([made.queues.resident.bodies, made.queues.resident.count]).toEqual([0, 0]);
  expect(made.spool.content.size).toBe(0);
});

test('no memory left: two connections for a ready queue', async () => {
  const made = rooms({ connection_limit: 10, idle_timeout: '1h' });
  made.greet();
  made.memory.level = 'none';
  await made.receive(many(100));
  await made.clock.advance(5000);
  expect(made.peers.peak).toBe(2);
  expect(made.records().filter((record) => record === 'Delivery 250')).toHaveLength(100);
});

test('no memory left: idle connections beyond two end at once', async () => {
  const made = rooms({ connection_limit: 10, idle_timeout: '1h' });
  made.greet();
  await made.receive(many(100));
  await made.clock.advance(1000);
  expect(made.peers.open).toBeGreaterThan(2);
  made.memory.level = 'none';
  made.ready.memoryChanged();
  await made.clock.advance(1);
  expect(made.peers.open).toBe(2);
  made.memory.level = 'enough';
  made.ready.memoryChanged();
  await made.receive(many(100));
  await made.clock.advance(1);
  expect(made.peers.peak).toBeGreaterThan(2);
});

test('low memory: deferred_spool writes at once', async () => {
  const made = rooms();
  await waiting(made);
  const parts = transaction(made.clock, ['a@dest.example'], 'Subject: x\r\n\r\nhello\r\n');
  const transactionOf = { ...parts, listener: { ...parts.listener, deferred_spool: true } };
  await made.reception.receive(transactionOf);
  // The first one alone.
  expect(made.spool.content.size).toBe(1);
  made.memory.level = 'low';
  await made.reception.receive(transactionOf);
  expect(made.spool.content.size).toBe(2);
});
