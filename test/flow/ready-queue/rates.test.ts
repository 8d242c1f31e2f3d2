import { describe, expect, test } from 'vitest';
import { attachLimits, createSharedLimits } from '../../../src/io/limits/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { mailRooms, pathConfig, queueConfig } from '../../kit/mail-rooms.ts';

const MINUTE = 60_000;

/** Messages sent in a minute that follows the first burst, over so many shards. */
async function sentInAMinute(shards: number, perMinute: number, options: { path?: object; queue?: object }) {
  const clock = new FakeClock();
  const shared = createSharedLimits(shards);
  const made = Array.from({ length: shards }, (_, shard) => {
    const attached = attachLimits(shared, shard, clock);
    const { leases, throttles, counters } = attached;
    const handlers = {
      get_egress_path_config: () => pathConfig({ idle_timeout: '70s', ...options.path }),
      get_queue_config: () => queueConfig(options.queue ?? {}),
    };
    const limits = { leases, throttles, counters, shards };
    return { attached, rooms: mailRooms(handlers, undefined, clock, limits) };
  });
  const each = Math.ceil((2.2 * perMinute) / shards) + 4;
  for (const { rooms } of made) {
    await rooms.receive(Array.from({ length: each }, (_, index) => `u${index}@dest.example`));
  }
  const sent = (): number =>
    made.reduce((sum, { rooms }) => sum + rooms.events.filter(({ type }) => type === 'Delivery').length, 0);
  await clock.advance(2000);
  const before = sent();
  await clock.advance(MINUTE);
  const count = sent() - before;
  for (const { attached } of made) attached.close();
  return count;
}

describe('rates hold within 2 % over a minute', () => {
  describe.each([1, 2])('with %i shards', (shards) => {
    test.each([
      ['1/s', 60],
      ['10/s', 600],
    ])('max_message_rate of a path: %s', async (rate, perMinute) => {
      const path = { max_message_rate: `${rate},max_burst=1` };
      const count = await sentInAMinute(shards, perMinute, { path });
      expect(count).toBeGreaterThanOrEqual(perMinute * 0.98 - 1);
      expect(count).toBeLessThanOrEqual(perMinute * 1.02 + 1);
    });

    test('additional_message_rate_throttles', async () => {
      const path = { additional_message_rate_throttles: { all: '10/s,max_burst=1' } };
      const count = await sentInAMinute(shards, 600, { path });
      expect(count).toBeGreaterThanOrEqual(587);
      expect(count).toBeLessThanOrEqual(613);
    });

    test('max_message_rate of a queue', async () => {
      const queue = { max_message_rate: '10/s,max_burst=1' };
      const count = await sentInAMinute(shards, 600, { queue });
      expect(count).toBeGreaterThanOrEqual(587);
      expect(count).toBeLessThanOrEqual(613);
    });
  });
});
