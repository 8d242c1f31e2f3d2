import { describe, expect, test } from 'vitest';
import type { Message, PolicyResult } from '../../../src/model/index.ts';
import { type Handler, mailRooms, queueConfig } from '../../kit/mail-rooms.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const EVENT = 'throttle_insert_ready_queue';

type Rooms = ReturnType<typeof mailRooms>;
const asked = (rooms: Rooms): number => rooms.policy.fired.filter((event) => event === EVENT).length;
const handler = (body: (message: Message) => PolicyResult | Promise<PolicyResult> | undefined): Handler =>
  ((message: Message) => body(message) ?? { kind: 'absent' }) as unknown as Handler;
const failure: PolicyResult = { kind: 'error', message: 'init.lua:9: oops' };

describe('throttle_insert_ready_queue', () => {
  test('is asked with the message before it enters its ready queue; nothing done lets it pass', async () => {
    const seen: unknown[] = [];
    const rooms = mailRooms({
      [EVENT]: handler((message) => {
        seen.push(message.id);
        return undefined;
      }),
    });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(rooms.records()).toEqual(['Reception 250', 'Delivery 250']);
    expect(seen).toEqual(['0'.repeat(32)]);
  });

  test('a due time in the future puts the message back, uncounted, until then', async () => {
    const told: unknown[][] = [];
    let delays = 1;
    const rooms = mailRooms({
      [EVENT]: handler((message) => {
        if (delays-- > 0) message.setDue(rooms.clock.now() + 10 * MINUTE, rooms.clock.now());
        return undefined;
      }),
      requeue_message: ((...args: unknown[]) => {
        told.push(args.slice(1));
        return { kind: 'absent' };
      }) as unknown as Handler,
    });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(rooms.records()).toEqual(['Reception 250', 'Delayed 400']);
    expect(rooms.events[1]!.response.content).toContain('Received, ThrottledByThrottleInsertReadyQueue');
    expect(told).toEqual([
      [
        '451 4.4.4 KumoMTA internal: dest.example throttled by throttle_insert_ready_queue',
        ['Received', 'ThrottledByThrottleInsertReadyQueue'],
        false,
        expect.objectContaining({ milliseconds: 10 * MINUTE }),
      ],
    ]);
    expect([...rooms.spool.content.values()][0]!.progress.attempts).toBe(0);
    await rooms.clock.advance(9 * MINUTE);
    expect(rooms.records()).toHaveLength(2);
    await rooms.clock.advance(2 * MINUTE);
    expect(rooms.records().at(-1)).toBe('Delivery 250');
    expect(rooms.events.at(-1)!.attempts).toBe(0);
    expect(asked(rooms)).toBe(2);
  });

  test.each([
    ['29s', 'Expiration 551'],
    ['30s', 'Expiration 551'],
    ['31s', 'Delayed 400'],
  ])('a wait of 30 s and max_age = %s: %s', async (max_age, record) => {
    const rooms = mailRooms({
      get_queue_config: () => queueConfig({ max_age }),
      [EVENT]: handler((message) => {
        message.due = rooms.clock.now() + 30_000;
        return undefined;
      }),
    });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.records()).toEqual(['Reception 250', record]);
    // An age that no attempt was counted for has the site `localhost` (delivery.md section 5).
    if (record.startsWith('E')) expect(rooms.events.at(-1)!.site).toBe('localhost');
  });

  test('is asked again for each attempt', async () => {
    const rooms = mailRooms({
      [EVENT]: handler(() => undefined),
      get_queue_config: () => queueConfig({ retry_interval: '1m' }),
    });
    let refusals = 2;
    rooms.peers.answer = (command) =>
      command.startsWith('RCPT') && refusals-- > 0 ? '451 later' : undefined;
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(10 * MINUTE);
    expect(rooms.records().at(-1)).toBe('Delivery 250');
    expect(asked(rooms)).toBe(3);
  });

  test('what it sets is kept, also when the message had to be loaded', async () => {
    let calls = 0;
    const rooms = mailRooms({
      [EVENT]: handler((message) => {
        message.meta.looks = ++calls;
        message.dirty = true;
        if (calls < 3) message.setDue(rooms.clock.now() + MINUTE, rooms.clock.now());
        return undefined;
      }),
    });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(70 * SECOND);
    expect(JSON.parse([...rooms.spool.content.values()][0]!.envelope).meta.looks).toBe(2);
    await rooms.clock.advance(MINUTE);
    expect(rooms.events.at(-1)).toMatchObject({ type: 'Delivery', subject: { meta: { looks: 3 } } });
  });

  test('a full ready queue does not have it asked twice', async () => {
    const rooms = mailRooms({ [EVENT]: handler(() => undefined) });
    const recipients = Array.from({ length: 1500 }, (_, index) => `u${index}@dest.example`);
    await rooms.receive(recipients);
    await rooms.clock.advance(10 * SECOND);
    expect(rooms.events.filter(({ type }) => type === 'Delivery')).toHaveLength(1500);
    expect(asked(rooms)).toBe(1500);
  });

  test('thousands of messages whose handler waits are all asked about and delivered', async () => {
    const rooms = mailRooms({
      [EVENT]: handler(async (message) => {
        await Promise.resolve();
        if (message.due === 0) message.setDue(rooms.clock.now() + MINUTE, rooms.clock.now());
        return { kind: 'absent' };
      }),
    });
    await rooms.receive(Array.from({ length: 2000 }, (_, index) => `u${index}@dest.example`));
    await rooms.clock.advance(2 * MINUTE);
    expect(rooms.events.filter(({ type }) => type === 'Delivery')).toHaveLength(2000);
    expect(rooms.events.filter(({ type }) => type === 'Delayed')).toHaveLength(2000);
  });
});

describe('throttle_insert_ready_queue fails', () => {
  test.each([
    ['an error', failure, 'init.lua:9: oops'],
    [
      'a rejection, which has no meaning here',
      { kind: 'reject', code: 550, text: 'no', disconnect: 'If421' } as PolicyResult,
      'throttle_insert_ready_queue rejected: 550 no',
    ],
  ])('during reception: %s unwinds the insert', async (_what, result, why) => {
    const rooms = mailRooms({ [EVENT]: handler(() => result) });
    const { reply } = await rooms.receive(['a@dest.example']);
    expect(`${reply.code} ${reply.content}`).toBe('421 mta.example technical difficulties');
    expect(rooms.records()).toEqual(['Reception 250', 'Bounce 500']);
    expect(rooms.events[1]!.response.content).toBe(
      `KumoMTA internal: QueueManager::insert failed during reception: ${why}`,
    );
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.queues.size).toBe(0);
  });

  test('for one message of a transaction: the others are taken', async () => {
    const rooms = mailRooms({
      [EVENT]: handler((message) =>
        String(message.recipients[0]) === 'bad@dest.example' ? failure : undefined,
      ),
    });
    const { reply } = await rooms.receive(['a@dest.example', 'bad@dest.example']);
    expect(`${reply.code} ${reply.content}`).toBe(`250 PARTIAL ids=${'0'.repeat(32)}`);
    await rooms.clock.advance(SECOND);
    expect(rooms.records()).toEqual(['Reception 250', 'Reception 250', 'Bounce 500', 'Delivery 250']);
  });

  test('for a message that is due: it backs off and is never stuck', async () => {
    let result: PolicyResult = { kind: 'absent' };
    const rooms = mailRooms({
      [EVENT]: handler(() => result),
      get_queue_config: () => queueConfig({ retry_interval: '1m' }),
    });
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    result = failure;
    rooms.peers.answer = () => undefined;
    await rooms.clock.advance(2 * MINUTE);
    expect(rooms.records()).toEqual(['Reception 250', 'TransientFailure 451', 'TransientFailure 451']);
    expect(rooms.events[2]!.response.content).toBe('init.lua:9: oops');
    result = { kind: 'absent' };
    await rooms.clock.advance(10 * MINUTE);
    expect(rooms.events.at(-1)).toMatchObject({ type: 'Delivery', attempts: 2 });
  });

  test('a handler that outlasts data_processing_timeout', async () => {
    const rooms = mailRooms({
      [EVENT]: handler(
        () => new Promise((resolve) => rooms.clock.after(400 * SECOND, () => resolve({ kind: 'absent' }))),
      ),
    });
    const answer = rooms.receive(['a@dest.example']);
    await rooms.clock.advance(500 * SECOND);
    const { reply } = await answer;
    expect(`${reply.code} ${reply.content}`).toBe('451 data_processing_timeout exceeded (insert)');
    expect(rooms.records()).toEqual(['Reception 250', 'Bounce 500']);
    expect(rooms.spool.content.size).toBe(0);
  });
});
