import { describe, expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { AdminKind, AdminRule, Message, QueueSelector } from '../../../src/model/index.ts';
import {
  EgressPool,
  EgressSource,
  egressPoolOptions,
  egressSourceOptions,
} from '../../../src/model/options/index.ts';
import { type Handler, mailRooms, pathConfig, queueConfig, returns } from '../../kit/mail-rooms.ts';

const SECOND = 1000;
const MINUTE = 60_000;
type Rooms = ReturnType<typeof mailRooms>;

const QUEUE: Record<string, Handler> = { get_queue_config: () => queueConfig({ retry_interval: '20m' }) };

let ids = 0;
/** As shards do it: the rule holds, and whatever waits is told. */
function put(rooms: Rooms, kind: AdminKind, selector: QueueSelector, more: Partial<AdminRule> = {}) {
  const expires = rooms.clock.now() + 5 * MINUTE;
  const rule = { id: `id-${ids++}`, reason: 'why', expires, selector, suppressLogging: false, ...more };
  const live = rooms.admin.apply({ action: 'put', kind, rule, sweep: kind === 'bounce' })!;
  if (kind === 'bounce') rooms.queues.sweep(live);
  if (kind === 'suspend-ready-q') {
    for (const queue of rooms.ready.live()) if (live.names?.has(queue.name)) queue.suspended();
  }
  return live;
}

const recipientOf = ({ subject }: { subject: unknown }): string => String((subject as Message).recipients[0]);
const of = (rooms: Rooms, type: string) => rooms.events.filter((event) => event.type === type);

/** Rooms whose peers refused a message for each recipient, which wait for their next attempt now. */
async function waiting(recipients: string[], handlers = QUEUE): Promise<Rooms> {
  const rooms = mailRooms(handlers);
  rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
  await rooms.receive(recipients);
  await rooms.clock.advance(SECOND);
  expect(of(rooms, 'TransientFailure')).toHaveLength(recipients.length);
  rooms.peers.answer = () => undefined;
  rooms.events.length = 0;
  return rooms;
}

describe('suspend', () => {
  test('each attempt fails for now, counts, and is delivered when the suspension is over', async () => {
    const rooms = mailRooms(QUEUE);
    put(rooms, 'suspend', { domain: 'dest.example' });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(rooms.events.at(-1)).toMatchObject({
      type: 'TransientFailure',
      queue: 'dest.example',
      site: 'dest.example',
      attempts: 0,
      response: {
        code: 451,
        enhanced: { class: 4, subject: 4, detail: 4 },
        content: 'KumoMTA internal: scheduled queue is suspended: why',
      },
    });
    expect(rooms.peers.commands).toEqual([]);
    await rooms.clock.advance(21 * MINUTE);
    expect(of(rooms, 'Delivery')).toMatchObject([{ attempts: 1 }]);
    expect(rooms.queues.size).toBe(0);
  });

  test('requeue_message sees the response', async () => {
    const seen: unknown[] = [];
    const rooms = mailRooms({
      ...QUEUE,
      requeue_message: (_message: Message, response: string, reasons: string[], counts: boolean) => {
        seen.push(response, reasons, counts);
        return { kind: 'absent' };
      },
    } as never);
    put(rooms, 'suspend', {});
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    const text = '451 4.4.4 KumoMTA internal: scheduled queue is suspended: why';
    expect(seen).toEqual([text, ['LoggedTransientFailure'], true]);
  });

  test('messages in the ready queue stop when a session comes for them; what is being sent goes on', async () => {
    const rooms = mailRooms({
      ...QUEUE,
      get_egress_path_config: () => pathConfig({ connection_limit: 1, data_dot_timeout: '10s' }),
    });
    rooms.peers.answer = (command) => (command === '.' ? 'silence' : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    await rooms.receive(['b@dest.example']);
    expect(rooms.peers.bodies).toHaveLength(1);
    put(rooms, 'suspend', { domain: 'dest.example' }, { expires: rooms.clock.now() + 60 * MINUTE });
    await rooms.clock.advance(10 * MINUTE);
    // The peer did not answer, which is a failure like any other; b was not sent.
    const texts = of(rooms, 'TransientFailure').map(({ response }) => response.content);
    expect(texts).toHaveLength(2);
    expect(texts[1]).toBe('KumoMTA internal: scheduled queue is suspended: why');
    expect(rooms.peers.bodies).toHaveLength(1);
  });
});

describe('bounce', () => {
  test('finds what waits for its time, with its record, and nothing of other queues', async () => {
    const rooms = await waiting(['a@dest.example', 'b@dest.example']);
    const rule = put(rooms, 'bounce', { domain: 'dest.example' });
    const other = put(rooms, 'bounce', { domain: 'other.example' });
    await rooms.clock.advance(SECOND);
    expect(of(rooms, 'AdminBounce')).toMatchObject([
      {
        queue: 'dest.example',
        site: 'localhost',
        attempts: 1,
        response: {
          code: 551,
          enhanced: { class: 5, subject: 7, detail: 1 },
          content: 'Administrator bounced with reason: why',
        },
      },
      { queue: 'dest.example' },
    ]);
    expect(rooms.queues.size).toBe(0);
    expect(rooms.spool.content.size).toBe(0);
    expect([...rule.byQueue]).toEqual([['dest.example', 2]]);
    expect(other.total).toBe(0);
  });

  test('finds what is held in line because the ready queue is full, and what is in the ready queue', async () => {
    const path = () => pathConfig({ connection_limit: 1, max_ready: 5, banner_timeout: '10s' });
    const rooms = mailRooms({ ...QUEUE, get_egress_path_config: path });
    rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
    for (let sent = 0; sent < 20; sent++) await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(1);
    rooms.events.length = 0;
    expect([...rooms.ready.live()][0]!.length).toBe(5);
    const rule = put(rooms, 'bounce', {});
    await rooms.clock.advance(SECOND);
    // One is in the hands of the session that connects.
    expect(of(rooms, 'AdminBounce')).toHaveLength(19);
    await rooms.clock.advance(MINUTE);
    expect(of(rooms, 'AdminBounce')).toHaveLength(20);
    expect(rule.total).toBe(20);
    expect(rooms.queues.size).toBe(0);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('new arrivals bounce too, also those that are to wait; afterwards they do not', async () => {
    const rooms = mailRooms(QUEUE);
    put(rooms, 'bounce', { queue_names: ['dest.example'] });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(rooms.records()).toEqual(['Reception 250', 'AdminBounce 551']);
    expect(rooms.spool.content.size).toBe(0);
    await rooms.clock.advance(5 * MINUTE);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(rooms.records().at(-1)).toBe('Delivery 250');
  });

  test('what policy scheduled for later bounces as it comes, moves there, or is there at the start', async () => {
    const handlers = {
      ...QUEUE,
      smtp_server_message_received: (message: Message) => {
        message.due = rooms.clock.now() + 60 * MINUTE;
        return returns();
      },
    };
    const rooms: Rooms = mailRooms(handlers as never);
    /** As policy does it: nothing is swept. */
    const register = ({ admin, clock }: Rooms): void => {
      const selector = { queue_names: ['dest.example'] };
      const expires = clock.now() + 60 * MINUTE;
      const rule = { id: `id-${ids++}`, reason: 'why', expires, selector, suppressLogging: false };
      admin.apply({ action: 'put', kind: 'bounce', rule, sweep: false });
    };
    await rooms.receive(['kept@dest.example']);
    register(rooms);
    await rooms.receive(['a@dest.example']);
    await rooms.receive(['b@other.example']);
    await rooms.clock.advance(SECOND);
    expect(of(rooms, 'AdminBounce').map(recipientOf)).toEqual(['a@dest.example']);
    await rooms.queues.rebind({
      ...{ selector: { queue_names: ['other.example'] }, reason: 'test', data: { queue: 'dest.example' } },
      ...{ triggerEvent: false, alwaysFlush: false, suppressLogging: true },
    });
    await rooms.clock.advance(SECOND);
    expect(of(rooms, 'AdminBounce').map(recipientOf)).toEqual(['a@dest.example', 'b@other.example']);
    await rooms.queues.stop();
    const again = mailRooms(QUEUE, rooms.spool.content, rooms.clock);
    register(again);
    await again.queues.restore();
    await again.clock.advance(SECOND);
    expect(of(again, 'AdminBounce').map(recipientOf)).toEqual(['kept@dest.example']);
    expect(again.spool.content.size).toBe(0);
  });

  test('what comes back from delivery meanwhile bounces at once', async () => {
    const rooms = mailRooms({
      ...QUEUE,
      get_egress_path_config: () => pathConfig({ data_dot_timeout: '10s' }),
    });
    rooms.peers.answer = (command) => (command === '.' ? 'silence' : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    put(rooms, 'bounce', {}, { expires: rooms.clock.now() + 60 * MINUTE });
    await rooms.clock.advance(10 * MINUTE);
    expect(rooms.records()).toEqual([
      'Reception 250',
      expect.stringMatching(/^TransientFailure/),
      'AdminBounce 551',
    ]);
    expect(rooms.queues.size).toBe(0);
  });

  test('suppress_logging leaves no record, and counts', async () => {
    const rooms = await waiting(['a@dest.example']);
    const rule = put(rooms, 'bounce', {}, { suppressLogging: true });
    await rooms.clock.advance(SECOND);
    expect(rooms.events).toEqual([]);
    expect(rule.total).toBe(1);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('a sweep ends with its rule, and does few things in a turn', async () => {
    const rooms = mailRooms(QUEUE);
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    for (let sent = 0; sent < 1000; sent++) await rooms.receive([`a@d${sent % 10}.dest.example`]);
    await rooms.clock.advance(10 * SECOND);
    rooms.events.length = 0;
    const rule = put(rooms, 'bounce', {});
    // One turn of the event loop does not do it all.
    await Promise.resolve();
    expect(rule.total).toBeLessThan(500);
    await rooms.clock.advance(SECOND);
    expect(rule.total).toBe(1000);
    expect(of(rooms, 'AdminBounce')).toHaveLength(1000);
    expect(rooms.queues.size).toBe(0);
  });

  test('a message whose record cannot be written stays, and bounces at its next attempt', async () => {
    const rooms = await waiting(['a@dest.example']);
    const write = rooms.log.write;
    rooms.log.write = () => {
      throw new Error('no space');
    };
    const rule = put(rooms, 'bounce', {}, { expires: rooms.clock.now() + 600 * MINUTE });
    await rooms.clock.advance(SECOND);
    expect(rooms.queues.size).toBe(1);
    expect(rule.total).toBe(0);
    rooms.log.write = write;
    await rooms.clock.advance(120 * MINUTE);
    expect(rooms.queues.size).toBe(0);
    expect(of(rooms, 'AdminBounce')).toHaveLength(1);
  });
});

describe('suspend a ready queue', () => {
  const source = (name: string) => returns(new EgressSource(parseOptions(egressSourceOptions, { name })));
  const pool = (names: string[]) =>
    returns(
      new EgressPool(
        parseOptions(egressPoolOptions, {
          name: 'both',
          entries: names.map((name) => ({ name, weight: 1 })),
        }),
      ),
    );
  const withSources = (names: string[], path: object = {}): Record<string, Handler> => ({
    get_queue_config: () => queueConfig({ egress_pool: 'both', retry_interval: '20m' }),
    get_egress_pool: () => pool(names),
    get_egress_source: (name: string) => source(name),
    get_egress_path_config: () => pathConfig(path),
  });
  const siteOf = (rooms: Rooms, name: string): string => {
    const found = [...rooms.ready.live()].find((queue) => queue.name.startsWith(`${name}->`));
    return found!.name;
  };

  test('all mail goes by the other source; the sessions of this one close', async () => {
    const rooms = mailRooms(withSources(['one', 'two']));
    for (let sent = 0; sent < 10; sent++) await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    const count = (name: string) => of(rooms, 'Delivery').filter((event) => event.source === name).length;
    expect([count('one'), count('two')]).toEqual([5, 5]);
    put(rooms, 'suspend-ready-q', { queue_names: [siteOf(rooms, 'one')] });
    await rooms.clock.advance(SECOND);
    expect([...rooms.ready.live()].find(({ name }) => name.startsWith('one'))!.connections).toBe(0);
    for (let sent = 0; sent < 10; sent++) await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect([count('one'), count('two')]).toEqual([5, 15]);
    // Over after its time.
    await rooms.clock.advance(5 * MINUTE);
    for (let sent = 0; sent < 10; sent++) await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(count('one')).toBe(10);
  });

  test('what waits in it goes by the other, uncounted and without records', async () => {
    const rooms = mailRooms(withSources(['one', 'two'], { connection_limit: 1 }));
    rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
    for (let sent = 0; sent < 400; sent++) await rooms.receive(['a@dest.example']);
    const lengths = () => [...rooms.ready.live()].map(({ name, length }) => [name.slice(0, 3), length]);
    const before = rooms.events.length;
    const first = Object.fromEntries(lengths()) as Record<string, number>;
    expect(first.one).toBeGreaterThan(100);
    put(rooms, 'suspend-ready-q', { queue_names: [siteOf(rooms, 'one')] });
    await rooms.clock.advance(1);
    const after = Object.fromEntries(lengths()) as Record<string, number>;
    expect(after.one).toBe(0);
    expect(after.two).toBe(first.one! + first.two!);
    expect(rooms.events).toHaveLength(before);
  });

  test('with no other source the attempt fails for now, and counts', async () => {
    const rooms = mailRooms(withSources(['one']));
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    put(rooms, 'suspend-ready-q', { queue_names: [siteOf(rooms, 'one')] });
    await rooms.receive(['b@dest.example']);
    await rooms.clock.advance(SECOND);
    const text = 'no sources for dest.example pool=`both` are eligible for selection at this time';
    expect(of(rooms, 'TransientFailure')).toMatchObject([
      { response: { code: 451, content: `KumoMTA internal: ${text}` }, attempts: 0 },
    ]);
    await rooms.clock.advance(21 * MINUTE);
    expect(of(rooms, 'Delivery')).toHaveLength(2);
  });
});
