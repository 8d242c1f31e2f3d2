import { describe, expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { DeliveryEvent, PolicyResult, ThrottleSpec, Throttles } from '../../../src/model/index.ts';
import {
  EgressPool,
  EgressSource,
  egressPoolOptions,
  egressSourceOptions,
} from '../../../src/model/options/index.ts';
import {
  type Handler,
  mailRooms,
  pathConfig,
  queueConfig,
  type Rooms,
  returns,
} from '../../kit/mail-rooms.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const many = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@dest.example`);
const ofType = (rooms: Rooms, type: DeliveryEvent['type']): DeliveryEvent[] =>
  rooms.events.filter((event) => event.type === type);
const pool = (...entries: (string | [string, number])[]): PolicyResult =>
  returns(
    new EgressPool(
      parseOptions(egressPoolOptions, {
        name: 'p',
        entries: entries.map((entry) =>
          typeof entry === 'string' ? { name: entry } : { name: entry[0], weight: entry[1] },
        ),
      }),
    ),
  );
const source = (name: string): PolicyResult =>
  returns(new EgressSource(parseOptions(egressSourceOptions, { name, ehlo_domain: `${name}.example` })));

/** Mail goes through the pool p; `handlers` say what it is. */
function pooled(handlers: Record<string, unknown>, limits: { throttles?: Throttles } = {}): Rooms {
  const all = {
    get_queue_config: () => queueConfig({ egress_pool: 'p', retry_interval: '10m' }),
    get_egress_source: source,
    ...handlers,
  } as unknown as Record<string, Handler>;
  return mailRooms(all, undefined, undefined, limits);
}
const lastText = (rooms: Rooms): string => rooms.events.at(-1)!.response.content;
const attempts = (rooms: Rooms): number[] =>
  [...rooms.spool.content.values()].map(({ progress }) => progress.attempts);
const used = (rooms: Rooms): string[] => ofType(rooms, 'Delivery').map(({ source }) => source!);

describe('a pool or a source that policy does not define holds the mail', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['no get_egress_pool', {}, 'Event get_egress_pool has not been registered'],
    ['a pool event that gives nothing', { get_egress_pool: () => ({ kind: 'absent' }) }, 'get_egress_pool'],
    ['a pool event that gives nil', { get_egress_pool: () => returns(undefined) }, 'get_egress_pool'],
    ['a pool event that gives something else', { get_egress_pool: () => returns('p') }, 'get_egress_pool'],
    [
      'a pool event that fails',
      { get_egress_pool: () => ({ kind: 'error', message: 'init.lua:7: no' }) },
      'init.lua:7: no',
    ],
    [
      'a member that get_egress_source gives nothing for',
      {
        get_egress_pool: () => pool('a', 'b'),
        get_egress_source: (name: string) => (name === 'a' ? source(name) : returns()),
      },
      'pool p: get_egress_source returned nothing usable for b',
    ],
    [
      'no get_egress_source',
      { get_egress_pool: () => pool('a'), get_egress_source: undefined },
      'pool p: Event get_egress_source has not been registered',
    ],
  ])('%s', async (_, handlers, expected) => {
    const rooms = pooled(handlers);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(rooms.peers.commands).toEqual([]);
    expect(rooms.records()).toEqual(['Reception 250', 'TransientFailure 451']);
    expect(lastText(rooms)).toMatch(/^failed to resolve queue dest\.example: /);
    expect(lastText(rooms)).toContain(expected);
    expect(attempts(rooms)).toEqual([1]);
  });

  test('is not asked for again for 60 s, and then it is', async () => {
    let asked = 0;
    let isThere = false;
    const rooms = pooled({
      get_egress_pool: () => {
        asked++;
        return isThere ? pool('a') : returns();
      },
    });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(30 * SECOND);
    await rooms.receive(['b@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(asked).toBe(1);
    isThere = true;
    await rooms.clock.advance(30 * SECOND);
    await rooms.receive(['c@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(asked).toBe(2);
    expect(used(rooms)).toEqual(['a']);
  });

  test('a source whose path fails holds only what is its turn; the others send on', async () => {
    let asked = 0;
    const rooms = pooled({
      get_egress_pool: () => pool('good', 'bad'),
      get_egress_path_config: (_: string, name: string) => {
        if (name === 'good') return pathConfig({});
        asked++;
        return { kind: 'error', message: 'init.lua:9: oops' };
      },
    });
    await rooms.receive(many(6));
    await rooms.clock.advance(SECOND);
    expect(used(rooms)).toEqual(['good', 'good', 'good']);
    const texts = ofType(rooms, 'TransientFailure').map(({ response }) => response.content);
    expect(texts).toHaveLength(3);
    expect(texts[0]).toMatch(/^failed to resolve queue dest\.example: .*init\.lua:9: oops/);
    expect(asked).toBe(1);
  });

  test('an empty pool, and one in which all have weight 0', async () => {
    for (const made of [pool(), pool(['a', 0])]) {
      const rooms = pooled({ get_egress_pool: () => made });
      await rooms.receive(['a@dest.example']);
      await rooms.clock.advance(SECOND);
      expect(lastText(rooms)).toBe('KumoMTA internal: no sources available for dest.example pool=`p`');
      expect(attempts(rooms)).toEqual([1]);
    }
  });
});

describe('source_selection_rate', () => {
  const warm = { source_selection_rate: '1/hour,max_burst=1' };

  test('a source that has had its share is passed over', async () => {
    const rooms = pooled({
      get_egress_pool: () => pool('warm', 'new'),
      get_egress_path_config: (_: string, name: string) => pathConfig(name === 'new' ? warm : {}),
    });
    await rooms.receive(many(10));
    await rooms.clock.advance(SECOND);
    expect(used(rooms).sort()).toEqual(['new', ...new Array(9).fill('warm')]);
    expect(ofType(rooms, 'Delayed')).toHaveLength(0);
  });

  test('when all have, the message fails: no sources are eligible (delivery.md 4, 6b)', async () => {
    const rooms = pooled({
      get_egress_pool: () => pool('a', 'b'),
      get_egress_path_config: () => pathConfig(warm),
    });
    await rooms.receive(many(3));
    await rooms.clock.advance(SECOND);
    expect(used(rooms)).toHaveLength(2);
    expect(ofType(rooms, 'TransientFailure').map(({ response }) => response.content)).toEqual([
      'KumoMTA internal: no sources for dest.example pool=`p` are eligible for selection at this time',
    ]);
    expect(attempts(rooms)).toEqual([1]);
    const wait = [...rooms.spool.content.values()][0]!.progress.due - rooms.clock.now();
    expect(wait).toBeGreaterThan(9 * MINUTE);
  });

  test('a full queue outranks it', async () => {
    const rooms = pooled({
      get_egress_pool: () => pool('full', 'throttled'),
      get_egress_path_config: (_: string, name: string) =>
        pathConfig(name === 'throttled' ? { ...warm, max_ready: 1 } : { max_ready: 1, connection_limit: 1 }),
    });
    rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
    await rooms.receive(many(6));
    await rooms.clock.advance(SECOND);
    await rooms.receive(['late@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(ofType(rooms, 'TransientFailure')).toHaveLength(0);
    expect(ofType(rooms, 'Delayed').at(-1)!.response.content).toContain('Context: ReadyQueueWasFull.');
  });

  test('a source that is passed over keeps no place in its ready queue', async () => {
    const path = { source_selection_rate: '1/15min,max_burst=1', max_ready: 1 };
    const rooms = pooled({
      get_egress_pool: () => pool('a'),
      get_egress_path_config: () => pathConfig(path),
    });
    await rooms.receive(many(2));
    await rooms.clock.advance(SECOND);
    expect(used(rooms)).toEqual(['a']);
    // With its place kept the ready queue of one place would be full for ever.
    await rooms.clock.advance(60 * MINUTE);
    expect(used(rooms)).toEqual(['a', 'a']);
    expect(ofType(rooms, 'Delayed')).toHaveLength(0);
  });

  test.each([
    ['at once', false],
    ['later', true],
  ])(
    'is asked slowest first, under the names of delivery.md section 6; answers come %s',
    async (_, later) => {
      const asked: string[] = [];
      const throttles: Throttles = {
        admit: (key: string, spec: ThrottleSpec) => {
          asked.push(key);
          const throttled = key === 'fast';
          const verdict = {
            throttled,
            limit: spec.limit,
            remaining: 1,
            resetAfter: 0,
            retryAfter: throttled ? 9 : undefined,
          };
          return later ? Promise.resolve(verdict) : verdict;
        },
      };
      const rooms = pooled(
        {
          get_egress_pool: () => pool('a', 'b'),
          get_egress_path_config: (_: string, name: string) =>
            pathConfig(
              name === 'b'
                ? {}
                : {
                    source_selection_rate: '5/min',
                    additional_source_selection_rates: { slow: '1/day', fast: '100/s' },
                  },
            ),
        },
        { throttles },
      );
      await rooms.receive(['a@dest.example']);
      await rooms.clock.advance(SECOND);
      const queue = 'a->(mx1|mx2).dest.example@smtp_client';
      expect(asked).toEqual(['slow', `kumomta.source_selection_rate.${queue}.a`, 'fast']);
      expect(used(rooms)).toEqual(['b']);
    },
  );
});

test('weights hold over the sources of a pool; ready queues are made when they are chosen', async () => {
  const rooms = pooled({ get_egress_pool: () => pool(['a', 3], ['b', 1], ['never', 0]) });
  await rooms.receive(['first@dest.example']);
  await rooms.clock.advance(SECOND);
  expect([...rooms.ready.live()].map(({ source }) => source.name)).toEqual(['a']);
  await rooms.receive(many(39));
  await rooms.clock.advance(MINUTE);
  expect(used(rooms).filter((name) => name === 'a')).toHaveLength(30);
  expect(used(rooms).filter((name) => name === 'b')).toHaveLength(10);
});

test('a live ready queue keeps its source while policy is the same', async () => {
  let generation = 'one';
  const rooms = pooled({
    get_egress_pool: () => pool('a'),
    get_egress_source: (name: string) =>
      returns(
        new EgressSource(
          parseOptions(egressSourceOptions, { name, ehlo_domain: `${generation}.example`, ttl: '1s' }),
        ),
      ),
    get_egress_path_config: () => pathConfig({ max_deliveries_per_connection: 1 }),
  });
  const greeting = async (): Promise<string | undefined> => {
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    return rooms.peers.commands.findLast((command) => command.startsWith('EHLO'));
  };
  expect(await greeting()).toBe('EHLO one.example');
  generation = 'two';
  await rooms.clock.advance(5 * MINUTE);
  expect(await greeting()).toBe('EHLO one.example');
  await rooms.clock.advance(11 * MINUTE);
  expect(await greeting()).toBe('EHLO two.example');
});
