import { describe, expect, test } from 'vitest';
import { LocalLeases } from '../../../src/io/limits/index.ts';
import type { DeliveryEvent, Leases, ThrottleSpec, Throttles } from '../../../src/model/index.ts';
import { mailRooms, pathConfig, type Rooms, transaction } from '../../kit/mail-rooms.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const many = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@dest.example`);
const ofType = (rooms: Rooms, type: DeliveryEvent['type']): DeliveryEvent[] =>
  rooms.events.filter((event) => event.type === type);
const withPath = (path: object): Rooms => mailRooms({ get_egress_path_config: () => pathConfig(path) });
const connections = ({ peers }: Rooms): number =>
  peers.commands.filter((command) => command.startsWith('EHLO')).length;
const hosts = (rooms: Rooms): string[] =>
  rooms.events
    .filter(({ type, peer }) => type !== 'Reception' && peer != null)
    .map(({ type, peer }) => `${type} ${peer!.name.split('.')[0]}`);
const attempts = (rooms: Rooms): number[] =>
  [...rooms.spool.content.values()].map(({ progress }) => progress.attempts);
/** Has the peer go away at a command, `times` times. */
function goesAwayAt(rooms: Rooms, command: string, times: number, how = 'hangup'): void {
  let left = times;
  rooms.peers.answer = (heard) => (heard.startsWith(command) && left-- > 0 ? how : undefined);
}

describe('throttles before a message is sent', () => {
  test('are asked slowest rate first, with the names of delivery.md section 7', async () => {
    const asked: string[] = [];
    const throttles: Throttles = {
      admit: (key: string, spec: ThrottleSpec) => {
        asked.push(key);
        return Promise.resolve({
          throttled: false,
          limit: spec.limit,
          remaining: 1,
          resetAfter: 0,
          retryAfter: undefined,
        });
      },
    };
    const path = {
      max_connection_rate: '5/s',
      max_message_rate: '10/s',
      additional_message_rate_throttles: { 'per-day': '100/day', fast: '1000/s' },
    };
    const rooms = mailRooms({ get_egress_path_config: () => pathConfig(path) }, undefined, undefined, {
      throttles,
    });
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    const queue = 'unspecified->(mx1|mx2).dest.example@smtp_client';
    expect(asked).toEqual([
      'per-day',
      `kumomta.max_message_rate.${queue}`,
      'fast',
      `${queue}-connection-rate`,
    ]);
    expect(rooms.records()).toContain('Delivery 250');
  });

  test('an additional rate shorter than idle_timeout is slept out over the connection', async () => {
    const rooms = withPath({
      connection_limit: 1,
      additional_message_rate_throttles: { tenant: '2/s,max_burst=1' },
    });
    await rooms.receive(many(4));
    await rooms.clock.advance(3 * SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(4);
    expect(ofType(rooms, 'Delayed')).toHaveLength(0);
    expect(connections(rooms)).toBe(1);
  });

  test('a wait of at least idle_timeout sends the whole ready queue back with it, uncounted', async () => {
    const rooms = withPath({
      connection_limit: 1,
      idle_timeout: '5s',
      additional_message_rate_throttles: { tenant: '1/min,max_burst=1' },
    });
    await rooms.receive(many(3));
    const start = rooms.clock.now();
    await rooms.clock.advance(SECOND);
    const delays = ofType(rooms, 'Delayed').map(({ response }) => response.content);
    expect(delays).toHaveLength(2);
    for (const text of delays) expect(text).toMatch(/^Context: MessageRateThrottle\. Next due in (59s|1m)/);
    const progress = [...rooms.spool.content.values()].map(({ progress }) => progress);
    expect(progress.map(({ attempts }) => attempts)).toEqual([0, 0]);
    for (const { due } of progress) expect(due - start).toBeGreaterThan(58 * SECOND);
  });

  test('max_connection_rate is asked for each candidate; a long wait sends the queue back', async () => {
    const rooms = withPath({ connection_limit: 1, max_connection_rate: '1/min,max_burst=1' });
    rooms.peers.dead.add('192.0.2.1');
    await rooms.receive(many(3));
    await rooms.clock.advance(SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(0);
    expect(ofType(rooms, 'Delayed').map(({ response }) => response.content.split('.')[0])).toEqual(
      new Array(3).fill('Context: ConnectionRateThrottle'),
    );
    expect(attempts(rooms)).toEqual([0, 0, 0]);
  });
});

describe('reconnect_strategy, when a connection is lost after a message', () => {
  test.each([
    ['ConnectNextHost', ['mx1', 'mx2']],
    ['ReconnectSameHost', ['mx1', 'mx1']],
    ['TerminateSession', ['mx1', 'mx1']],
  ])('%s', async (reconnect_strategy, expected) => {
    const rooms = withPath({ connection_limit: 1, reconnect_strategy });
    goesAwayAt(rooms, 'MAIL', 1, '421 4.3.2 closing');
    await rooms.receive(many(2));
    await rooms.clock.advance(SECOND);
    const names = hosts(rooms).map((entry) => entry.split(' ')[1]);
    expect(names).toEqual(expected);
    expect(rooms.records()).toEqual([
      'Reception 250',
      'Reception 250',
      'TransientFailure 421',
      'Delivery 250',
    ]);
    expect(connections(rooms)).toBe(2);
  });

  test.each([
    ['ConnectNextHost', 1],
    ['ReconnectSameHost', 1],
    ['TerminateSession', 2],
  ])('%s: sessions that it takes', async (reconnect_strategy, sessions) => {
    const leases = new LocalLeases();
    let taken = 0;
    const counting: Leases = {
      tryAcquire: (key, limit) => {
        const lease = leases.tryAcquire(key, limit);
        if (lease !== undefined) taken++;
        return lease;
      },
      want: (key, retry) => leases.want(key, retry),
    };
    const path = { connection_limit: 1, reconnect_strategy };
    const rooms = mailRooms({ get_egress_path_config: () => pathConfig(path) }, undefined, undefined, {
      leases: counting,
    });
    goesAwayAt(rooms, 'MAIL', 1, '421 4.3.2 closing');
    await rooms.receive(many(2));
    await rooms.clock.advance(SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(1);
    expect(taken).toBe(sessions);
  });
});

describe('a connection that goes while it is kept', () => {
  const silent = async (path: object): Promise<Rooms> => {
    const rooms = withPath({ connection_limit: 1, ...path });
    rooms.peers.dead.add('192.0.2.2');
    goesAwayAt(rooms, 'RSET', 1);
    await rooms.receive(many(2));
    await rooms.clock.advance(SECOND);
    return rooms;
  };

  test('without a word, with a host left: the message goes there, uncharged', async () => {
    const rooms = withPath({ connection_limit: 1 });
    goesAwayAt(rooms, 'RSET', 1);
    await rooms.receive(many(2));
    await rooms.clock.advance(SECOND);
    expect(hosts(rooms)).toEqual(['Delivery mx1', 'Delivery mx2']);
    expect(ofType(rooms, 'Delivery').map(({ attempts }) => attempts)).toEqual([0, 0]);
  });

  test('without a word, the plan used up: back for up to a minute, uncounted, DispatcherDrop', async () => {
    const rooms = await silent({});
    expect(ofType(rooms, 'Delivery')).toHaveLength(1);
    expect(ofType(rooms, 'Delayed').map(({ response }) => response.content)).toEqual([
      expect.stringMatching(/^Context: DispatcherDrop\. Next due in 30s/),
    ]);
    expect(attempts(rooms)).toEqual([0]);
    await rooms.clock.advance(MINUTE);
    expect(ofType(rooms, 'Delivery')).toHaveLength(2);
    expect(ofType(rooms, 'TransientFailure')).toHaveLength(0);
  });

  test('with a word, the plan used up: a fresh connection has it at once', async () => {
    const rooms = withPath({ connection_limit: 1, reconnect_strategy: 'TerminateSession' });
    rooms.peers.answer = (command) => (command === '.' ? '250 2.0.0 OK\r\n421 4.3.2 bye' : undefined);
    await rooms.receive(many(3));
    await rooms.clock.advance(SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(3);
    expect(ofType(rooms, 'Delayed')).toHaveLength(0);
    expect(connections(rooms)).toBe(3);
  });
});

describe('try_next_host_on_transport_error', () => {
  test.each([
    ['a 421', '421 4.3.2 closing', 'TransientFailure mx1'],
    ['a lost connection', 'hangup', 'TransientFailure mx1'],
  ])(
    'after %s the same message goes to the next host at once, its failure on record',
    async (_, how, first) => {
      const rooms = withPath({ connection_limit: 1, try_next_host_on_transport_error: true });
      goesAwayAt(rooms, 'MAIL', 1, how);
      await rooms.receive(['a@dest.example']);
      await rooms.clock.advance(SECOND);
      expect(hosts(rooms)).toEqual([first, 'Delivery mx2']);
      expect(rooms.spool.content.size).toBe(0);
    },
  );

  test('without it the message waits for its next attempt', async () => {
    const rooms = withPath({ connection_limit: 1 });
    goesAwayAt(rooms, 'MAIL', 1, '421 4.3.2 closing');
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(hosts(rooms)).toEqual(['TransientFailure mx1']);
    expect(attempts(rooms)).toEqual([1]);
  });

  test('recipients who are served are not sent to again, also after a restart', async () => {
    const rooms = withPath({
      connection_limit: 1,
      try_next_host_on_transport_error: true,
      max_recipients_per_batch: 1,
    });
    let mails = 0;
    rooms.peers.answer = (command) =>
      command.startsWith('MAIL') && ++mails === 2 ? '421 4.3.2 closing' : undefined;
    const received = transaction(
      rooms.clock,
      ['a@dest.example', 'b@dest.example', 'c@dest.example'],
      'Subject: x\r\n\r\nhi\r\n',
    );
    received.listener = { ...received.listener, batch_handling: 'BatchByDomain' };
    await rooms.reception.receive(received);
    await rooms.clock.advance(SECOND);
    const served = ofType(rooms, 'Delivery').map(({ peer, recipients }) => [
      peer!.name.split('.')[0],
      ...recipients!,
    ]);
    expect(served).toEqual([
      ['mx1', 'a@dest.example'],
      ['mx2', 'b@dest.example', 'c@dest.example'],
    ]);
    expect(ofType(rooms, 'TransientFailure').flatMap(({ recipients }) => recipients)).toEqual([
      'b@dest.example',
      'c@dest.example',
    ]);
    expect(rooms.spool.content.size).toBe(0);
  });
});

describe('failed connections in a row', () => {
  test('N lets N + 1 pass; then each further one puts the whole queue back; a connection forgives', async () => {
    const rooms = withPath({ connection_limit: 1, consecutive_connection_failures_before_delay: 1 });
    rooms.peers.dead.add('192.0.2.1').add('192.0.2.2');
    await rooms.receive(many(6));
    await rooms.clock.advance(SECOND);
    const texts = (): string[] => ofType(rooms, 'TransientFailure').map(({ response }) => response.content);
    expect(texts().filter((text) => text.includes('candidate hosts'))).toHaveLength(3);
    expect(texts().filter((text) => text.startsWith('bulk delay'))).toHaveLength(3);
    expect(attempts(rooms)).toEqual(new Array(6).fill(1));
    rooms.peers.dead.clear();
    await rooms.receive(['well@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(1);
    rooms.peers.dead.add('192.0.2.1').add('192.0.2.2');
    await rooms.clock.advance(10 * SECOND);
    await rooms.receive(['v1@dest.example', 'v2@dest.example']);
    await rooms.clock.advance(SECOND);
    expect(texts().filter((text) => text.startsWith('bulk delay'))).toHaveLength(3);
  });
});

describe('a session that does not move', () => {
  test('is given up after the watchdog timeout: uncounted, with the Delayed record that says so', async () => {
    const rooms = withPath({ connection_limit: 1, dispatcher_progress_watchdog_timeout: '20s' });
    let hangs = true;
    rooms.peers.answer = (command) => {
      if (command !== '.' || !hangs) return undefined;
      hangs = false;
      return 'silence';
    };
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(21 * SECOND);
    expect(ofType(rooms, 'TransientFailure')).toHaveLength(0);
    expect(ofType(rooms, 'Delayed').map(({ response }) => response)).toEqual([
      expect.objectContaining({
        code: 451,
        content: 'dispatcher watchdog aborted task; no progress for 20s',
      }),
    ]);
    expect(attempts(rooms)).toEqual([0]);
    await rooms.clock.advance(2 * MINUTE);
    expect(ofType(rooms, 'Delivery')).toHaveLength(1);
  });

  test('an idle connection and a throttled one are no such sessions', async () => {
    const rooms = withPath({
      connection_limit: 1,
      idle_timeout: '60s',
      dispatcher_progress_watchdog_timeout: '5s',
      max_message_rate: '2/min,max_burst=1',
    });
    await rooms.receive(many(2));
    await rooms.clock.advance(50 * SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(2);
    expect(ofType(rooms, 'Delayed')).toHaveLength(0);
    expect(connections(rooms)).toBe(1);
  });
});

describe('stopping', () => {
  test('waits for what is being sent, until system_shutdown_timeout; the message stays as it was', async () => {
    const rooms = withPath({ connection_limit: 1, system_shutdown_timeout: '30s' });
    rooms.peers.answer = (command) => (command === '.' ? 'silence' : undefined);
    await rooms.receive(['a@dest.example']);
    await rooms.clock.advance(SECOND);
    let stopped = false;
    await rooms.queues.stop();
    void rooms.ready.stop().then(() => {
      stopped = true;
    });
    await rooms.clock.advance(29 * SECOND);
    expect(stopped).toBe(false);
    await rooms.clock.advance(2 * SECOND);
    expect(stopped).toBe(true);
    expect(attempts(rooms)).toEqual([0]);
    expect(rooms.records()).toEqual(['Reception 250']);
    expect(rooms.peers.open).toBe(0);
  });
});

describe('aggressive_connection_opening', () => {
  test('connects before it takes a message', async () => {
    for (const [aggressive, waiting] of [
      [false, 0],
      [true, 1],
    ] as const) {
      const rooms = withPath({ connection_limit: 1, aggressive_connection_opening: aggressive });
      rooms.peers.answer = (command) => (command === 'CONNECT' ? 'silence' : undefined);
      await rooms.receive(['a@dest.example']);
      await rooms.clock.advance(SECOND);
      expect(rooms.peers.open).toBe(1);
      expect([...rooms.ready.live()].map(({ length }) => length)).toEqual([waiting]);
    }
  });

  test('delivers, and charges one message when nobody answers', async () => {
    const rooms = withPath({ connection_limit: 1, aggressive_connection_opening: true });
    await rooms.receive(many(3));
    await rooms.clock.advance(20 * SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(3);
    rooms.peers.dead.add('192.0.2.1').add('192.0.2.2');
    await rooms.receive(many(1));
    await rooms.clock.advance(SECOND);
    expect(ofType(rooms, 'TransientFailure')).toHaveLength(1);
    expect(attempts(rooms)).toEqual([1]);
  });
});

test('max_deliveries_per_connection = 0 sets no limit', async () => {
  for (const [max_deliveries_per_connection, expected] of [
    [2, 3],
    [0, 1],
  ] as const) {
    const rooms = withPath({ connection_limit: 1, max_deliveries_per_connection });
    await rooms.receive(many(6));
    await rooms.clock.advance(SECOND);
    expect(ofType(rooms, 'Delivery')).toHaveLength(6);
    expect(connections(rooms)).toBe(expected);
  }
});

test('a lowered connection_limit closes what is too much after the message in hand', async () => {
  let limit = 5;
  const rooms = mailRooms({
    get_egress_path_config: () => pathConfig({ connection_limit: limit, max_message_rate: '20/s' }),
  });
  await rooms.receive(many(300));
  await rooms.clock.advance(SECOND);
  expect(rooms.peers.open).toBe(5);
  limit = 2;
  rooms.queues.refresh();
  rooms.ready.refresh();
  await rooms.clock.advance(2 * SECOND);
  expect(rooms.peers.open).toBe(2);
});
