import { describe, expect, test } from 'vitest';
import { type Message, SpoolDamageError } from '../../../src/model/index.ts';
import { mailRooms, pathConfig, queueConfig, returns } from '../../kit/mail-rooms.ts';

const seconds = (count: number): number => count * 1000;
const many = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@dest.example`);
const delivered = (rooms: ReturnType<typeof mailRooms>): number =>
  rooms.events.filter(({ type }) => type === 'Delivery').length;

describe('max_message_rate of a scheduled queue', () => {
  test('lets through what it says, logs Delayed once for each message that waits, and delivers all', async () => {
    const rooms = mailRooms({
      get_queue_config: () => queueConfig({ max_message_rate: '10/s,max_burst=1' }),
    });
    await rooms.receive(['first@dest.example']);
    await rooms.clock.advance(seconds(1));
    await rooms.receive(many(30));
    await rooms.clock.advance(seconds(1));
    expect(delivered(rooms)).toBeGreaterThanOrEqual(10);
    expect(delivered(rooms)).toBeLessThanOrEqual(13);
    await rooms.clock.advance(seconds(3));
    expect(delivered(rooms)).toBe(31);
    const delays = rooms.events.filter(({ type }) => type === 'Delayed');
    expect(new Set(delays.map(({ subject }) => (subject as { id: string }).id)).size).toBe(delays.length);
    expect(delays.length).toBeGreaterThan(20);
    expect(delays[0]!.response.content).toMatch(/^Context: MessageRateThrottle\. Next due in /);
    expect(rooms.spool.content.size).toBe(0);
  });
});

describe('a full ready queue', () => {
  test('is refilled as slots come free; nothing is sent back to wait', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () => pathConfig({ max_ready: 2, connection_limit: 1 }),
    });
    await rooms.receive(['first@dest.example']);
    await rooms.clock.advance(seconds(10));
    await rooms.receive(many(20));
    await rooms.clock.advance(seconds(1));
    expect(delivered(rooms)).toBe(21);
    const delays = rooms.events.filter(({ type }) => type === 'Delayed');
    expect(delays.length).toBeGreaterThan(0);
    expect(delays[0]!.response.content).toContain('Context: ReadyQueueWasFull.');
    expect(rooms.spool.content.size).toBe(0);
  });

  test('serves the queues that wait for it in turn', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () => pathConfig({ max_ready: 1, connection_limit: 1 }),
      smtp_server_message_received: (message: {
        meta: Record<string, string>;
        recipients: { localPart: string }[];
      }) => {
        message.meta.tenant = message.recipients[0]!.localPart.startsWith('u1') ? 'one' : 'other';
        return returns();
      },
    });
    await rooms.receive(many(20));
    await rooms.clock.advance(seconds(1));
    expect(delivered(rooms)).toBe(20);
    const order = rooms.events.filter(({ type }) => type === 'Delivery').map(({ queue }) => queue);
    expect(order.indexOf('one@dest.example')).toBeLessThan(order.lastIndexOf('other@dest.example'));
    expect(order.indexOf('other@dest.example')).toBeLessThan(order.lastIndexOf('one@dest.example'));
  });
});

describe('limits of a path', () => {
  test('connection_limit is never exceeded', async () => {
    const rooms = mailRooms({ get_egress_path_config: () => pathConfig({ connection_limit: 3 }) });
    await rooms.receive(many(100));
    await rooms.clock.advance(seconds(1));
    expect(delivered(rooms)).toBe(100);
    expect(rooms.peers.peak).toBe(3);
  });

  test('max_deliveries_per_connection opens a new connection; an idle one is closed after idle_timeout', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () => pathConfig({ connection_limit: 1, max_deliveries_per_connection: 5 }),
    });
    await rooms.receive(many(12));
    await rooms.clock.advance(seconds(1));
    expect(rooms.peers.commands.filter((command) => command.startsWith('EHLO'))).toHaveLength(3);
    expect(rooms.peers.open).toBe(1);
    await rooms.clock.advance(seconds(6));
    expect(rooms.peers.commands.at(-1)).toBe('QUIT');
    expect(rooms.peers.open).toBe(0);
  });

  test('a message for an idle connection goes over it', async () => {
    const rooms = mailRooms({ get_egress_path_config: () => pathConfig({ connection_limit: 1 }) });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(seconds(2));
    await rooms.receive(['b@dest.example']);
    await rooms.clock.advance(seconds(1));
    expect(delivered(rooms)).toBe(2);
    expect(rooms.peers.commands.filter((command) => command.startsWith('EHLO'))).toHaveLength(1);
  });

  test('max_connection_rate spaces connections', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ connection_limit: 10, max_connection_rate: '1/s,max_burst=1', idle_timeout: '60s' }),
    });
    await rooms.receive(many(40));
    await rooms.clock.advance(500);
    expect(rooms.peers.commands.filter((command) => command.startsWith('EHLO'))).toHaveLength(1);
  });

  test('a short max_message_rate wait holds the connection; a long one sends the queue back uncounted', async () => {
    const short = mailRooms({
      get_egress_path_config: () => pathConfig({ connection_limit: 1, max_message_rate: '2/s,max_burst=1' }),
    });
    await short.receive(many(4));
    await short.clock.advance(seconds(3));
    expect(delivered(short)).toBe(4);
    expect(short.peers.commands.filter((command) => command.startsWith('EHLO'))).toHaveLength(1);

    const long = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ connection_limit: 1, max_message_rate: '1/min,max_burst=1', idle_timeout: '5s' }),
    });
    await long.receive(many(3));
    await long.clock.advance(seconds(2));
    expect(delivered(long)).toBe(1);
    const delayed = long.events.filter(({ type }) => type === 'Delayed');
    expect(delayed).toHaveLength(2);
    expect([...long.spool.content.values()].map(({ progress }) => progress.attempts)).toEqual([0, 0]);
    await long.clock.advance(seconds(180));
    expect(delivered(long)).toBe(3);
  });

  test('more failures to connect than consecutive_connection_failures_before_delay delay the whole queue', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ connection_limit: 1, consecutive_connection_failures_before_delay: 2 }),
    });
    rooms.peers.dead.add('192.0.2.1').add('192.0.2.2');
    await rooms.receive(many(10));
    await rooms.clock.advance(seconds(1));
    const texts = rooms.events
      .filter(({ type }) => type === 'TransientFailure')
      .map(({ response }) => response.content);
    expect(texts.filter((text) => text.startsWith('KumoMTA internal: failed to connect'))).toHaveLength(4);
    expect(texts.filter((text) => text.startsWith('bulk delay of ready queue'))).toHaveLength(6);
  });
});

describe('restart', () => {
  test('a message that policy scheduled for later still waits after a restart', async () => {
    const before = mailRooms({
      smtp_server_message_received: (message: { due: number }) => {
        message.due = Date.UTC(2026, 0, 2);
        return returns();
      },
    });
    await before.receive(['user@dest.example']);
    await before.clock.advance(seconds(1));
    expect(before.records()).toEqual(['Reception 250', 'Delayed 400']);
    await before.queues.stop();
    const after = mailRooms({}, before.spool.content, before.clock);
    await after.queues.restore();
    await after.clock.advance(seconds(23 * 3600));
    expect(after.records()).toEqual([]);
    await after.clock.advance(seconds(3600));
    expect(after.records()).toEqual(['Delivery 250']);
  });

  test('attempts and due times are kept; what is due goes out', async () => {
    const before = mailRooms({ get_queue_config: () => queueConfig({ retry_interval: '10 minutes' }) });
    before.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    await before.receive(['user@dest.example']);
    await before.clock.advance(seconds(1));
    await before.queues.stop();
    await before.ready.stop();

    const after = mailRooms(
      { get_queue_config: () => queueConfig({ retry_interval: '10 minutes' }) },
      before.spool.content,
      before.clock,
    );
    expect(await after.queues.restore()).toMatchObject({ messages: 1 });
    await after.clock.advance(seconds(60));
    expect(after.records()).toEqual([]);
    await after.clock.advance(seconds(600));
    expect(after.events.map(({ type, attempts }) => `${type} ${attempts}`)).toEqual(['Delivery 1']);
    expect(after.spool.content.size).toBe(0);
  });

  test('a queue that policy cannot configure holds its mail with backoff, and delivers once it can', async () => {
    const first = mailRooms();
    await first.queues.stop();
    await first.receive(['user@dest.example']);
    await first.clock.advance(1000);
    expect(first.records()).toEqual(['Reception 250']);
    let broken = true;
    const after = mailRooms(
      { get_queue_config: () => (broken ? { kind: 'error', message: 'init.lua:3: x' } : queueConfig({})) },
      first.spool.content,
      first.clock,
    );
    await after.queues.restore();
    await after.clock.advance(seconds(30));
    expect(after.records()).toEqual(['TransientFailure 451']);
    broken = false;
    await after.clock.advance(seconds(3600));
    expect(after.records().at(-1)).toBe('Delivery 250');
  });
});

describe('requeue_message', () => {
  test('is told why, and a changed queue name moves the message at once', async () => {
    const told: unknown[][] = [];
    const rooms = mailRooms({
      requeue_message: (...args: never[]) => {
        told.push(args);
        const message = args[0] as unknown as Message;
        message.meta.queue = 'elsewhere!dest.example';
        message.dirty = true;
        return returns();
      },
    });
    let refusals = 1;
    rooms.peers.answer = (command) =>
      command.startsWith('RCPT') && refusals-- > 0 ? '451 4.2.1 later' : undefined;
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(seconds(2));
    expect(told[0]!.slice(1)).toEqual(['451 4.2.1 later', ['LoggedTransientFailure'], true, undefined]);
    expect(rooms.events.at(-1)).toMatchObject({
      type: 'Delivery',
      queue: 'elsewhere!dest.example',
      attempts: 1,
    });
  });

  test('a reject bounces the message with that code', async () => {
    const rooms = mailRooms({
      requeue_message: () => ({ kind: 'reject', code: 571, text: 'enough', disconnect: 'If421' }),
    });
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(seconds(1));
    expect(rooms.records()).toEqual(['Reception 250', 'TransientFailure 451', 'Bounce 571']);
    expect(rooms.spool.content.size).toBe(0);
  });
});

test('stopping leaves what is not delivered in the spool, uncharged', async () => {
  const rooms = mailRooms({ get_egress_path_config: () => pathConfig({ connection_limit: 1 }) });
  rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
  await rooms.receive(many(5));
  await rooms.clock.advance(100);
  await rooms.queues.stop();
  await rooms.ready.stop();
  expect(rooms.spool.content.size).toBe(5);
  expect([...rooms.spool.content.values()].every(({ progress }) => progress.attempts === 0)).toBe(true);
});

test('refreshed configuration applies to a live queue', async () => {
  let retry = '10 minutes';
  const rooms = mailRooms({ get_queue_config: () => queueConfig({ retry_interval: retry }) });
  rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
  await rooms.receive(['user@dest.example']);
  await rooms.clock.advance(seconds(61));
  retry = '1 minute';
  await rooms.receive(['user@dest.example']);
  await rooms.clock.advance(seconds(1));
  await rooms.receive(['other@dest.example']);
  await rooms.clock.advance(seconds(70));
  const attempts = rooms.events.filter(
    ({ type, recipients }) => type === 'TransientFailure' && recipients?.[0] === 'other@dest.example',
  );
  expect(attempts).toHaveLength(2);
});

test('a message whose body is damaged bounces and says so; the others go on', async () => {
  const rooms = mailRooms({
    get_egress_path_config: () => pathConfig({ max_ready: 1, connection_limit: 1 }),
  });
  rooms.spool.loadBody = (entry) =>
    entry.id.endsWith('5')
      ? Promise.reject(new SpoolDamageError('checksum'))
      : Promise.resolve(Buffer.from('Subject: x\r\n\r\n'));
  await rooms.receive(many(10));
  await rooms.clock.advance(seconds(2));
  expect(delivered(rooms)).toBe(9);
  expect(rooms.events.find(({ type }) => type === 'Bounce')!.response).toMatchObject({
    code: 554,
    content: 'KumoMTA internal: the stored message is damaged: checksum',
  });
  expect(rooms.said.join()).toContain('checksum');
  expect(rooms.spool.content.size).toBe(0);
});
