import { expect, test } from 'vitest';
import { inspectReadyQueue } from '../../../src/flow/ready-queue/index.ts';
import { mergeReadyQueues } from '../../../src/model/index.ts';
import { mergeQueues, mergeStates } from '../../../src/process-inspection.ts';
import { settle } from '../../kit/fake-clock.ts';
import { mailRooms, pathConfig, queueConfig, type Rooms } from '../../kit/mail-rooms.ts';

/** Mail that waits for its second attempt. */
async function waiting(count: number, domain = 'dest.example'): Promise<Rooms> {
  const rooms = mailRooms({ get_queue_config: () => queueConfig({ egress_pool: 'unspecified' }) });
  rooms.peers.answer = (command) => (command.startsWith('MAIL') ? '451 later' : undefined);
  for (let n = 0; n < count; n++)
    await rooms.receive([`u${n}@${domain}`], `Subject: x\r\n\r\nnumber ${n}\r\n`);
  await rooms.clock.advance(1000);
  return rooms;
}

test('a queue shows as many of its messages as are asked for, and reads no others', async () => {
  const rooms = await waiting(200);
  let read = 0;
  const load = rooms.spool.loadEnvelope.bind(rooms.spool);
  rooms.spool.loadEnvelope = (entry) => {
    read++;
    return load(entry);
  };
  const queue = (await rooms.queues.inspection.queue('dest.example', 40, false))!;
  expect(queue.messages).toHaveLength(40);
  expect(read).toBe(40);
  expect(queue.size).toBe(200);
  expect(queue.lastChanged).toBeLessThanOrEqual(rooms.clock.now());
  expect(queue.config).toMatchObject({ egress_pool: 'unspecified', retry_interval: '20m' });
  const [first] = queue.messages;
  expect(first).toMatchObject({ sender: 'sender@source.example', data: null, attempts: 1 });
  expect(first!.recipients).toHaveLength(1);
  expect(first!.due).toBeGreaterThan(rooms.clock.now());
  expect(await rooms.queues.inspection.queue('other.example', 5, false)).toBeUndefined();
});

test('bodies are shown when they are wanted, and stay on disk', async () => {
  const rooms = await waiting(3);
  const queue = (await rooms.queues.inspection.queue('dest.example', 5, true))!;
  const numbers = queue.messages.map(({ data }) => /number (\d)/.exec(data!)![1]);
  expect(numbers.sort()).toEqual(['0', '1', '2']);
  expect(rooms.queues.resident.count).toBe(0);
});

test('a message is found by its id in any queue, also while it is being sent', async () => {
  const rooms = await waiting(50);
  rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
  await rooms.receive(['busy@mx1.dest.example'], 'Subject: busy\r\n\r\n\r\n');
  await settle();
  const busy = (await rooms.queues.inspection.queue('mx1.dest.example', 5, false))!;
  const { id } = busy.messages[0]!;
  const found = await advancing(rooms, rooms.queues.inspection.message(id, true));
  expect(found).toMatchObject({ id, recipients: ['busy@mx1.dest.example'] });
  expect(found!.data).toContain('Subject: busy');
  expect(await advancing(rooms, rooms.queues.inspection.message('f'.repeat(32), true))).toBeUndefined();
});

test('many looks at a time are refused', async () => {
  const rooms = await waiting(1);
  const looks = Array.from({ length: 150 }, () => rooms.queues.inspection.queue('dest.example', 1, false));
  const results = await Promise.allSettled(looks);
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(50);
  expect((await rooms.queues.inspection.queue('dest.example', 1, false))!.messages).toHaveLength(1);
});

test('a message that cannot be read is left out', async () => {
  const rooms = await waiting(3);
  const load = rooms.spool.loadEnvelope.bind(rooms.spool);
  let reads = 0;
  rooms.spool.loadEnvelope = (entry) =>
    reads++ === 0 ? Promise.reject(new Error('the disk fails')) : load(entry);
  expect((await rooms.queues.inspection.queue('dest.example', 5, false))!.messages).toHaveLength(2);
});

test('a ready queue says which limit is used up, since when, and no more when it is not', async () => {
  const rooms = mailRooms({
    get_egress_path_config: () =>
      pathConfig({ connection_limit: 5, additional_connection_limits: { shared: 1 } }),
  });
  rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
  await rooms.receive(['a@dest.example', 'b@dest.example']);
  await rooms.receive(['c@mx1.dest.example']);
  await settle();
  const [first, second] = [...rooms.ready.live()];
  const since = rooms.clock.now();
  await rooms.clock.advance(1000);
  expect(second!.states).toEqual({
    connection_limited: { context: 'every slot of shared is taken', since },
  });
  rooms.peers.answer = () => undefined;
  await rooms.clock.advance(600_000);
  expect([first!.states, second!.states]).toEqual([{}, {}]);
});

test('a ready queue says that max_connection_rate holds it up', async () => {
  const rooms = mailRooms({
    get_egress_path_config: () =>
      pathConfig({ max_connection_rate: '1/s,max_burst=1', max_deliveries_per_connection: 1 }),
  });
  await rooms.receive(Array.from({ length: 5 }, (_, n) => `u${n}@dest.example`));
  await rooms.clock.advance(100);
  const [queue] = [...rooms.ready.live()];
  expect(queue!.states.connection_rate_throttled?.context).toBe(
    `${queue!.name}-connection-rate lets no connection be made yet`,
  );
  await rooms.clock.advance(60_000);
  expect(queue!.states).toEqual({});
});

test('a ready queue shows its connections, what they do and what they have done', async () => {
  const rooms = mailRooms({
    get_egress_path_config: () => pathConfig({ connection_limit: 1, idle_timeout: '60s' }),
  });
  rooms.peers.answer = (command) => (command.startsWith('RCPT TO:<u1@') ? '550 no' : undefined);
  await rooms.receive(['u0@dest.example']);
  await rooms.receive(['u1@dest.example']);
  await rooms.clock.advance(2000);
  const [queue] = [...rooms.ready.live()];
  const shown = inspectReadyQueue(queue!, true);
  expect(shown).toMatchObject({ source: 'unspecified', pool: null, ready: 0, states: {}, queues: [] });
  expect(shown.path).toMatchObject({ connection_limit: { limit: 1 } });
  expect(shown.ceilings.max_concurrent_dispatchers).toMatchObject({ value: 1 });
  const [connection] = shown.connections;
  expect(connection).toMatchObject({
    phase: 'Idle',
    delivered: 1,
    transfailed: 0,
    failed: 1,
    deliveredHere: 1,
  });
  expect(connection!.sessionId).toMatch(/^[0-9a-f-]{36}$/);
  expect(connection!.phaseSince).toBeGreaterThanOrEqual(connection!.startedAt);

  rooms.peers.answer = (command) => (command === '.' ? 'silence' : undefined);
  await rooms.receive(['u2@dest.example']);
  await rooms.receive(['u3@dest.example']);
  await rooms.clock.advance(1);
  const busy = inspectReadyQueue(queue!, true);
  expect(busy.connections.map(({ phase }) => phase)).toEqual(['DeliveringMessage']);
  expect(busy).toMatchObject({ ready: 1, queues: ['dest.example'], pool: 'unspecified' });
  expect(inspectReadyQueue(queue!, false).queues).toEqual([]);
  const both = mergeReadyQueues([shown, busy])!;
  expect(both).toMatchObject({ ready: 1, pool: 'unspecified', queues: ['dest.example'] });
  expect(both.connections).toHaveLength(2);
  expect(mergeReadyQueues([])).toBeUndefined();
});

test('the parts of several shards are one queue, whose messages are due in order', () => {
  const message = (id: string, due: number) => ({
    id,
    due,
    sender: '',
    recipients: [],
    meta: {},
    data: null,
    attempts: 0,
  });
  const parts = [
    { messages: [message('a', 1), message('b', 9)], size: 20, config: null, lastChanged: 5 },
    undefined,
    { messages: [message('c', 3)], size: 4, config: { egress_pool: 'p' }, lastChanged: 7 },
  ];
  const merged = mergeQueues(parts, 2)!;
  expect(merged.messages.map(({ id }) => id)).toEqual(['a', 'c']);
  expect(merged).toMatchObject({ size: 24, config: { egress_pool: 'p' }, lastChanged: 7 });
  expect(mergeQueues([undefined, undefined], 5)).toBeUndefined();
});

test('of a state that several shards have the one that lasts for longest counts', () => {
  const limited = (since: number) => ({ connection_limited: { context: 'x', since } });
  const merged = mergeStates([
    new Map([['q', limited(5)]]),
    new Map([
      ['q', limited(3)],
      ['r', limited(9)],
    ]),
  ]);
  expect(Object.fromEntries(merged)).toEqual({ q: limited(3), r: limited(9) });
});

/** What comes after turns of the event loop, which the clock of the rooms has. */
async function advancing<T>(rooms: Rooms, work: Promise<T>): Promise<T> {
  let done = false;
  void work.finally(() => {
    done = true;
  });
  for (let turn = 0; turn < 100 && !done; turn++) await rooms.clock.advance(1);
  return work;
}
