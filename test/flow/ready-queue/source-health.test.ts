import { describe, expect, test } from 'vitest';
import { LocalCounters } from '../../../src/io/limits/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { Counters, PolicyResult } from '../../../src/model/index.ts';
import {
  EgressPool,
  EgressSource,
  egressPoolOptions,
  egressSourceOptions,
} from '../../../src/model/options/index.ts';
import { mailRooms, pathConfig, queueConfig, type Rooms, returns } from '../../kit/mail-rooms.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const PROXIES: Record<string, string> = { a: '10.0.0.1', b: '10.0.0.2' };
const many = (count: number, domain = 'dest.example'): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@${domain}`);

/** Mail goes through the sources of one pool, each behind a proxy of its own. */
function proxied(sources: string[], suspend: object, counters: Counters = new LocalCounters()): Rooms {
  const pool = parseOptions(egressPoolOptions, { name: 'p', entries: sources.map((name) => ({ name })) });
  const source = (name: string): PolicyResult =>
    returns(
      new EgressSource(
        parseOptions(egressSourceOptions, {
          name,
          socks5_proxy_server: `${PROXIES[name]}:1080`,
          socks5_proxy_source_address: PROXIES[name],
          ...suspend,
        }),
      ),
    );
  const handlers = {
    get_queue_config: () => queueConfig({ egress_pool: 'p', retry_interval: '10m' }),
    get_egress_pool: () => returns(new EgressPool(pool)),
    get_egress_source: source,
    get_egress_path_config: () => pathConfig({ connection_limit: 1 }),
  };
  return mailRooms(handlers as Parameters<typeof mailRooms>[0], undefined, undefined, { counters });
}

const immediate = { suspend_when_proxy_unhealthy: { trigger: 'Immediate', duration: '5m' } };
const delivered = (rooms: Rooms): (string | undefined)[] =>
  rooms.events.filter(({ type }) => type === 'Delivery').map(({ source }) => source);
const failed = (rooms: Rooms): string[] =>
  rooms.events.filter(({ type }) => type === 'TransientFailure').map(({ response }) => response.content);

describe('a source whose proxy fails', () => {
  test('is left out: its mail goes through another at once, one message has paid', async () => {
    const rooms = proxied(['a', 'b'], immediate);
    rooms.peers.deadProxies.add('10.0.0.1');
    await rooms.receive(many(20));
    await rooms.clock.advance(SECOND);
    expect(delivered(rooms)).toEqual(new Array(19).fill('b'));
    expect(failed(rooms)).toHaveLength(1);
    expect(failed(rooms)[0]).toContain(
      'failed to connect to any candidate hosts: the proxy is what failed (all hosts): ',
    );
    expect(rooms.ready.suspendedSources()).toMatchObject([{ source: 'a', why: 'ProxyUnhealthy' }]);
    rooms.peers.deadProxies.clear();
    await rooms.clock.advance(4 * MINUTE);
    await rooms.receive(many(4));
    await rooms.clock.advance(SECOND);
    expect(delivered(rooms)).toEqual(new Array(23).fill('b'));
    await rooms.clock.advance(MINUTE);
    await rooms.receive(many(4));
    await rooms.clock.advance(SECOND);
    expect(delivered(rooms).slice(23).sort()).toEqual(['a', 'a', 'b', 'b']);
    await rooms.clock.advance(20 * MINUTE);
    expect(delivered(rooms)).toHaveLength(28);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('is left out of every ready queue that it feeds', async () => {
    const rooms = proxied(['a', 'b'], immediate);
    rooms.peers.deadProxies.add('10.0.0.1');
    await rooms.receive(many(6, '[192.0.2.1]'));
    await rooms.receive(many(6, '[192.0.2.2]'));
    await rooms.clock.advance(SECOND);
    expect(delivered(rooms)).toHaveLength(12 - failed(rooms).length);
    expect(failed(rooms).length).toBeLessThanOrEqual(2);
    expect(delivered(rooms)).not.toContain('a');
  });

  test('when none is left, the mail waits with backoff and says why', async () => {
    const rooms = proxied(['a'], immediate);
    rooms.peers.deadProxies.add('10.0.0.1');
    await rooms.receive(many(3));
    await rooms.clock.advance(SECOND);
    expect(delivered(rooms)).toEqual([]);
    expect(failed(rooms).slice(1)).toEqual(
      new Array(2).fill(
        'KumoMTA internal: no sources for dest.example pool=`p` are eligible for selection at this time',
      ),
    );
    rooms.peers.deadProxies.clear();
    await rooms.clock.advance(15 * MINUTE);
    expect(delivered(rooms)).toEqual(['a', 'a', 'a']);
  });

  test('goes on until the threshold is reached', async () => {
    const rooms = proxied(['a', 'b'], {
      suspend_when_proxy_unhealthy: { trigger: { Threshold: '3/hour' }, duration: '5m' },
    });
    rooms.peers.deadProxies.add('10.0.0.1');
    await rooms.receive(many(20, '[192.0.2.1]'));
    await rooms.clock.advance(SECOND);
    expect(failed(rooms)).toHaveLength(3);
    expect(delivered(rooms)).toEqual(new Array(17).fill('b'));
  });

  test('is tried on and on without a rule', async () => {
    const rooms = proxied(['a', 'b'], {});
    rooms.peers.deadProxies.add('10.0.0.1');
    await rooms.receive(many(20));
    await rooms.clock.advance(SECOND);
    expect(failed(rooms)).toHaveLength(10);
    expect(rooms.ready.suspendedSources()).toEqual([]);
  });
});

test('what another shard found out is known before a connection, and costs no attempt', async () => {
  const counters = new LocalCounters();
  const rooms = proxied(['a', 'b'], immediate, counters);
  counters.add('source-suspended a', rooms.clock.monotonic() + MINUTE);
  await rooms.receive(many(10));
  await rooms.clock.advance(SECOND);
  expect(delivered(rooms)).toEqual(new Array(10).fill('b'));
  expect(failed(rooms)).toEqual([]);
  expect(rooms.peers.sources).not.toContain('10.0.0.1');
});

test('a local address that is not there is a rule of its own', async () => {
  const rooms = proxied(['a'], { suspend_when_unplumbed: { trigger: 'Immediate', duration: '5m' } });
  rooms.peers.deadProxies.add('10.0.0.1');
  await rooms.receive(many(2));
  await rooms.clock.advance(SECOND);
  expect(rooms.ready.suspendedSources()).toEqual([]);
});
