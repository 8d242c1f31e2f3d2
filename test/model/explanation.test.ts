import { describe, expect, test } from 'vitest';
import {
  atTime,
  type EffectiveOption,
  type ExplainFacts,
  explain,
  laterAttempts,
  type MessageFacts,
  type ReadyFacts,
  type SourceFacts,
} from '../../src/model/index.ts';

const NOW = Date.parse('2026-05-04T10:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const said = (option: string, line: number): EffectiveOption => ({
  option,
  value: 1,
  origin: { kind: 'file', file: '/etc/shaping.toml', line, section: '["a.test"]' },
});

function readyQueue(more: Partial<ReadyFacts> = {}): ReadyFacts {
  return {
    name: 's->mx.a.test@smtp_client',
    isLive: true,
    length: 0,
    capacity: 10,
    connections: 0,
    ideal: 0,
    states: {},
    failures: 0,
    failuresAllowed: 100,
    limits: [],
    messageRates: [],
    selectionRates: [],
    idleTimeout: 5000,
    watchdog: 60_000,
    options: [said('max_ready', 3), said('connection_limit', 4), said('max_message_rate', 5)],
    plan: { kind: 'candidates', candidates: [{ name: 'mx.a.test', address: '192.0.2.1', port: undefined }] },
    ...more,
  };
}

function source(more: Partial<SourceFacts> = {}): SourceFacts {
  return { name: 's', weight: 1, share: 1, ready: readyQueue(), ...more };
}

function message(more: Partial<MessageFacts> = {}): MessageFacts {
  return {
    id: '1'.repeat(32),
    sender: 'a@b.test',
    recipients: ['c@a.test'],
    meta: {},
    bytes: 100,
    created: NOW - HOUR,
    due: NOW + 10 * MINUTE,
    attempts: 1,
    place: { kind: 'scheduled' },
    ...more,
  };
}

function facts({
  queue,
  sources,
  route,
  ...more
}: {
  queue?: Partial<ExplainFacts['queue']>;
  sources?: SourceFacts[];
  route?: Partial<NonNullable<ExplainFacts['route']>>;
  message?: MessageFacts;
} = {}): ExplainFacts {
  return {
    asked: { kind: 'queue', name: 'a.test' },
    now: NOW,
    queue: {
      name: 'a.test',
      parts: { domain: 'a.test', tenant: undefined, campaign: undefined, routingDomain: undefined },
      size: 1,
      line: 0,
      isGated: false,
      isStalled: false,
      protocol: 'smtp',
      retry: { retry_interval: 20 * MINUTE, max_age: 7 * 24 * HOUR },
      options: [said('egress_pool', 2)],
      ...queue,
    },
    route: {
      pool: 'p',
      site: { domain: 'a.test', name: 'mx.a.test' },
      sources: sources ?? [source()],
      sourceCount: 1,
      ...route,
    },
    ...more,
  };
}

const rule = { id: 'r1', reason: 'because', expires: NOW + 2 * HOUR };
const usedUp = { option: 'max_message_rate', key: 'k', rate: '1/h', capacity: 1, remaining: 0 };

describe('what holds mail back', () => {
  test('nothing', () => {
    const { answer, obstacles } = explain(facts());
    expect(obstacles).toEqual([]);
    const free = 'A new message for queue a.test is tried at once: nothing holds it back.';
    expect(answer).toMatch(
      new RegExp(`^${free} The message that is in it may be waiting for another attempt`),
    );
    expect(explain(facts({ queue: { size: 0 } })).answer).toBe(`${free} The queue has no messages now.`);
  });

  test('a bounce rule is all there is to say', () => {
    const told = explain(facts({ queue: { bounce: rule, suspension: rule } }));
    expect(told.obstacles).toMatchObject([{ effect: 'bounces', clears: rule.expires }]);
    expect(told.answer).toContain('bounces: an administrator has mail of this queue bounce (because)');
  });

  test('in the order in which a message meets it', () => {
    const rate = { ...usedUp, clearsIn: 5 * MINUTE };
    const ready = readyQueue({ connectionRate: { ...rate, option: 'max_connection_rate' } });
    const { obstacles } = explain(facts({ queue: { suspension: rule, rate }, sources: [source({ ready })] }));
    expect(obstacles.map(({ effect }) => effect)).toEqual(['fails', 'waits', 'waits']);
    expect(obstacles[1]).toMatchObject({ clears: NOW + 5 * MINUTE });
    expect(obstacles[2]!.what).toBe('max_connection_rate = 1/h of s->mx.a.test@smtp_client is used up');
  });

  test('a pool, a domain and a configuration that are not there', () => {
    const pool = explain(
      facts({ route: { poolError: 'no such pool', site: undefined, sources: [] } as never }),
    );
    expect(pool.obstacles).toMatchObject([{ effect: 'fails', origin: '/etc/shaping.toml:2 ["a.test"]' }]);
    const dns = explain(facts({ route: { site: { domain: 'a.test', error: 'SERVFAIL' } } }));
    expect(dns.obstacles[0]!.what).toBe('a.test cannot be resolved: SERVFAIL');
    const none = explain(facts({ queue: { error: 'init.lua:3: oops' } }));
    expect(none.obstacles[0]!.what).toBe('the queue has no configuration: init.lua:3: oops');
    expect(explain(facts({ sources: [] })).obstacles[0]!.what).toContain('no source with a weight above 0');
  });

  test('one source that is free to go is enough', () => {
    const stuck = source({ name: 's1', share: 0.5, leftOut: { why: 'Unplumbed', for: MINUTE } });
    expect(explain(facts({ sources: [stuck, source()] })).obstacles).toEqual([]);
    const suspended = source({ ready: readyQueue({ suspension: rule }) });
    const { obstacles } = explain(facts({ sources: [stuck, suspended] }));
    expect(obstacles).toMatchObject([
      { what: 'source s1 is left out: Unplumbed', clears: NOW + MINUTE },
      { what: 'ready queue s->mx.a.test@smtp_client is suspended by an administrator (because)' },
    ]);
  });

  test('a full ready queue stops those before it, not those in it', () => {
    const sources = [source({ ready: readyQueue({ length: 10 }) })];
    const line = message({ place: { kind: 'line', ahead: 3 }, due: NOW - 1 });
    const before = explain(facts({ sources, message: line }));
    expect(before.answer).toMatch(
      /^It is due and waits in its queue behind 3 others: .* is full: 10 messages/,
    );
    expect(before.obstacles).toMatchObject([{ effect: 'waits', origin: '/etc/shaping.toml:3 ["a.test"]' }]);
    const place = { kind: 'ready', queue: 's->mx.a.test@smtp_client', source: 's', ahead: 0 } as const;
    expect(explain(facts({ sources, message: message({ place }) })).obstacles).toEqual([]);
  });

  test('connections in use, and by whom', () => {
    const holders = [{ queue: 'other->x@smtp_client', connections: 2 }];
    const limit = { option: 'connection_limit', key: 'k', limit: 2, held: 2, holders };
    const busy = explain(facts({ sources: [source({ ready: readyQueue({ limits: [limit], length: 1 }) })] }));
    expect(busy.obstacles).toMatchObject([
      {
        effect: 'waits',
        what: 'connection_limit = 2 is reached: 2 in use, 2 by other->x@smtp_client',
        origin: '/etc/shaping.toml:4 ["a.test"]',
      },
    ]);
    // With nothing in line its own connections may be idle.
    const idle = readyQueue({ limits: [limit], connections: 2 });
    expect(explain(facts({ sources: [source({ ready: idle })] })).obstacles).toEqual([]);
  });

  test.each([
    [{ kind: 'null-mx' } as const, 'bounces', 'null MX'],
    [{ kind: 'none' } as const, 'fails', 'no host of the site has an address'],
    [{ kind: 'all-skipped' } as const, 'fails', 'skip_hosts'],
    [
      { kind: 'prohibited', host: 'mx', address: '127.0.0.1' } as const,
      'bounces',
      'mx 127.0.0.1 is on the list',
    ],
  ])('a plan that leads nowhere: %o', (plan, effect, what) => {
    const { obstacles } = explain(facts({ sources: [source({ ready: readyQueue({ plan }) })] }));
    expect(obstacles).toMatchObject([{ effect, what: expect.stringContaining(what) }]);
  });

  test('sessions in a row that reached nobody', () => {
    const failing = (failures: number) =>
      explain(facts({ sources: [source({ ready: readyQueue({ failures }) })] })).obstacles[0]!.what;
    expect(failing(1)).toContain('the last session of');
    expect(failing(101)).toContain('the last 101 sessions of');
    expect(failing(101)).toContain('the whole ready queue is put off');
  });
});

describe('what happens next', () => {
  test('an obstacle that ends before the due time is told as over by then', () => {
    const rate = { ...usedUp, clearsIn: 10 * MINUTE };
    const over = explain(facts({ queue: { rate }, message: message() })).answer;
    expect(over).toMatch(
      /^It is tried next at 2026-05-04 10:10:00 UTC \(in 10m\), after 1 attempt; what holds it up now is over by then/,
    );
    const still = explain(facts({ queue: { suspension: rule }, message: message() })).answer;
    expect(still).toContain(
      'unless it ends before, this holds it up then: scheduled queue a.test is suspended',
    );
    expect(still).toContain('until 2026-05-04 12:00:00 UTC (in 2h)');
  });

  test('the last attempt, and the end', () => {
    const retry = { retry_interval: HOUR, max_age: 90 * MINUTE };
    const last = explain(facts({ queue: { retry }, message: message() }));
    expect(last.answer).toContain(
      'That is its last attempt: if it fails, the next would be after it expires',
    );
    const gone = explain(facts({ queue: { retry }, message: message({ due: NOW + HOUR }) }));
    expect(gone.answer).toContain('It has expired by then (2026-05-04 10:30:00 UTC (in 30m)).');
  });

  test('later attempts double, up to a cap, until the expiry of the message itself', () => {
    const retry = { retry_interval: 20 * MINUTE, max_retry_interval: HOUR, max_age: 7 * 24 * HOUR };
    const many = laterAttempts(facts({ queue: { retry }, message: message({ attempts: 0 }) }));
    const minutes = many.times.map((time) => (time - NOW) / MINUTE);
    expect(minutes).toEqual([30, 70, 130, 190, 250]);
    expect(many.isLast).toBe(false);
    const expires = NOW + 100 * MINUTE;
    const few = laterAttempts(facts({ queue: { retry }, message: message({ attempts: 0, expires }) }));
    expect(few.times.map((time) => (time - NOW) / MINUTE)).toEqual([30, 70]);
    expect(few.isLast).toBe(true);
  });

  test('a message in a ready queue, and one in hand', () => {
    const place = { kind: 'ready', queue: 's->mx.a.test@smtp_client', source: 's', ahead: 1 } as const;
    expect(explain(facts({ message: message({ place }) })).answer).toBe(
      'It waits in ready queue s->mx.a.test@smtp_client behind 1 other for the next connection.',
    );
    const hand = explain(facts({ message: message({ place: { kind: 'hand' } }) })).answer;
    expect(hand).toBe('A connection has it in hand, or it is just moving on.');
  });

  test('times in the units that matter', () => {
    expect(atTime(NOW + 61_400, NOW)).toBe('2026-05-04 10:01:01 UTC (in 1m 1s)');
    expect(atTime(NOW - 26 * HOUR - 5000, NOW)).toBe('2026-05-03 07:59:55 UTC (1day 2h ago)');
  });
});

test('the steps say why the queue has its name', () => {
  const why = (meta: MessageFacts['meta']) =>
    explain(facts({ message: message({ meta }) })).steps.find(({ step }) => step === 'name')!.why;
  expect(why({})).toBe('the domain of the recipient');
  expect(why({ tenant: 't', campaign: 'c' })).toBe('meta campaign, tenant and the domain of the recipient');
  expect(why({ queue: 'a.test', tenant: 't' })).toBe('meta queue');
});
