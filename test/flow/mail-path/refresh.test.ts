import { describe, expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { PolicyResult } from '../../../src/model/index.ts';
import {
  EgressPool,
  EgressSource,
  egressPoolOptions,
  egressSourceOptions,
} from '../../../src/model/options/index.ts';
import { mailRooms, pathConfig, queueConfig, type Rooms, returns } from '../../kit/mail-rooms.ts';

/** Policy has changed: what a shard tells its rooms after a switch. */
function changed({ queues, ready }: Rooms): void {
  queues.refresh();
  ready.refresh();
}

const pool = (name: string, source: string): PolicyResult =>
  returns(new EgressPool(parseOptions(egressPoolOptions, { name, entries: [{ name: source }], ttl: '1h' })));
const source = (name: string, ehlo_domain: string): PolicyResult =>
  returns(new EgressSource(parseOptions(egressSourceOptions, { name, ehlo_domain, ttl: '1h' })));
const error = (): PolicyResult => ({ kind: 'error', message: 'init.lua:1: no' });

const MINUTE = 60_000;

async function send(rooms: Rooms): Promise<void> {
  await rooms.receive(['a@dest.example']);
  await rooms.clock.advance(10);
}

const greetings = ({ peers }: Rooms): string[] =>
  peers.commands.filter((command) => command.startsWith('EHLO'));

test('queue, pool, source and path are those of the new policy from the next message on', async () => {
  let generation = 'one';
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({ egress_pool: `pool-${generation}`, refresh_interval: '1h' }),
    get_egress_pool: (name: string) => pool(name, 'source'),
    get_egress_source: (name: string) => source(name, `${generation}.example`),
    get_egress_path_config: () => pathConfig({ max_deliveries_per_connection: 1, refresh_interval: '1h' }),
  });
  await send(rooms);
  generation = 'two';
  await send(rooms);
  expect(greetings(rooms)).toEqual(['EHLO one.example', 'EHLO one.example']);
  changed(rooms);
  await send(rooms);
  expect(greetings(rooms).at(-1)).toBe('EHLO two.example');
  const pools = rooms.events.filter(({ type }) => type === 'Delivery').map(({ pool }) => pool);
  expect(pools).toEqual(['pool-one', 'pool-one', 'pool-two']);
});

test('what fails in the new policy stays as it was', async () => {
  let isBroken = false;
  const rooms = mailRooms({
    get_queue_config: () => (isBroken ? error() : queueConfig({ egress_pool: 'pool' })),
    get_egress_pool: (name: string) => pool(name, 'source'),
    get_egress_source: (name: string) => (isBroken ? error() : source(name, 'one.example')),
    get_egress_path_config: () => (isBroken ? error() : pathConfig({ max_deliveries_per_connection: 1 })),
  });
  await send(rooms);
  isBroken = true;
  changed(rooms);
  await send(rooms);
  expect(rooms.records().filter((record) => record === 'Delivery 250')).toHaveLength(2);
  expect(greetings(rooms)).toEqual(['EHLO one.example', 'EHLO one.example']);
});

test('a line that is held by a rate goes on at once when the rate is lifted', async () => {
  let rate: string | undefined = '1/hour';
  const rooms = mailRooms({
    get_queue_config: () => queueConfig(rate === undefined ? {} : { max_message_rate: rate }),
  });
  for (let i = 0; i < 3; i++) await send(rooms);
  const delivered = () => rooms.records().filter((record) => record === 'Delivery 250').length;
  const before = delivered();
  expect(before).toBeLessThan(3);
  await rooms.clock.advance(1000);
  expect(delivered()).toBe(before);
  rate = undefined;
  changed(rooms);
  await rooms.clock.advance(100);
  expect(delivered()).toBe(3);
});

test('a look-up that failed is repeated at once', async () => {
  let isBroken = true;
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({ egress_pool: 'pool', retry_interval: '10s' }),
    get_egress_pool: (name: string) => (isBroken ? error() : pool(name, 'source')),
    get_egress_source: (name: string) => source(name, 'one.example'),
  });
  await send(rooms);
  expect(rooms.records()).not.toContain('Delivery 250');
  isBroken = false;
  changed(rooms);
  await rooms.clock.advance(11_000);
  expect(rooms.records().at(-1)).toBe('Delivery 250');
});

test('a path that changed while mail flows applies to the busy queue, whose connection goes on', async () => {
  let limit = 1;
  const rooms = mailRooms({
    get_egress_path_config: () => pathConfig({ connection_limit: limit, refresh_interval: '1h' }),
  });
  await send(rooms);
  expect(rooms.peers.open).toBe(1);
  limit = 5;
  changed(rooms);
  await rooms.clock.advance(10);
  const [queue] = [...rooms.ready.live()];
  expect(queue?.path.connection_limit).toMatchObject({ limit: 5 });
  expect(rooms.peers.open).toBe(1);
});

describe.each([
  ['Ttl', true],
  ['Epoch', false],
])('refresh_strategy %s', (refresh_strategy, isByTime) => {
  test('of a queue: a live one has the new value after refresh_interval, or after a new generation', async () => {
    let retry = '1h';
    const rooms = mailRooms({
      get_queue_config: () =>
        queueConfig({ refresh_strategy, refresh_interval: '1m', retry_interval: retry }),
    });
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 no' : undefined);
    const waitOf = async (name: string): Promise<number> => {
      await rooms.receive([`${name}@dest.example`]);
      await rooms.clock.advance(10);
      // The answer comes behind a message that found the old one too old.
      await rooms.receive([`${name}@dest.example`]);
      await rooms.clock.advance(10);
      const [last] = [...rooms.spool.content.values()].slice(-1);
      return Math.round((last!.progress.due - rooms.clock.now()) / MINUTE);
    };
    expect(await waitOf('a')).toBe(60);
    retry = '5m';
    await rooms.clock.advance(2 * MINUTE);
    expect(await waitOf('b')).toBe(isByTime ? 5 : 60);
    changed(rooms);
    expect(await waitOf('c')).toBe(5);
  });

  test('of a path: a busy ready queue has it, and keeps its connection', async () => {
    let max_ready = 100;
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ refresh_strategy, refresh_interval: '1m', max_ready, idle_timeout: '10m' }),
    });
    const seen = (): number => [...rooms.ready.live()][0]!.path.max_ready;
    await send(rooms);
    max_ready = 7;
    await rooms.clock.advance(75_000);
    expect(seen()).toBe(isByTime ? 7 : 100);
    changed(rooms);
    await rooms.clock.advance(10);
    expect(seen()).toBe(7);
    expect(greetings(rooms)).toHaveLength(1);
    expect(rooms.peers.open).toBe(1);
  });

  test('of a path: a ready queue that is idle whenever it is looked at has it too', async () => {
    let max_ready = 100;
    const rooms = mailRooms({
      get_egress_path_config: () =>
        pathConfig({ refresh_strategy, refresh_interval: '1m', max_ready, max_deliveries_per_connection: 1 }),
    });
    for (let minute = 0; minute < 5; minute++) {
      await send(rooms);
      max_ready = 7;
      await rooms.clock.advance(MINUTE);
    }
    const [queue] = [...rooms.ready.live()];
    expect(queue!.path.max_ready).toBe(isByTime ? 7 : 100);
  });

  test('of a queue whose line is held by a rate', async () => {
    let rate = '1/day';
    const rooms = mailRooms({
      get_queue_config: () =>
        queueConfig({ refresh_strategy, refresh_interval: '1m', max_message_rate: rate }),
    });
    for (let i = 0; i < 4; i++) await send(rooms);
    const delivered = (): number => rooms.records().filter((record) => record === 'Delivery 250').length;
    expect(delivered()).toBe(1);
    rate = '100/s';
    await rooms.clock.advance(3 * MINUTE);
    expect(delivered()).toBe(isByTime ? 4 : 1);
    changed(rooms);
    await rooms.clock.advance(100);
    expect(delivered()).toBe(4);
  });
});

test('pool.ttl: a pool is asked for again after it, and mail follows', async () => {
  let name = 'one';
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({ egress_pool: 'pool' }),
    get_egress_pool: () =>
      returns(
        new EgressPool(parseOptions(egressPoolOptions, { name: 'pool', entries: [{ name }], ttl: '5m' })),
      ),
    get_egress_source: (asked: string) => source(asked, `${asked}.example`),
    get_egress_path_config: () => pathConfig({ max_deliveries_per_connection: 1 }),
  });
  await send(rooms);
  name = 'two';
  await rooms.clock.advance(4 * MINUTE);
  await send(rooms);
  expect(greetings(rooms).at(-1)).toBe('EHLO one.example');
  await rooms.clock.advance(2 * MINUTE);
  await send(rooms);
  expect(greetings(rooms).at(-1)).toBe('EHLO two.example');
});

test('reap_interval: an empty queue is forgotten after it and asked for anew', async () => {
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({ reap_interval: '2m', refresh_interval: '1h' }),
  });
  const asked = (): number => rooms.policy.fired.filter((event) => event === 'get_queue_config').length;
  await send(rooms);
  await rooms.clock.advance(MINUTE);
  await send(rooms);
  expect(asked()).toBe(1);
  await rooms.clock.advance(3 * MINUTE);
  await rooms.receive(['a@other.example']);
  await send(rooms);
  expect([...rooms.queues.live()].map(({ name }) => name).sort()).toEqual(['dest.example', 'other.example']);
  expect(asked()).toBe(3);
});

test('a changed protocol: what waits in the ready queue of the old one goes the new way, uncounted', async () => {
  let host = '[192.0.2.1]';
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({ protocol: { smtp: { mx_list: [host] } }, refresh_interval: '1h' }),
    get_egress_path_config: () => pathConfig({ connection_limit: 1, max_ready: 100 }),
  });
  rooms.peers.answer = (command, address) =>
    command === 'CONNECT' && address === '192.0.2.1' ? 'silence' : undefined;
  for (let i = 0; i < 6; i++) await send(rooms);
  expect([...rooms.ready.live()].map(({ length }) => length)).toEqual([5]);
  host = '[192.0.2.2]';
  changed(rooms);
  await send(rooms);
  await rooms.clock.advance(1000);
  const delivered = rooms.events.filter(({ type }) => type === 'Delivery');
  expect(delivered.map(({ peer, attempts }) => `${peer!.addr} ${attempts}`)).toEqual(
    new Array(6).fill('192.0.2.2 0'),
  );
  expect(rooms.records()).not.toContain('Delayed 400');
});

test('a changed protocol: other queues that share the ready queue are left alone', async () => {
  let host = '[192.0.2.1]';
  const rooms = mailRooms({
    get_queue_config: (domain: string) =>
      queueConfig({
        protocol: { smtp: { mx_list: [domain === 'moves.example' ? host : '[192.0.2.1]'] } },
        refresh_interval: '1h',
      }),
    get_egress_path_config: () => pathConfig({ connection_limit: 1 }),
  });
  rooms.peers.answer = (command, address) =>
    command === 'CONNECT' && address === '192.0.2.1' ? 'silence' : undefined;
  for (const domain of ['stays.example', 'moves.example', 'stays.example', 'moves.example']) {
    await rooms.receive([`a@${domain}`]);
    await rooms.clock.advance(10);
  }
  host = '[192.0.2.2]';
  changed(rooms);
  await rooms.receive(['b@moves.example']);
  await rooms.clock.advance(1000);
  const delivered = rooms.events.filter(({ type }) => type === 'Delivery');
  expect(delivered.map(({ queue }) => queue)).toEqual(new Array(3).fill('moves.example'));
  expect([...rooms.ready.live()].map(({ length }) => length).sort()).toEqual([0, 1]);
});
