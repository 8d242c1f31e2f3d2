import { describe, expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import { type DeliveryEvent, Message } from '../../../src/model/index.ts';
import {
  EgressPool,
  EgressSource,
  egressPoolOptions,
  egressSourceOptions,
} from '../../../src/model/options/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import {
  type Handler,
  mailRooms,
  pathConfig,
  queueConfig,
  returns,
  transaction,
} from '../../kit/mail-rooms.ts';

const MINUTE = 60_000;
type Rooms = ReturnType<typeof mailRooms>;

const many = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@dest.example`);
const ofType = (rooms: Rooms, type: DeliveryEvent['type']): DeliveryEvent[] =>
  rooms.events.filter((event) => event.type === type);

/** A handler that changes the metadata of its message. */
function setsMeta(name: string, value: string | number): Handler {
  return ((message: Message) => {
    message.meta[name] = value;
    message.dirty = true;
    return returns();
  }) as unknown as Handler;
}

/** Makes the first record of a type fail to be logged. */
function failLogOnce(rooms: Rooms, type: DeliveryEvent['type']): void {
  let failed = false;
  const push = rooms.events.push.bind(rooms.events);
  rooms.events.push = (...events: DeliveryEvent[]): number => {
    if (!failed && events[0]!.type === type) {
      failed = true;
      throw new Error('the log says no');
    }
    return push(...events);
  };
}

describe('a full disk', () => {
  test('a recipient who has the message never gets it again; the others back off', async () => {
    const rooms = mailRooms();
    rooms.peers.answer = (command) => (command.includes('<bad@') ? '450 4.2.0 later' : undefined);
    const received = transaction(
      rooms.clock,
      ['good@dest.example', 'bad@dest.example'],
      'Subject: x\r\n\r\nhi\r\n',
    );
    received.listener = { ...received.listener, batch_handling: 'BatchByDomain' };
    expect((await rooms.reception.receive(received)).reply.code).toBe(250);
    rooms.spool.failing = true;
    await rooms.clock.advance(290 * MINUTE);
    expect(ofType(rooms, 'Delivery')).toHaveLength(1);
    expect(ofType(rooms, 'TransientFailure').map(({ attempts }) => attempts)).toEqual([0, 1, 2, 3]);
    rooms.spool.failing = false;
    await rooms.clock.advance(300 * MINUTE);
    expect(JSON.parse([...rooms.spool.content.values()][0]!.envelope).recipients).toEqual([
      'bad@dest.example',
    ]);
  });
});

describe('the log fails', () => {
  test('after a delivery: nobody gets the message twice', async () => {
    const rooms = mailRooms();
    failLogOnce(rooms, 'Delivery');
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(60 * MINUTE);
    expect(rooms.peers.bodies).toHaveLength(1);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('while a whole site gets a verdict: every message is settled all the same', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () => pathConfig({ prohibited_hosts: ['192.0.2.0/24'] }),
    });
    failLogOnce(rooms, 'Bounce');
    await rooms.receive(many(20));
    await rooms.clock.advance(MINUTE);
    expect(rooms.queues.size).toBe(0);
    expect(ofType(rooms, 'Bounce')).toHaveLength(19);
  });
});

describe('policy', () => {
  test('metadata that names no queue, set in requeue_message: normal backoff, and expiry', async () => {
    const rooms = mailRooms({
      get_queue_config: () => queueConfig({ max_age: '10m', retry_interval: '2m' }),
      requeue_message: setsMeta('tenant', 5),
    });
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '450 later' : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(120 * MINUTE);
    expect(ofType(rooms, 'TransientFailure').map(({ attempts }) => attempts)).toEqual([0, 1, 2]);
    expect(ofType(rooms, 'Expiration')).toHaveLength(1);
    expect(rooms.said.join()).toContain("expected 'tenant' to be a string value");
  });

  test('metadata that names no queue, found at the start: that message expires, the others come back', async () => {
    const first = mailRooms();
    await first.queues.stop();
    await first.receive(['a@dest.example', 'b@dest.example']);
    const poison = setsMeta('tenant', 5) as unknown as (message: Message) => ReturnType<typeof returns>;
    const second = mailRooms(
      {
        spool_message_enumerated: ((message: Message) =>
          message.recipients[0]!.localPart === 'a' ? poison(message) : returns()) as unknown as Handler,
      },
      first.spool.content,
      first.clock,
    );
    expect(await second.queues.restore()).toMatchObject({ messages: 2 });
    await second.clock.advance(1000);
    expect(second.records()).toEqual(['Expiration 551', 'Delivery 250']);
    expect(second.spool.content.size).toBe(0);
  });

  test('a disk that does not take what spool_message_enumerated changed: the message is delivered all the same', async () => {
    const first = mailRooms();
    await first.queues.stop();
    await first.receive(['a@dest.example']);
    const second = mailRooms(
      { spool_message_enumerated: setsMeta('tenant', 'late') },
      first.spool.content,
      first.clock,
    );
    second.spool.failing = true;
    expect(await second.queues.restore()).toMatchObject({ messages: 1 });
    expect(second.queues.size).toBe(1);
    await second.clock.advance(1000);
    expect(second.events.at(-1)).toMatchObject({ type: 'Delivery', queue: 'late@dest.example' });
    expect(second.spool.content.size).toBe(0);
  });

  test('the null queue, wherever it is set, ends the message and is not asked for', async () => {
    const rooms = mailRooms({
      get_queue_config: () => queueConfig({}),
      requeue_message: setsMeta('queue', 'null'),
    });
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '450 later' : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(60 * MINUTE);
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.policy.fired.filter((event) => event === 'get_queue_config')).toHaveLength(1);
  });

  test('smtp_server_data: its sender is used, and no recipients left is a refusal', async () => {
    const rooms = mailRooms();
    const received = transaction(rooms.clock, ['a@dest.example'], 'Subject: x\r\n\r\nhi\r\n');
    received.message = new Message({
      id: '1'.repeat(32),
      sender: EnvelopeAddress.parse('changed@x.example')!,
      recipients: received.recipients,
      meta: {},
      body: received.body,
    });
    await rooms.reception.receive(received);
    await rooms.clock.advance(1000);
    expect(rooms.peers.commands).toContain('MAIL FROM:<changed@x.example>');
    received.message.recipients = [];
    expect((await rooms.reception.receive(received)).reply.code).toBe(550);
  });
});

describe('hosts and sources', () => {
  test('a primary that closes after each message is used again, though the backup is dead', async () => {
    const rooms = mailRooms({ get_egress_path_config: () => pathConfig({ connection_limit: 1 }) });
    rooms.peers.dead.add('192.0.2.2');
    rooms.peers.answer = (command) => (command.startsWith('RSET') ? 'hangup' : undefined);
    await rooms.receive(many(20));
    // Whom the silent close hit waits up to a minute, and does not count it (delivery.md 8.6).
    await rooms.clock.advance(20 * MINUTE);
    expect(ofType(rooms, 'Delivery')).toHaveLength(20);
    expect(ofType(rooms, 'TransientFailure')).toHaveLength(0);
  });

  test('refreshed configurations do not start the turns of the sources anew', async () => {
    const rooms = mailRooms({
      get_queue_config: () => queueConfig({ egress_pool: 'p', refresh_interval: '60s' }),
      get_egress_pool: () =>
        returns(
          new EgressPool(
            parseOptions(egressPoolOptions, {
              name: 'p',
              entries: [
                { name: 'big', weight: 9 },
                { name: 'small', weight: 1 },
              ],
            }),
          ),
        ),
      get_egress_source: ((name: string) =>
        returns(new EgressSource(parseOptions(egressSourceOptions, { name })))) as unknown as Handler,
    });
    for (let turn = 0; turn < 120; turn++) {
      await rooms.receive(['a@dest.example']);
      await rooms.clock.advance(20_000);
    }
    const used = ofType(rooms, 'Delivery').map(({ source }) => source);
    expect(used.filter((source) => source === 'small')).toHaveLength(12);
    expect(used.filter((source) => source === 'big')).toHaveLength(108);
  });

  test('closed connections and sleeps leave nothing behind on their ready queue', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ connection_limit: 1, max_message_rate: '100/s,max_burst=1' }),
    });
    rooms.peers.answer = (command) => (command.startsWith('RSET') ? 'hangup' : undefined);
    await rooms.receive(many(50));
    await rooms.clock.advance(20 * MINUTE);
    expect(ofType(rooms, 'Delivery')).toHaveLength(50);
    for (const queue of rooms.ready.live()) expect(queue.stopCallbacks).toBe(0);
  });
});

describe('a log that throws', () => {
  test('of a message that is scheduled for later: it is accepted, and delivered then', async () => {
    const rooms = mailRooms({
      smtp_server_message_received: ((message: Message) => {
        message.due = rooms.clock.now() + MINUTE;
        return returns();
      }) as unknown as Handler,
    });
    failLogOnce(rooms, 'Delayed');
    expect((await rooms.receive(['a@dest.example'])).reply.code).toBe(250);
    await rooms.clock.advance(2 * MINUTE);
    expect(ofType(rooms, 'Delivery')).toHaveLength(1);
    expect(rooms.said).toEqual(['the log says no']);
  });

  test('of a message that finds every ready queue full: it waits in line once, and is delivered once', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () => pathConfig({ max_ready: 1, connection_limit: 1 }),
    });
    failLogOnce(rooms, 'Delayed');
    for (const recipient of many(5)) {
      expect((await rooms.receive([recipient])).reply.code).toBe(250);
    }
    await rooms.clock.advance(MINUTE);
    expect(ofType(rooms, 'Delivery')).toHaveLength(5);
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.said).toEqual(['the log says no']);
  });
});

test('messages held longer than max_age expire instead of going out late', async () => {
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({ max_age: '1h', max_message_rate: '1/h' }),
  });
  await rooms.receive(many(10));
  await rooms.clock.advance(12 * 60 * MINUTE);
  expect(ofType(rooms, 'Expiration').length + ofType(rooms, 'Delivery').length).toBe(10);
  expect(ofType(rooms, 'Expiration').length).toBeGreaterThan(7);
  expect(rooms.spool.content.size).toBe(0);
});

test('a configuration that changes while its routes are being looked up: the new one counts', async () => {
  const asked: string[] = [];
  let pool = 'old';
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({ egress_pool: pool, refresh_interval: '1s' }),
    get_egress_pool: (async (name: string) => {
      asked.push(name);
      if (asked.length === 1) await gate;
      const entries = [{ name: 'unspecified', weight: 1 }];
      return returns(new EgressPool(parseOptions(egressPoolOptions, { name, entries })));
    }) as unknown as Handler,
  });
  await rooms.receive(['a@dest.example']);
  await rooms.clock.advance(2000);
  pool = 'new';
  await rooms.receive(['b@dest.example']);
  await rooms.clock.advance(2000);
  await rooms.receive(['c@dest.example']);
  release();
  await rooms.clock.advance(2000);
  expect(ofType(rooms, 'Delivery')).toHaveLength(3);
  expect(new Set(ofType(rooms, 'Delivery').map((event) => event.pool))).toEqual(new Set(['new']));
});
