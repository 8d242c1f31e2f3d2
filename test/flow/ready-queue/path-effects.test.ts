import { describe, expect, test } from 'vitest';
import { LocalLeases, LocalThrottles } from '../../../src/io/limits/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { DeliveryEvent, Leases, PolicyResult, Throttles } from '../../../src/model/index.ts';
import {
  EgressPool,
  EgressSource,
  egressPoolOptions,
  egressSourceOptions,
} from '../../../src/model/options/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import {
  mailRooms,
  pathConfig,
  queueConfig,
  type Rooms,
  returns,
  transaction,
} from '../../kit/mail-rooms.ts';

const SECOND = 1000;

interface Given {
  queue?: object;
  path?: object | (() => object);
  source?: object;
  /** Names of the sources; default one. */
  sources?: string[];
}

function roomsWith({ queue = {}, path = {}, source = {}, sources = ['a'] }: Given): Rooms {
  const pool = parseOptions(egressPoolOptions, { name: 'p', entries: sources.map((name) => ({ name })) });
  return mailRooms({
    get_queue_config: () => queueConfig({ egress_pool: 'p', ...queue }),
    get_egress_pool: () => returns(new EgressPool(pool)),
    get_egress_source: (name: string): PolicyResult =>
      returns(new EgressSource(parseOptions(egressSourceOptions, { name, ...source }))),
    get_egress_path_config: () => pathConfig(typeof path === 'function' ? path() : path),
  } as Parameters<typeof mailRooms>[0]);
}

async function send(rooms: Rooms, recipients = ['a@dest.example']): Promise<void> {
  await rooms.receive(recipients);
  await rooms.clock.advance(SECOND);
}

const last = (rooms: Rooms): DeliveryEvent => rooms.events.at(-1)!;

describe('the name in EHLO', () => {
  test.each<[string, Given]>([
    ['mta.example', {}],
    ['source.example', { source: { ehlo_domain: 'source.example' } }],
    ['path.example', { source: { ehlo_domain: 'source.example' }, path: { ehlo_domain: 'path.example' } }],
  ])('%s', async (name, given) => {
    const rooms = roomsWith(given);
    await send(rooms);
    expect(rooms.peers.commands[0]).toBe(`EHLO ${name}`);
  });
});

describe('the port', () => {
  const listed = { protocol: { smtp: { mx_list: ['mx1.dest.example:27'] } } };

  test.each<[number, Given]>([
    [25, {}],
    [26, { path: { smtp_port: 26 } }],
    [27, { path: { smtp_port: 26 }, queue: listed }],
    [28, { path: { smtp_port: 26 }, queue: listed, source: { remote_port: 28 } }],
  ])('%i', async (port, given) => {
    const rooms = roomsWith(given);
    await send(rooms);
    expect(rooms.peers.dials[0]!.port).toBe(port);
  });
});

test('connect_timeout is that of the dial', async () => {
  const rooms = roomsWith({ path: { connect_timeout: '7s' } });
  await send(rooms);
  expect(rooms.peers.dials[0]!.timeout).toBe(7000);
});

test.each<[string | undefined, Given]>([
  [undefined, {}],
  ['queue', { queue: { provider_name: 'queue' } }],
  ['path', { queue: { provider_name: 'queue' }, path: { provider_name: 'path' } }],
])('records name the provider %s', async (provider, given) => {
  const rooms = roomsWith(given);
  await send(rooms);
  expect(last(rooms)).toMatchObject({ type: 'Delivery' });
  expect(last(rooms).providerName).toBe(provider);
});

test('what waits in a ready queue goes in the order in which it came', async () => {
  const rooms = roomsWith({ path: { connection_limit: 1 } });
  const names = Array.from({ length: 20 }, (_, n) => `u${n}@dest.example`);
  await Promise.all(names.map((name) => rooms.receive([name])));
  await rooms.clock.advance(10 * SECOND);
  const delivered = rooms.events.filter(({ type }) => type === 'Delivery');
  expect(delivered.flatMap(({ recipients }) => recipients)).toEqual(names);
});

test('a connection extends its slot before each message, and ends when it has lost it', async () => {
  const local = new LocalLeases();
  let extended = 0;
  const leases: Leases = {
    tryAcquire(key, limit) {
      const lease = local.tryAcquire(key, limit);
      return lease && Object.assign(lease, { extend: () => Promise.resolve(++extended !== 3) });
    },
    want: (key, retry) => local.want(key, retry),
  };
  const rooms = mailRooms(
    { get_egress_path_config: () => pathConfig({ connection_limit: 1 }) },
    ...([undefined, undefined, { leases }] as const),
  );
  await rooms.receive(['a@dest.example', 'b@dest.example', 'c@dest.example', 'd@dest.example']);
  await rooms.clock.advance(SECOND);
  const sessions = rooms.events.filter(({ type }) => type === 'Delivery').map(({ sessionId }) => sessionId);
  // The third goes over another connection, uncharged.
  expect(sessions).toHaveLength(4);
  expect(sessions.map((id) => sessions.indexOf(id))).toEqual([0, 0, 2, 2]);
  expect(extended).toBe(5);
  expect(rooms.records().filter((record) => record.startsWith('Delayed'))).toEqual([]);
  expect(rooms.peers.peak).toBe(1);
});

test('a peer that takes leave while nobody asks it anything: the next message has a fresh connection at once', async () => {
  const rooms = roomsWith({ path: { connection_limit: 1, reconnect_strategy: 'TerminateSession' } });
  await send(rooms);
  expect(rooms.peers.open).toBe(1);
  rooms.peers.say('421 4.4.2 idle too long');
  await send(rooms, ['b@dest.example']);
  expect(rooms.records()).toEqual(['Reception 250', 'Delivery 250', 'Reception 250', 'Delivery 250']);
  expect(last(rooms).attempts).toBe(0);
  expect(rooms.peers.dials).toHaveLength(2);
});

test('the rate of a scheduled queue is one by its name, for whoever shares it', async () => {
  const asked: string[] = [];
  const local = new LocalThrottles(new FakeClock());
  const throttles: Throttles = {
    admit(key, spec) {
      asked.push(key);
      return local.admit(key, spec);
    },
  };
  const rooms = mailRooms(
    { get_queue_config: () => queueConfig({ max_message_rate: '10/s' }) },
    ...([undefined, undefined, { throttles }] as const),
  );
  await send(rooms);
  expect(asked).toEqual(['schedq-dest.example-message-rate']);
});

test('one long wait of a rate sends all of a ready queue back; the rate is not asked for each', async () => {
  const local = new LocalThrottles(new FakeClock());
  let refused = 0;
  const throttles: Throttles = {
    admit(key, spec) {
      const verdict = local.admit(key, spec);
      if (verdict.throttled) refused++;
      return verdict;
    },
  };
  const rooms = mailRooms(
    {
      get_egress_path_config: () =>
        pathConfig({ connection_limit: 1, max_message_rate: '1/min,max_burst=1' }),
    },
    ...([undefined, undefined, { throttles }] as const),
  );
  await rooms.receive(Array.from({ length: 20 }, (_, n) => `u${n}@dest.example`));
  await rooms.clock.advance(100);
  expect(rooms.records().filter((record) => record === 'Delayed 400')).toHaveLength(19);
  expect(refused).toBe(1);
});

test.each([
  ['421 to MAIL', 'MAIL', '421 4.3.2 closing'],
  ['a refused EHLO', 'EHLO', '421 4.3.2 closing'],
  ['AUTH that is not offered', 'never', ''],
])(
  'a slot is free when the connection is closed, not while the peer lets QUIT wait: %s',
  async (_, at, answer) => {
    const rooms = roomsWith({
      path: {
        ...{ connection_limit: 1, reconnect_strategy: 'TerminateSession', skip_hosts: ['192.0.2.2'] },
        ...(at === 'never' && { smtp_auth_plain_username: 'u', allow_smtp_auth_plain_without_tls: true }),
      },
    });
    rooms.peers.answer = (command) => {
      if (command === 'QUIT') return 'silence';
      return command.startsWith(at) ? answer : undefined;
    };
    await rooms.receive(Array.from({ length: 4 }, (_, n) => `u${n}@dest.example`));
    await rooms.clock.advance(20 * SECOND);
    expect(rooms.events.filter(({ type }) => type === 'TransientFailure')).toHaveLength(4);
    expect(rooms.peers.peak).toBe(1);
    expect(rooms.peers.open).toBe(0);
  },
);

test('recipients with the same answer share a record, others have their own', async () => {
  const rooms = roomsWith({});
  rooms.peers.answer = (command) => {
    if (command.startsWith('RCPT TO:<bad')) return '550 5.1.1 unknown';
    return command.startsWith('RCPT TO:<later') ? `451 4.2.1 ${command.slice(9, 16)}` : undefined;
  };
  const names = ['a', 'bad1', 'later1', 'b', 'bad2', 'later2', 'c'].map((name) => `${name}@dest.example`);
  const received = transaction(rooms.clock, names, 'Subject: x\r\n\r\nhi\r\n');
  received.listener = { ...received.listener, batch_handling: 'BatchByDomain' };
  await rooms.reception.receive(received);
  await rooms.clock.advance(SECOND);
  const shared = rooms.events
    .slice(1)
    .map(({ type, recipients }) => [type, ...recipients!.map((name) => name.split('@')[0])]);
  expect(shared).toEqual([
    ['Delivery', 'a', 'b', 'c'],
    // The command is part of the answer.
    ['Bounce', 'bad1'],
    ['TransientFailure', 'later1'],
    ['Bounce', 'bad2'],
    ['TransientFailure', 'later2'],
  ]);
});

test('a smaller max_ready sends the newest back, uncounted', async () => {
  let max_ready = 10;
  const rooms = roomsWith({ path: () => ({ connection_limit: 1, max_ready }) });
  rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
  for (let n = 0; n < 6; n++) await send(rooms, [`u${n}@dest.example`]);
  const lengths = (): number[] => [...rooms.ready.live()].map(({ length }) => length);
  // One is in the hand of the connection.
  expect(lengths()).toEqual([5]);
  max_ready = 2;
  rooms.ready.refresh();
  await rooms.clock.advance(100);
  expect(lengths()).toEqual([2]);
  const delays = rooms.events.filter(({ type }) => type === 'Delayed');
  expect(delays.map(({ response }) => response.content.split('.')[0])).toEqual(
    new Array(3).fill('Context: MaxReadyWasReducedByConfigUpdate'),
  );
  const went = delays.map(({ subject }) => (subject as { recipients: unknown[] }).recipients.join());
  expect(went.sort()).toEqual(['u3@dest.example', 'u4@dest.example', 'u5@dest.example']);
  expect([...rooms.spool.content.values()].map(({ progress }) => progress.attempts)).toEqual(
    new Array(6).fill(0),
  );
});

describe('a source whose address this machine does not have', () => {
  const plumbed = { source_address: '192.0.2.9' };

  test('fails the attempt with words of its own', async () => {
    const rooms = roomsWith({ source: plumbed });
    rooms.peers.unplumbed.add('192.0.2.9');
    await send(rooms);
    expect(last(rooms)).toMatchObject({ type: 'TransientFailure', response: { code: 400 } });
    expect(last(rooms).response.content).toContain(
      'failed to connect to any candidate hosts: the source address is not one of this machine (all hosts): ',
    );
  });

  test('is left out with suspend_when_unplumbed', async () => {
    const rule = { trigger: 'Immediate', duration: '5m' };
    const rooms = roomsWith({ source: { ...plumbed, suspend_when_unplumbed: rule } });
    rooms.peers.unplumbed.add('192.0.2.9');
    await send(rooms);
    expect(rooms.ready.suspendedSources()).toMatchObject([{ source: 'a', why: 'Unplumbed' }]);
    const dialled = rooms.peers.dials.length;
    await send(rooms, ['b@dest.example']);
    expect(rooms.peers.dials).toHaveLength(dialled);
    expect(last(rooms).response.content).toContain('are eligible for selection at this time');
  });
});

test('STARTTLS that fails with every host is told with advice, in the mode where it is optional', async () => {
  const texts: string[] = [];
  for (const enable_tls of ['OpportunisticInsecure', 'RequiredInsecure']) {
    const rooms = roomsWith({ path: { enable_tls } });
    rooms.peers.answer = (command) => {
      if (command.startsWith('EHLO')) return '250-peer\r\n250 STARTTLS';
      // No handshake may follow that.
      return command === 'STARTTLS' ? '220 go on\r\n250 injected' : undefined;
    };
    await send(rooms);
    expect(rooms.records().at(-1)).toBe('TransientFailure 400');
    texts.push(last(rooms).response.content);
  }
  const advice = 'STARTTLS is what failed with all hosts, which enable_tls=Disabled avoids: ';
  expect(texts.map((text) => text.includes(`candidate hosts: ${advice}`))).toEqual([true, false]);
});
