import { expect, test } from 'vitest';
import {
  LocalLeases,
  LocalThrottles,
  RedisLeases,
  RedisNodes,
  RedisThrottles,
} from '../../../src/io/limits/index.ts';
import type { Lease, ThrottleSpec } from '../../../src/model/index.ts';
import { leasesContract, limitOf } from '../../contract/leases.ts';
import { spec } from '../../contract/throttles.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';
import { FakeRedis } from './fake-redis.ts';

let names = 0;

/** Nodes that share one fake server. */
async function makeNodes(clock: FakeClock, redis: FakeRedis, count: number) {
  const all = Array.from({ length: count }, (_, index) => {
    const link = redis.connect();
    const nodes = new RedisNodes(clock, `node${index}`, undefined);
    const shared = { link, nodes, clock };
    const newName = (): string => `lease${names++}`;
    const leases = new RedisLeases({ ...shared, local: new LocalLeases(), random: () => 0.5, newName });
    const throttles = new RedisThrottles({
      ...shared,
      local: new LocalThrottles(clock),
      hasCell: () => true,
    });
    const away = (): void => {
      link.isUp = false;
      nodes.away();
      leases.away();
    };
    const back = async (): Promise<void> => {
      link.isUp = true;
      await nodes.show(link);
      nodes.up(link, false);
      leases.enter();
      await settle();
    };
    return { link, nodes, leases, throttles, away, back };
  });
  for (const { nodes, link } of [...all, ...all]) await nodes.show(link);
  for (const { nodes, link } of all) nodes.up(link, true);
  return all;
}

leasesContract('RedisLeases on a fake server', () => {
  const clock = new FakeClock();
  const link = new FakeRedis(clock).connect();
  const nodes = new RedisNodes(clock, 'node', 1);
  const newName = (): string => `lease${names++}`;
  return new RedisLeases({ link, nodes, clock, local: new LocalLeases(), random: () => 0.5, newName });
});

test('a lease is extended as long as it is held, and by nobody when its node is gone', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a, b] = await makeNodes(clock, redis, 2);
  const lease = await a!.leases.tryAcquire('key', limitOf(1));
  await clock.advance(600_000);
  expect(redis.holders('key').size).toBe(1);
  expect([lease!.wanted, lease!.extend!()]).toEqual([false, true]);
  expect(await b!.leases.tryAcquire('key', limitOf(1))).toBeUndefined();
  a!.leases.close();
  await clock.advance(61_000);
  expect(await b!.leases.tryAcquire('key', limitOf(1))).toBeDefined();
});

test('a lease that Redis does not know any more is lost', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a] = await makeNodes(clock, redis, 1);
  const leases = [
    await a!.leases.tryAcquire('key', limitOf(2)),
    await a!.leases.tryAcquire('key', limitOf(2)),
  ];
  redis.holders('key').delete([...redis.holders('key').keys()][0]!);
  await clock.advance(20_000);
  expect(leases.map((lease) => [lease!.wanted, lease!.extend!()])).toEqual([
    [true, false],
    [false, true],
  ]);
  leases[0]!.release();
  expect(await a!.leases.tryAcquire('key', limitOf(2))).toBeDefined();
});

test('a holder that is not heard of for the duration of its lease loses it', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a] = await makeNodes(clock, redis, 1);
  const lease = await a!.leases.tryAcquire('key', limitOf(1), 300_000);
  await clock.advance(290_000);
  expect(lease!.extend!()).toBe(true);
  await clock.advance(290_000);
  expect([lease!.wanted, redis.holders('key').size]).toEqual([false, 1]);
  await clock.advance(120_000);
  expect([lease!.wanted, lease!.extend!(), redis.holders('key').size]).toEqual([true, false, 0]);
});

test('an idle holder is told when its slot is lost', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a] = await makeNodes(clock, redis, 1);
  const told: string[] = [];
  for (const name of ['first', 'second']) {
    const lease = await a!.leases.tryAcquire('key', limitOf(2));
    lease!.onWanted!(() => told.push(name));
  }
  redis.holders('key').delete([...redis.holders('key').keys()][0]!);
  await clock.advance(20_000);
  expect(told).toEqual(['first']);
});

test('idle slots beyond the part of the node are given up while Redis is away, by one timer', async () => {
  const clock = new FakeClock();
  const [a] = await makeNodes(clock, new FakeRedis(clock), 2);
  const held: Lease[] = [];
  for (let n = 0; n < 10; n++) held.push((await a!.leases.tryAcquire('key', limitOf(10)))!);
  const resting = clock.pending;
  let told = 0;
  for (const lease of held) {
    lease.onWanted!(() => {
      told++;
      lease.release();
    });
  }
  await clock.advance(5000);
  expect([told, clock.pending]).toEqual([0, resting]);
  a!.away();
  expect(clock.pending).toBeLessThanOrEqual(resting + 1);
  await clock.advance(2000);
  expect(told).toBe(5);
});

test('a slot that another owner of this shard waits for is wanted, though other nodes have the rest', async () => {
  const clock = new FakeClock();
  const [a, b] = await makeNodes(clock, new FakeRedis(clock), 2);
  const [mine, its] = [{}, {}];
  await b!.leases.tryAcquire('key', limitOf(2));
  const lease = await a!.leases.tryAcquire('key', limitOf(2), undefined, mine);
  expect(await a!.leases.tryAcquire('key', limitOf(2), undefined, its)).toBeUndefined();
  let got: Lease | undefined;
  const retry = async (): Promise<void> => {
    got = await a!.leases.tryAcquire('key', limitOf(2), undefined, its);
  };
  a!.leases.want('key', () => void retry(), its);
  expect(lease!.wanted).toBe(true);
  let told = 0;
  lease!.onWanted!(() => told++);
  expect(told).toBe(1);
  lease!.release();
  await settle();
  expect(got).toBeDefined();
});

test('who waits for a slot of another node looks every three seconds, and may withdraw', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a, b] = await makeNodes(clock, redis, 2);
  const lease = await a!.leases.tryAcquire('key', limitOf(1));
  let tries = 0;
  let got: Lease | undefined;
  const attempt = async (): Promise<void> => {
    tries++;
    got = await b!.leases.tryAcquire('key', limitOf(1));
    if (got === undefined) b!.leases.want('key', () => void attempt());
  };
  await attempt();
  await clock.advance(30_000);
  expect(tries).toBe(11);
  lease!.release();
  await clock.advance(3000);
  expect(got).toBeDefined();
  expect(await a!.leases.tryAcquire('key', limitOf(1))).toBeUndefined();
  const cancel = a!.leases.want('key', () => tries++);
  const before = tries;
  cancel();
  await clock.advance(10_000);
  expect(tries).toBe(before);
});

test('a limit smaller than the number of nodes serves each in its turn while Redis is away', async () => {
  const clock = new FakeClock();
  const [a, b] = await makeNodes(clock, new FakeRedis(clock), 2);
  for (const { away } of [a!, b!]) away();
  const turns = { a: 0, b: 0 };
  const holding = new Map<string, Lease>();
  for (let step = 0; step < 300; step++) {
    await clock.advance(1000);
    for (const [name, node] of Object.entries({ a: a!, b: b! }) as ['a' | 'b', NonNullable<typeof a>][]) {
      if (holding.get(name)?.wanted) {
        holding.get(name)!.release();
        holding.delete(name);
      }
      const lease = holding.has(name) ? undefined : await node.leases.tryAcquire('key', limitOf(1));
      if (lease !== undefined) holding.set(name, lease);
      if (holding.has(name)) turns[name]++;
    }
    expect(holding.size).toBeLessThanOrEqual(1);
  }
  expect(turns.a).toBeGreaterThan(100);
  expect(turns.b).toBeGreaterThan(100);
});

/** As many as are admitted at once. */
async function burst(throttles: RedisThrottles, limit: ThrottleSpec): Promise<number> {
  for (let admitted = 0; ; admitted++) if ((await throttles.admit('key', limit)).throttled) return admitted;
}

test('redis-cell admits as many at once as the other throttles', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a] = await makeNodes(clock, redis, 1);
  expect(await burst(a!.throttles, spec(10, 60_000, 4))).toBe(5);
  expect(redis.asked[0]).toBe('CL.THROTTLE key:10:4:60 4 10 60 1');
  expect(await a!.throttles.admit('key', spec(10, 60_000, 4))).toMatchObject({
    throttled: true,
    limit: 5,
    remaining: 0,
    retryAfter: 6000,
    resetAfter: 30_000,
  });
  expect((await a!.throttles.admit('key', { ...spec(10, 60_000, 4), local: true })).remaining).toBe(4);
});

test('redis-cell has no burst for those who were without it', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a] = await makeNodes(clock, redis, 1);
  const limit = spec(10, 60_000, 4);
  expect(await burst(a!.throttles, limit)).toBe(5);
  a!.away();
  expect(await burst(a!.throttles, limit)).toBe(0);
  await clock.advance(12_000);
  expect(await burst(a!.throttles, limit)).toBe(2);
  await clock.advance(600_000);
  expect(await burst(a!.throttles, limit)).toBe(5);
  await a!.back();
  await clock.advance(12_000);
  // Emptied when it is first asked.
  expect(await burst(a!.throttles, limit)).toBe(0);
  await clock.advance(12_000);
  expect(await burst(a!.throttles, limit)).toBe(2);
  await clock.advance(600_000);
  expect(await burst(a!.throttles, limit)).toBe(5);
});

test('who is back first keeps to its part until the others know', async () => {
  const clock = new FakeClock();
  const [a, b] = await makeNodes(clock, new FakeRedis(clock), 2);
  const limit = spec(10, 1000, 1);
  for (const { away } of [a!, b!]) away();
  await clock.advance(10_000);
  await a!.back();
  const admitted = { a: 0, b: 0 };
  const started = clock.monotonic();
  while (clock.monotonic() < started + 4000) {
    await clock.advance(20);
    if (!(await a!.throttles.admit('key', limit)).throttled) admitted.a++;
    if (!(await b!.throttles.admit('key', limit)).throttled) admitted.b++;
  }
  expect(admitted.a).toBeGreaterThan(17);
  expect(admitted.b).toBeGreaterThan(17);
  expect(admitted.a + admitted.b).toBeLessThanOrEqual(42);
  await b!.back();
  await clock.advance(6000);
  const alone = clock.monotonic();
  let all = 0;
  while (clock.monotonic() < alone + 4000) {
    await clock.advance(20);
    if (!(await a!.throttles.admit('key', limit)).throttled) all++;
  }
  expect(all).toBeGreaterThan(37);
  expect(all).toBeLessThanOrEqual(42);
});

test('a Redis that has forgotten everything does not make nodes fewer', async () => {
  const clock = new FakeClock();
  const redis = new FakeRedis(clock);
  const [a, b] = await makeNodes(clock, redis, 2);
  for (const { away } of [a!, b!]) away();
  redis.sets.clear();
  await a!.back();
  expect(a!.nodes.count).toBe(2);
  await clock.advance(1000);
  await b!.back();
  await clock.advance(4000);
  expect([a!.nodes.count, b!.nodes.count]).toEqual([2, 2]);
});

test('a node that has never reached Redis assumes ten, or what the policy says', () => {
  const clock = new FakeClock();
  expect(new RedisNodes(clock, 'a', undefined).count).toBe(10);
  expect(new RedisNodes(clock, 'a', 3).count).toBe(3);
  expect(new RedisNodes(clock, 'a', undefined).throttle(spec(100, 1000))).toMatchObject({
    limit: 100,
    period: 10_000,
    burst: 9,
  });
});
