import { describe, expect, test } from 'vitest';
import { type Message, Schedule } from '../../../src/model/index.ts';
import { mailRooms, queueConfig, returns } from '../../kit/mail-rooms.ts';

const HOUR = 3_600_000;
const iso = (time: number): string => new Date(time).toISOString();

/** Rooms whose messages get this schedule at reception. */
function scheduled(written: (now: number) => Record<string, string>, more = {}) {
  const rooms = mailRooms({
    smtp_server_message_received: (message: Message) => {
      message.schedule = new Schedule(written(rooms.clock.now()));
      message.setDue(0, rooms.clock.now());
      return returns();
    },
    ...more,
  });
  return rooms;
}

describe('a schedule', () => {
  test('holds the first attempt back', async () => {
    const rooms = scheduled((now) => ({ first_attempt: iso(now + HOUR) }));
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(HOUR - 1000);
    expect(rooms.records()).toEqual(['Reception 250', 'Delayed 400']);
    await rooms.clock.advance(2000);
    expect(rooms.records()).toEqual(['Reception 250', 'Delayed 400', 'Delivery 250']);
  });

  test('moves every retry into its window', async () => {
    // Allowed only in the hour that begins now, by the clock of UTC.
    const rooms = scheduled(
      (now) => ({
        dow: 'Sun,Mon,Tue,Wed,Thu,Fri,Sat',
        tz: 'UTC',
        start: iso(now).slice(11, 19),
        end: iso(now + HOUR).slice(11, 19),
      }),
      { get_queue_config: () => queueConfig({ retry_interval: '2h', max_age: '3d' }) },
    );
    const start = rooms.clock.now();
    let answer: string | undefined = '451 later';
    rooms.peers.answer = (command) => (command.startsWith('MAIL') ? answer : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.records()).toContain('TransientFailure 451');
    answer = undefined;
    await rooms.clock.advance(23 * HOUR);
    expect(rooms.records()).not.toContain('Delivery 250');
    await rooms.clock.advance(start + 24 * HOUR - rooms.clock.now() + 60_000);
    expect(rooms.records()).toContain('Delivery 250');
  });

  test('expires decides in place of max_age', async () => {
    const rooms = scheduled((now) => ({ expires: iso(now + 3 * HOUR) }), {
      get_queue_config: () => queueConfig({ retry_interval: '1h', max_age: '30m' }),
    });
    rooms.peers.answer = (command) => (command.startsWith('MAIL') ? '451 later' : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.records()).toEqual(['Reception 250', 'TransientFailure 451']);
    await rooms.clock.advance(2 * HOUR);
    expect(rooms.records().at(-1)).toBe('Expiration 551');
    expect(rooms.events.at(-1)!.response.content).toContain('set by set_scheduling');
    expect(rooms.spool.content.size).toBe(0);
  });

  test('survives a restart', async () => {
    const rooms = scheduled((now) => ({ first_attempt: iso(now + HOUR), expires: iso(now + 9 * HOUR) }));
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(1000);
    const again = mailRooms({}, rooms.spool.content, rooms.clock);
    await rooms.queues.stop();
    await again.queues.restore();
    await again.clock.advance(HOUR - 10_000);
    expect(again.records()).toEqual([]);
    await again.clock.advance(20_000);
    expect(again.records()).toEqual(['Delivery 250']);
  });

  test('holds also where requeue_message moves the message to another queue', async () => {
    const rooms = mailRooms({
      get_queue_config: () => queueConfig({ retry_interval: '1m' }),
      requeue_message: (message: Message) => {
        message.meta.tenant = 'other';
        message.schedule = new Schedule({ first_attempt: iso(rooms.clock.now() + HOUR) });
        message.dirty = true;
        return returns();
      },
    });
    let answer: string | undefined = '451 later';
    rooms.peers.answer = (command) => (command.startsWith('MAIL') ? answer : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.records()).toEqual(['Reception 250', 'TransientFailure 451']);
    answer = undefined;
    await rooms.clock.advance(HOUR - 10_000);
    expect(rooms.records()).toHaveLength(2);
    await rooms.clock.advance(20_000);
    expect(rooms.records().at(-1)).toBe('Delivery 250');
  });
});
