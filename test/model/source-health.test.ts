import { describe, expect, test } from 'vitest';
import { attachLimits, createSharedLimits, LocalCounters, releaseShard } from '../../src/io/limits/index.ts';
import { parseOptions } from '../../src/model/define/index.ts';
import { type Counters, SourceHealth } from '../../src/model/index.ts';
import { type EgressSourceOptions, egressSourceOptions } from '../../src/model/options/index.ts';
import { FakeClock } from '../kit/fake-clock.ts';

const MINUTE = 60_000;
const source = (options: object): EgressSourceOptions =>
  parseOptions(egressSourceOptions, { name: 's', ...options });
const immediate = source({ suspend_when_proxy_unhealthy: { trigger: 'Immediate', duration: '5m' } });
const threshold = source({
  suspend_when_proxy_unhealthy: { trigger: { Threshold: '3/minute' }, duration: '5m' },
});

function health(counters: Counters = new LocalCounters(), clock = new FakeClock()) {
  const said: string[] = [];
  const onSuspended = (name: string, why: string, duration: number): void =>
    void said.push(`${name} ${why} ${duration}`);
  return { said, clock, health: new SourceHealth({ clock, counters, onSuspended }) };
}

describe('Immediate', () => {
  test('the first failure suspends for the duration', async () => {
    const { health: it, clock, said } = health();
    expect(it.check(immediate)).toBe(false);
    it.failed(immediate, 'ProxyUnhealthy');
    expect(it.isSuspended(immediate)).toBe(true);
    expect(it.check(immediate)).toBe(true);
    expect(said).toEqual(['s ProxyUnhealthy 300000']);
    expect(it.made()).toEqual([
      { source: 's', why: 'ProxyUnhealthy', until: clock.monotonic() + 5 * MINUTE },
    ]);
    await clock.advance(5 * MINUTE - 1);
    expect(it.isSuspended(immediate)).toBe(true);
    await clock.advance(1);
    expect(it.isSuspended(immediate)).toBe(false);
    expect(it.check(immediate)).toBe(false);
    expect(it.made()).toEqual([]);
  });

  test('further failures neither prolong it nor are told of; after it the next one suspends again', async () => {
    const { health: it, clock, said } = health();
    it.failed(immediate, 'ProxyUnhealthy');
    await clock.advance(4 * MINUTE);
    it.failed(immediate, 'ProxyUnhealthy');
    await clock.advance(MINUTE);
    expect(it.check(immediate)).toBe(false);
    it.failed(immediate, 'ProxyUnhealthy');
    expect(it.check(immediate)).toBe(true);
    expect(said).toHaveLength(2);
  });

  test('each kind of failure has a rule of its own, and other sources go on', () => {
    const { health: it } = health();
    it.failed(immediate, 'Unplumbed');
    it.failed(source({}), 'ProxyUnhealthy');
    expect(it.check(immediate)).toBe(false);
    it.failed(immediate, 'ProxyUnhealthy');
    expect(it.check({ ...immediate, name: 'other' })).toBe(false);
    const unplumbed = source({ suspend_when_unplumbed: { trigger: 'Immediate', duration: 60 } });
    it.failed({ ...unplumbed, name: 'u' }, 'Unplumbed');
    expect(it.isSuspended({ name: 'u' })).toBe(true);
  });
});

describe('Threshold', () => {
  test('that many failures within the period suspend', async () => {
    const { health: it, clock } = health();
    it.failed(threshold, 'ProxyUnhealthy');
    it.failed(threshold, 'ProxyUnhealthy');
    await clock.advance(MINUTE);
    it.failed(threshold, 'ProxyUnhealthy');
    it.failed(threshold, 'ProxyUnhealthy');
    expect(it.check(threshold)).toBe(false);
    await clock.advance(58_000);
    it.failed(threshold, 'ProxyUnhealthy');
    expect(it.check(threshold)).toBe(true);
  });

  test('what no longer counts takes no room', async () => {
    const counters = new LocalCounters();
    let keys = 0;
    const counting: Counters = {
      add: (key, n) => {
        const before = counters.get(key);
        const after = counters.add(key, n);
        keys += Number(after !== 0) - Number(before !== 0);
        return after;
      },
      get: (key) => counters.get(key),
      tryAdd: (key, n, limit) => counters.tryAdd(key, n, limit),
      reset: (key) => counters.reset(key),
    };
    const { health: it, clock } = health(counting);
    const patient = source({
      suspend_when_unplumbed: { trigger: { Threshold: '1000000/minute' }, duration: 1 },
    });
    for (let second = 0; second < 200; second++) {
      it.failed(patient, 'Unplumbed');
      await clock.advance(1000);
    }
    expect(keys).toBeLessThanOrEqual(60);
  });
});

describe('over shards', () => {
  function twoShards() {
    const shared = createSharedLimits(2, { throttles: 64, leases: 64, counters: 1024 });
    const clock = new FakeClock();
    const shards = [0, 1].map((shard) => health(attachLimits(shared, shard, clock).counters, clock));
    return { shared, clock, first: shards[0]!, second: shards[1]! };
  }

  test('failures are counted together, and the other shard learns when it is about to connect', async () => {
    const { clock, first, second } = twoShards();
    first.health.failed(threshold, 'ProxyUnhealthy');
    second.health.failed(threshold, 'ProxyUnhealthy');
    expect(first.health.check(threshold)).toBe(false);
    first.health.failed(threshold, 'ProxyUnhealthy');
    expect(second.health.isSuspended(threshold)).toBe(false);
    expect(second.health.check(threshold)).toBe(true);
    expect(second.health.isSuspended(threshold)).toBe(true);
    second.health.failed(threshold, 'ProxyUnhealthy');
    expect([first.said.length, second.said.length]).toEqual([1, 0]);
    expect([first.health.made().length, second.health.made().length]).toEqual([1, 0]);
    await clock.advance(5 * MINUTE);
    expect(second.health.check(threshold)).toBe(false);
    expect(first.health.check(threshold)).toBe(false);
  });

  test('a suspension ends with the shard that made it', () => {
    const { shared, clock, first, second } = twoShards();
    first.health.failed(immediate, 'ProxyUnhealthy');
    releaseShard(shared, 0, clock);
    expect(second.health.check(immediate)).toBe(false);
  });
});
