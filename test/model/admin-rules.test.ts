import { describe, expect, test } from 'vitest';
import { PolicyValueError, parseOptions } from '../../src/model/define/index.ts';
import {
  AdminActions,
  type AdminChange,
  type AdminCounts,
  AdminLedger,
  type AdminRule,
  AdminRules,
  describeRule,
  parseQueueName,
  type QueueSelector,
} from '../../src/model/index.ts';
import { adminBounceOptions, adminSuspendReadyQueueOptions, newRule } from '../../src/model/options/index.ts';
import { FakeClock } from '../kit/fake-clock.ts';

const MINUTE = 60_000;
let ids = 0;
const rule = (selector: QueueSelector, more: Partial<AdminRule> = {}): AdminRule => ({
  id: `id-${ids++}`,
  reason: 'because',
  expires: 5 * MINUTE,
  selector,
  suppressLogging: false,
  ...more,
});
const queue = (name: string) => ({ name, parts: parseQueueName(name) });

describe('criteria', () => {
  const NAME = 'camp:ten@dest.example!route.example';
  test.each<[QueueSelector, string, boolean]>([
    [{}, NAME, true],
    [{}, 'dest.example', true],
    [{ domain: 'dest.example' }, NAME, true],
    [{ domain: 'dest.example' }, 'dest.example', true],
    [{ domain: 'Dest.example' }, 'dest.example', false],
    [{ domain: 'est.example' }, 'dest.example', false],
    [{ tenant: 'ten', campaign: 'camp' }, NAME, true],
    [{ tenant: 'ten', campaign: 'other' }, NAME, false],
    [{ tenant: 'ten' }, 'dest.example', false],
    [{ tenant: '' }, 'dest.example', false],
    [{ campaign: 'camp' }, 'ten@dest.example', false],
    [{ routing_domain: 'route.example' }, NAME, true],
    [{ routing_domain: 'route.example' }, 'route.example', false],
    [
      { campaign: 'camp', tenant: 'ten', domain: 'dest.example', routing_domain: 'route.example' },
      NAME,
      true,
    ],
    [{ queue_names: ['a', 'dest.example'] }, 'dest.example', true],
    [{ queue_names: ['dest.example'], domain: 'other' }, 'dest.example', true],
    [{ queue_names: ['dest.example'] }, 'ten@dest.example', false],
    [{ queue_names: [] }, 'dest.example', true],
  ])('%j selects %s: %s', (selector, name, expected) => {
    const rules = new AdminRules();
    const live = rules.put(rule(selector));
    expect(rules.match(queue(name), 0)).toBe(expected ? live : undefined);
    // What sweeps ask is the same.
    expect(live.selects(queue(name))).toBe(expected);
  });

  test('of several the oldest holds, whatever it is found by', () => {
    const rules = new AdminRules();
    const byTenant = rules.put(rule({ tenant: 'ten' }));
    rules.put(rule({ queue_names: ['ten@dest.example'] }));
    rules.put(rule({}));
    expect(rules.match(queue('ten@dest.example'), 0)).toBe(byTenant);
    rules.delete(byTenant.rule.id, 0);
    expect(rules.match(queue('ten@dest.example'), 0)?.rule.selector).toHaveProperty('queue_names');
  });

  test('the same criteria replace; other criteria do not', () => {
    const rules = new AdminRules();
    const old = rules.put(rule({ domain: 'a', tenant: 'b' }, { reason: 'old' }));
    const fresh = rules.put(rule({ tenant: 'b', domain: 'a' }, { reason: 'new' }));
    expect(rules.list(0)).toEqual([fresh]);
    expect(old.isOver(0)).toBe(true);
    rules.put(rule({ queue_names: ['x', 'y'] }));
    rules.put(rule({ queue_names: ['y', 'x', 'x'] }));
    rules.put(rule({ domain: 'a' }));
    expect(rules.size).toBe(3);
  });
});

describe('time', () => {
  test('a rule ends at its moment, one without criteria too, and leaves nothing behind', () => {
    const rules = new AdminRules();
    for (const selector of [{}, { domain: 'd' }, { queue_names: ['d'] }]) {
      rules.put(rule(selector, { expires: 1000 }));
    }
    expect(rules.match(queue('d'), 999)).toBeDefined();
    expect(rules.match(queue('d'), 1000)).toBeUndefined();
    // Whoever comes later need not ask any more.
    rules.match(queue('d'), 3000);
    expect(rules.size).toBe(0);
  });

  test('a rule that is over can neither be listed nor deleted', () => {
    const rules = new AdminRules();
    const { id } = rules.put(rule({}, { expires: 1000 })).rule;
    expect(rules.delete(id, 1000)).toBe(false);
    expect(rules.list(1000)).toEqual([]);
  });
});

describe('bounds', () => {
  test('10,000 rules of a kind; replacing one of them is fine, and so is another after one has ended', () => {
    const rules = new AdminRules();
    for (let index = 0; index < 10_000; index++) {
      rules.put(rule({ domain: `d${index}` }, index === 0 ? { expires: 10 } : {}));
    }
    expect(rules.problemWith(rule({ domain: 'more' }), 0)).toMatch(/10000 such entries.*most/);
    expect(rules.problemWith(rule({ domain: 'd5' }), 0)).toBeUndefined();
    expect(rules.problemWith(rule({ domain: 'more' }), 10)).toBeUndefined();
  });

  test('16 million characters of a kind', () => {
    const rules = new AdminRules();
    const reason = 'x'.repeat(9_000_000);
    const first = rules.put(rule({ domain: 'a' }, { reason }));
    expect(rules.problemWith(rule({ domain: 'b' }, { reason }), 0)).toMatch(/too much text/);
    rules.delete(first.rule.id, 0);
    expect(rules.problemWith(rule({ domain: 'b' }, { reason }), 0)).toBeUndefined();
  });

  test('100,000 queues are counted by name, and all in the total', () => {
    const rules = new AdminRules();
    const live = rules.put(rule({}));
    for (let index = 0; index < 100_001; index++) rules.count(live, `q${index}`);
    rules.count(live, 'q7');
    expect(live.byQueue.size).toBe(100_000);
    expect(live.byQueue.get('q7')).toBe(2);
    expect(live.total).toBe(100_002);
    rules.delete(live.rule.id, 0);
    const next = rules.put(rule({}));
    rules.count(next, 'q');
    expect(next.byQueue.get('q')).toBe(1);
  });
});

describe('what is asked for', () => {
  const asked = (given: object, now = 0) => newRule(parseOptions(adminBounceOptions, given), now);
  test('holds for 5 minutes, for the duration given, or until expires', () => {
    expect(asked({ reason: 'r' }).expires).toBe(5 * MINUTE);
    expect(asked({ reason: 'r', duration: '1h' }, 7).expires).toBe(60 * MINUTE + 7);
    expect(asked({ reason: 'r', duration: 1.5 }).expires).toBe(1500);
    expect(asked({ reason: 'r', duration: '1h', expires: '1970-01-01T00:00:09Z' }).expires).toBe(9000);
    expect(Number.isFinite(new Date(asked({ reason: 'r', duration: 1e300 }).expires).getTime())).toBe(true);
  });

  test.each([
    [{}, /reason/],
    [{ reason: 1 }, /reason: expected a string/],
    [{ reason: 'r', durtion: '1m' }, /durtion.*duration/],
    [{ reason: 'r', duration: 'soon' }, /'soon' is no duration/],
    [{ reason: 'r', duration: 0 }, /longer than nothing/],
    [{ reason: 'r', expires: 'tomorrow' }, /'tomorrow' is no time/],
    [{ reason: 'r', expires: '1970-01-01T00:00:00Z' }, /this time is over/],
    [{ reason: 'r', queue_names: 'a' }, /queue_names/],
    [{ reason: 'r', suppress_logging: 'yes' }, /suppress_logging/],
  ])('%j is refused', (given, why) => {
    expect(() => asked(given)).toThrow(PolicyValueError);
    expect(() => asked(given)).toThrow(why);
  });

  test('a ready queue by its name', () => {
    const given = parseOptions(adminSuspendReadyQueueOptions, { name: 'a->b@smtp_client', reason: 'r' });
    expect(newRule(given, 0).selector).toEqual({ queue_names: ['a->b@smtp_client'] });
  });
});

test('a verdict: bounces go before suspensions', () => {
  const clock = new FakeClock(0);
  const actions = new AdminActions(clock);
  expect(actions.verdict(queue('d'))).toBeUndefined();
  actions.apply({ action: 'put', kind: 'suspend', rule: rule({ domain: 'd' }), sweep: false });
  expect(actions.verdict(queue('d'))?.kind).toBe('suspended');
  expect(actions.bounceOf(queue('d'))).toBeUndefined();
  actions.apply({ action: 'put', kind: 'bounce', rule: rule({}), sweep: false });
  expect(actions.verdict(queue('d'))?.kind).toBe('bounced');
  expect(actions.isReadyQueueSuspended('s->d@smtp_client')).toBe(false);
});

describe('the ledger of the process', () => {
  function withShards(count: number) {
    const clock = new FakeClock(0);
    const shards = Array.from({ length: count }, () => new AdminActions(clock));
    const log: AdminChange[] = [];
    const ledger = new AdminLedger({
      clock,
      newId: () => `id-${ids++}`,
      spread: async (change) => {
        log.push(change);
        for (const shard of shards) shard.apply(change);
      },
      collect: async (kind): Promise<AdminCounts[]> => shards.map((shard) => shard.counts(kind)),
    });
    return { clock, shards, ledger, log };
  }

  test('spreads changes in their order, and adds up what the shards did', async () => {
    const { shards, ledger, log, clock } = withShards(2);
    const { id } = (await ledger.put('bounce', rule({ domain: 'd' }), true)) as { id: string };
    shards[0]!.bounced(shards[0]!.bounceOf(queue('d'))!, 'd');
    shards[1]!.bounced(shards[1]!.bounceOf(queue('t@d'))!, 't@d');
    shards[1]!.bounced(shards[1]!.bounceOf(queue('d'))!, 'd');
    const listed = (await ledger.list('bounce'))[0]!;
    expect(describeRule('bounce', listed, clock.now())).toEqual({
      id,
      campaign: null,
      tenant: null,
      domain: 'd',
      routing_domain: null,
      reason: 'because',
      duration: '5m',
      bounced: { d: 2, 't@d': 1 },
      total_bounced: 3,
    });
    expect(await ledger.delete('bounce', id)).toBe(true);
    expect(await ledger.delete('bounce', id)).toBe(false);
    expect(shards[0]!.bounceOf(queue('d'))).toBeUndefined();
    expect(log.map(({ action }) => action)).toEqual(['put', 'delete']);
  });

  test('a refused rule reaches no shard', async () => {
    const { ledger, log } = withShards(1);
    const result = await ledger.put('bounce', rule({}, { reason: 'x'.repeat(17_000_000) }), true);
    expect(result).toHaveProperty('problem');
    expect(log).toEqual([]);
  });

  test('gives shards that come later what holds', async () => {
    const { ledger, clock } = withShards(0);
    await ledger.put('suspend', rule({}, { expires: 10 }), false);
    await ledger.put('suspend-ready-q', rule({ queue_names: ['q'] }), false);
    await clock.advance(10);
    expect(ledger.changes()).toMatchObject([{ action: 'put', kind: 'suspend-ready-q', sweep: false }]);
  });
});
