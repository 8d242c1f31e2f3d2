import { expect, test } from 'vitest';
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
