import { describe, expect, test } from 'vitest';
import { acquireSlots } from '../../../src/flow/ready-queue/connection-slots.ts';
import { limitsOf } from '../../../src/flow/ready-queue/path-limits.ts';
import { attachLimits, createSharedLimits, LocalLeases } from '../../../src/io/limits/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { Leases, LimitSpec } from '../../../src/model/index.ts';
import { egressPathOptions } from '../../../src/model/options/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { mailRooms, pathConfig, type Rooms } from '../../kit/mail-rooms.ts';

const limits = (path: object) => limitsOf('queue', 'source', parseOptions(egressPathOptions, path));
const PATH = { connection_limit: 10, additional_connection_limits: { scarce: 1, shared: 5 } };
const many = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@dest.example`);

const isDelivered = ({ events }: Rooms, recipients: string[]): boolean =>
  recipients.every((name) =>
    events.some(({ type, recipients }) => type === 'Delivery' && recipients?.includes(name)),
  );

/** Leases that remember what was asked, and answer with promises when told to. */
function recording(later: boolean): {
  leases: Leases;
  asked: string[];
  released: string[];
  full: Set<string>;
} {
  const asked: string[] = [];
  const released: string[] = [];
  const full = new Set<string>();
  const acquire = (key: string) => {
    asked.push(key);
    const lease = full.has(key) ? undefined : { wanted: false, release: () => void released.push(key) };
    return later ? Promise.resolve(lease) : lease;
  };
  return { leases: { tryAcquire: acquire, want: () => () => {} }, asked, released, full };
}

describe.each([
  ['at once', false],
  ['later', true],
])('slots of leases that answer %s', (_, later) => {
  test('are asked for smallest limit first', async () => {
    const { leases, asked } = recording(later);
    expect((await acquireSlots(leases, limits(PATH))).kind).toBe('held');
    expect(asked).toEqual(['scarce', 'shared', 'kumomta.connection_limit.queue']);
  });

  test('are given back when one of them is not to be had', async () => {
    const { leases, released, full } = recording(later);
    full.add('kumomta.connection_limit.queue');
    const slots = await acquireSlots(leases, limits(PATH));
    expect(slots).toEqual({ kind: 'full', key: 'kumomta.connection_limit.queue' });
    expect(released).toEqual(['shared', 'scarce']);
  });

  test('are released together', async () => {
    const { leases, released } = recording(later);
    const slots = await acquireSlots(leases, limits(PATH));
    if (slots.kind === 'held') slots.lease.release();
    expect(released).toHaveLength(3);
  });

  test('are given back when the backend fails', async () => {
    const { leases, released } = recording(later);
    const failing: Leases = {
      ...leases,
      tryAcquire: (key: string, limit: LimitSpec) =>
        key === 'shared' && later ? Promise.reject(new Error('away')) : leases.tryAcquire(key, limit),
    };
    if (!later) return expect((await acquireSlots(failing, limits(PATH))).kind).toBe('held');
    await expect(acquireSlots(failing, limits(PATH))).rejects.toThrow('away');
    return expect(released).toEqual(['scarce']);
  });
});

test('the lease duration is the sum of the time-outs: 1690 s by default (delivery.md section 7)', () => {
  expect(limits({}).leaseDuration).toBe(1_690_000);
});

describe('additional_connection_limits', () => {
  test('hold over the ready queues that share a name; all of them drain', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ connection_limit: 10, additional_connection_limits: { everybody: 3 } }),
    });
    await rooms.receive([...many(20), ...many(20).map((email) => email.replace('dest.', 'mx1.dest.'))]);
    await rooms.clock.advance(60_000);
    expect([...rooms.ready.live()]).toHaveLength(2);
    expect(rooms.records().filter((record) => record === 'Delivery 250')).toHaveLength(40);
    expect(rooms.peers.peak).toBe(3);
  });

  test('a busy connection without a limit of its own gives its slot to the queue that has none', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ additional_connection_limits: { one: 1 }, max_deliveries_per_connection: 0 }),
    });
    const others = ['z1@mx1.dest.example', 'z2@mx1.dest.example'];
    await rooms.receive([...many(50), ...others]);
    for (let turn = 0; turn < 40 && !isDelivered(rooms, others); turn++) {
      // There is always more for the first queue.
      await rooms.receive(many(5));
      await rooms.clock.advance(1);
    }
    expect(isDelivered(rooms, others)).toBe(true);
    expect(rooms.peers.peak).toBe(1);
  });

  test('an idle connection gives its slot to another queue at once, and looks at no clock for it', async () => {
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ additional_connection_limits: { one: 1 }, idle_timeout: '60s' }),
    });
    await rooms.receive(many(1));
    await rooms.clock.advance(10);
    const resting = rooms.clock.pending;
    await rooms.clock.advance(5000);
    expect(rooms.peers.open).toBe(1);
    expect(rooms.clock.pending).toBe(resting);
    await rooms.receive(['z@mx1.dest.example']);
    await rooms.clock.advance(1);
    expect(isDelivered(rooms, ['z@mx1.dest.example'])).toBe(true);
    expect(rooms.peers.peak).toBe(1);
  });

  test('leave nothing held when the connections are closed', async () => {
    const leases = new LocalLeases();
    const rooms = mailRooms(
      { get_egress_path_config: () => pathConfig({ additional_connection_limits: { everybody: 2 } }) },
      undefined,
      undefined,
      { leases },
    );
    await rooms.receive(many(10));
    await rooms.clock.advance(60_000);
    expect(rooms.peers.open).toBe(0);
    expect(leases.size).toBe(0);
  });

  test.each([
    ['connection_limit', { connection_limit: 1 }],
    ['an additional limit', { additional_connection_limits: { one: 1 } }],
  ])('two shards that share %s of 1 both drain', async (_, path) => {
    const clock = new FakeClock();
    const shared = createSharedLimits(2);
    const shards = [0, 1].map((shard) => {
      const attached = attachLimits(shared, shard, clock);
      const { leases, throttles, counters } = attached;
      return {
        attached,
        rooms: mailRooms({ get_egress_path_config: () => pathConfig(path) }, undefined, clock, {
          leases,
          throttles,
          counters,
          shards: 2,
        }),
      };
    });
    for (const { rooms } of shards) await rooms.receive(many(10));
    const open = (): number => shards.reduce((sum, { rooms }) => sum + rooms.peers.open, 0);
    const left = (): number => shards.reduce((sum, { rooms }) => sum + rooms.spool.content.size, 0);
    let peak = 0;
    for (let turn = 0; turn < 300 && left() > 0; turn++) {
      await clock.advance(100);
      peak = Math.max(peak, open());
    }
    expect(left()).toBe(0);
    expect(peak).toBe(1);
    for (const { attached } of shards) attached.close();
  });
});
