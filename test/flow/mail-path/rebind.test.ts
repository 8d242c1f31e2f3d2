import { describe, expect, test } from 'vitest';
import type { RebindRequest } from '../../../src/flow/scheduled-queue/index.ts';
import type { Message, PolicyResult } from '../../../src/model/index.ts';
import { type Handler, mailRooms, pathConfig, queueConfig } from '../../kit/mail-rooms.ts';

const SECOND = 1000;
const MINUTE = 60_000;
type Rooms = ReturnType<typeof mailRooms>;

const request = (more: Partial<RebindRequest>): RebindRequest => ({
  selector: {},
  reason: 'because',
  data: {},
  triggerEvent: false,
  alwaysFlush: false,
  suppressLogging: false,
  ...more,
});

/** Rooms whose peers refuse for now, with a message waiting for each recipient. */
async function waiting(recipients: string[], handlers: Record<string, Handler> = {}): Promise<Rooms> {
  const rooms = mailRooms({ get_queue_config: () => queueConfig({ retry_interval: '30m' }), ...handlers });
  rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
  await rooms.receive(recipients);
  await rooms.clock.advance(SECOND);
  expect(rooms.events.filter(({ type }) => type === 'TransientFailure')).toHaveLength(recipients.length);
  rooms.events.length = 0;
  rooms.peers.answer = () => undefined;
  return rooms;
}

async function rebind(rooms: Rooms, more: Partial<RebindRequest>) {
  const done = rooms.queues.rebind(request(more));
  await rooms.clock.advance(10);
  return done;
}

const records = (rooms: Rooms): string[] =>
  rooms.events.map(({ type, subject }) => `${type} ${(subject as Message).recipients.join()}`).sort();
const event = (body: (message: Message, data: Record<string, string>) => PolicyResult | undefined) =>
  ({
    rebind_message: (message: Message, data: Record<string, string>) =>
      body(message, data) ?? { kind: 'absent' },
  }) as unknown as Record<string, Handler>;

describe('rebind by data', () => {
  test('writes it to the metadata; a changed queue is due now, with AdminRebind', async () => {
    const rooms = await waiting(['a@dest.example', 'b@dest.example']);
    const summary = await rebind(rooms, { data: { tenant: 'new', note: 'x' } });
    expect(summary).toEqual({ messages: 2, moved: 2 });
    expect(rooms.events[0]).toMatchObject({
      type: 'AdminRebind',
      queue: 'new@dest.example',
      site: 'localhost',
      response: { code: 250, content: 'Rebound from dest.example to new@dest.example: because' },
      attempts: 1,
    });
    await rooms.clock.advance(SECOND);
    const deliveries = rooms.events.filter(({ type }) => type === 'Delivery');
    expect(deliveries).toHaveLength(2);
    expect(deliveries[0]).toMatchObject({ queue: 'new@dest.example', attempts: 1 });
    expect((deliveries[0]!.subject as Message).meta).toMatchObject({ tenant: 'new', note: 'x' });
  });

  test('an unchanged queue is due within a minute, without AdminRebind', async () => {
    const rooms = await waiting(['a@dest.example']);
    expect(await rebind(rooms, { data: { note: 'x' } })).toEqual({ messages: 1, moved: 0 });
    expect(JSON.parse([...rooms.spool.content.values()][0]!.envelope).meta.note).toBe('x');
    await rooms.clock.advance(29 * SECOND);
    expect(records(rooms)).toEqual(['Delayed a@dest.example']);
    await rooms.clock.advance(2 * SECOND);
    expect(rooms.events.at(-1)!.type).toBe('Delivery');
  });

  test('always_flush makes it due now', async () => {
    const rooms = await waiting(['a@dest.example']);
    await rebind(rooms, { alwaysFlush: true });
    await rooms.clock.advance(SECOND);
    expect(records(rooms)).toEqual(['Delivery a@dest.example']);
  });

  test('suppress_logging', async () => {
    const rooms = await waiting(['a@dest.example']);
    await rebind(rooms, { data: { tenant: 'new' }, suppressLogging: true });
    await rooms.clock.advance(SECOND);
    expect(records(rooms)).toEqual(['Delivery a@dest.example']);
  });

  test('the queue `null` deletes', async () => {
    const rooms = await waiting(['a@dest.example']);
    await rebind(rooms, { data: { queue: 'null' } });
    expect(records(rooms)).toEqual(['AdminRebind a@dest.example']);
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.queues.size).toBe(0);
  });

  test('a restart finds the message where it went', async () => {
    const rooms = await waiting(['a@dest.example']);
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    await rebind(rooms, { data: { tenant: 'new' } });
    await rooms.clock.advance(SECOND);
    await rooms.queues.stop();
    await rooms.ready.stop();
    const after = mailRooms({}, rooms.spool.content, rooms.clock);
    await after.queues.restore();
    await after.clock.advance(120 * MINUTE);
    expect(after.events.at(-1)).toMatchObject({ type: 'Delivery', queue: 'new@dest.example' });
  });
});

describe('which queues', () => {
  test.each<[string, RebindRequest['selector'], string[]]>([
    ['all', {}, ['a@dest.example', 'a@other.example', 'b@dest.example']],
    ['a domain', { domain: 'dest.example' }, ['a@dest.example', 'b@dest.example']],
    ['a tenant', { tenant: 'b' }, ['b@dest.example']],
    ['all that is given has to fit', { tenant: 'b', domain: 'other.example' }, []],
    ['case counts', { domain: 'Dest.example' }, []],
    [
      'names go before the rest',
      { domain: 'nowhere.example', queue_names: ['dest.example'] },
      ['a@dest.example'],
    ],
  ])('%s', async (_what, selector, moved) => {
    const rooms = await waiting(['a@dest.example', 'b@dest.example', 'a@other.example'], {
      smtp_server_message_received: ((message: Message) => {
        if (String(message.recipients[0]).startsWith('b@')) message.meta.tenant = 'b';
        if (String(message.recipients[0]) === 'a@other.example') message.meta.routing_domain = 'dest.example';
        return { kind: 'absent' };
      }) as unknown as Handler,
    });
    await rebind(rooms, { selector, data: { campaign: 'moved' } });
    expect(records(rooms).filter((record) => record.startsWith('AdminRebind'))).toEqual(
      moved.map((recipient) => `AdminRebind ${recipient}`),
    );
  });

  test('a message that lands in a queue that is selected too is looked at once', async () => {
    let asked = 0;
    const rooms = await waiting(
      ['a@dest.example', 'b@dest.example'],
      event((message) => {
        asked++;
        message.meta.tenant = `${String(message.meta.tenant ?? '')}x`;
        message.dirty = true;
        return undefined;
      }),
    );
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    await rebind(rooms, { triggerEvent: true });
    expect(asked).toBe(2);
    await rooms.clock.advance(SECOND);
    expect(await rebind(rooms, { triggerEvent: true })).toEqual({ messages: 2, moved: 2 });
    expect(asked).toBe(4);
  });

  test('what waits because ready queues are full is looked at; what is in them is not touched', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () => pathConfig({ max_ready: 10, connection_limit: 1 }),
    });
    rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
    await rooms.receive(Array.from({ length: 100 }, (_, index) => `u${index}@dest.example`));
    await rooms.clock.advance(SECOND);
    rooms.events.length = 0;
    const { messages, moved } = await rebind(rooms, { data: { queue: 'null' } });
    expect(messages).toBe(moved);
    expect(moved).toBeGreaterThanOrEqual(89);
    expect(rooms.queues.size).toBe(100 - moved);
    expect(rooms.spool.content.size).toBe(100 - moved);
  });
});

describe('rebind_message', () => {
  test('gets message and data, and says where the message goes', async () => {
    const seen: unknown[] = [];
    const rooms = await waiting(
      ['a@dest.example'],
      event((message, data) => {
        seen.push(message.id, data);
        message.meta.tenant = data.to!;
        message.dirty = true;
        return undefined;
      }),
    );
    await rebind(rooms, { triggerEvent: true, data: { to: 'acme' } });
    await rooms.clock.advance(SECOND);
    expect(seen).toEqual(['0'.repeat(32), { to: 'acme' }]);
    expect(rooms.events.at(-1)).toMatchObject({ type: 'Delivery', queue: 'acme@dest.example' });
  });

  test.each<[string, PolicyResult, string]>([
    ['an error', { kind: 'error', message: 'init.lua:4: no' }, 'init.lua:4: no'],
    ['a rejection', { kind: 'reject', code: 550, text: 'no', disconnect: 'If421' }, 'rejected: 550 no'],
  ])('%s is logged; the message goes back as it was, when it was due', async (_what, failure, text) => {
    const rooms = await waiting(
      ['a@dest.example'],
      event((message) => {
        message.meta.tenant = 'half';
        message.setData(Buffer.from('gone'));
        return failure;
      }),
    );
    await rebind(rooms, { triggerEvent: true });
    expect(rooms.said.join()).toContain(text);
    await rooms.clock.advance(20 * MINUTE);
    expect(rooms.events).toEqual([]);
    await rooms.clock.advance(15 * MINUTE);
    expect(rooms.events.at(-1)).toMatchObject({ type: 'Delivery', queue: 'dest.example' });
    expect(rooms.peers.bodies[0]).toContain('hello');
  });

  test('without a handler one line says so, and nothing is touched', async () => {
    const rooms = await waiting(['a@dest.example', 'b@dest.example']);
    expect(await rebind(rooms, { triggerEvent: true })).toEqual({ messages: 0, moved: 0 });
    expect(rooms.said).toEqual(['Event rebind_message has not been registered']);
    await rooms.clock.advance(20 * MINUTE);
    expect(rooms.events).toEqual([]);
  });
});

test('a full disk: the messages stay as they were', async () => {
  const rooms = await waiting(['a@dest.example']);
  rooms.spool.failing = true;
  expect(await rebind(rooms, { data: { tenant: 'new' } })).toEqual({ messages: 1, moved: 0 });
  rooms.spool.failing = false;
  await rooms.clock.advance(40 * MINUTE);
  expect(rooms.events.at(-1)).toMatchObject({ type: 'Delivery', queue: 'dest.example' });
});

test('many queues are looked at in turns, and a stop in between loses nothing', async () => {
  const count = 5000;
  const first = mailRooms();
  for (let index = 0; index < count; index++) {
    const id = String(index).padStart(32, '0');
    const envelope = { sender: '', recipients: [`u@d${index}.example`], meta: {} };
    const due = first.clock.now() + 60 * MINUTE;
    first.spool.content.set(id, {
      envelope: JSON.stringify(envelope),
      body: Buffer.from('x'),
      progress: { attempts: 1, due },
    });
  }
  const rooms = mailRooms({}, first.spool.content, first.clock);
  await rooms.queues.restore();
  const turns = rooms.clock.pending;
  const done = rooms.queues.rebind(request({ selector: { tenant: 'nobody' } }));
  for (let turn = 0; turn < 3000; turn++) await Promise.resolve();
  // It has given way to others before it was through with all queues.
  expect(rooms.clock.pending).toBe(turns + 1);
  await rooms.clock.advance(SECOND);
  expect(await done).toEqual({ messages: 0, moved: 0 });
  const stopped = rooms.queues.rebind(request({ data: { note: 'x' } }));
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  const end = rooms.queues.stop();
  await rooms.clock.advance(SECOND);
  await end;
  expect((await stopped).messages).toBeLessThan(count);
  expect(rooms.spool.content.size).toBe(count);
});
