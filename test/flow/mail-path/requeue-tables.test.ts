/**
 * The tables of delivery.md sections 4 and 7, row by row: what a message that does not get on is told of, in its
 * record and in requeue_message, whether the attempt counts, and how long it waits. Rows where Moonpost differs on
 * purpose say so.
 */
import { describe, expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { Message, PolicyResult } from '../../../src/model/index.ts';
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
const HOUR = 60 * MINUTE;

interface Row {
  row: string;
  queue?: object;
  path?: object | (() => PolicyResult);
  pool?: (string | [string, number])[];
  handlers?: Record<string, unknown>;
  dead?: boolean;
  recipient?: string;
  /** Replies of the peer. */
  answer?: (command: string) => string | undefined;
  /** Messages that come before the one that is looked at. */
  before?: number;
  /** The record of the message. */
  record: [type: string, code: number, text: string | RegExp];
  /** What requeue_message is told; null when it is not fired. */
  told: [response: string | RegExp, reasons: string[], counted: boolean] | null;
  attempts: number;
  /** From and to, ms; without it the message stays in line. */
  wait?: [number, number];
}

/** retry_interval of one hour, and the jitter of half a minute. */
const BACKOFF: [number, number] = [HOUR - 31 * SECOND, HOUR + 31 * SECOND];
/** Without a count: up to a minute. */
const SHORT: [number, number] = [0, 59 * SECOND];
const REFUSED = ['FailedToInsertIntoReadyQueue', 'LoggedTransientFailure'];
const insertError = (text: string): RegExp =>
  new RegExp(`^451 4\\.4\\.4 KumoMTA internal: \\S+ error while inserting into ready queue: ${text}`);

const promotion: Row[] = [
  {
    row: '4 max_message_rate of the queue: waits in line, requeue_message is not fired (difference)',
    queue: { max_message_rate: '1/20min,max_burst=1' },
    before: 1,
    record: ['Delayed', 400, /^Context: MessageRateThrottle\. Next due in (19|20)m/],
    told: null,
    attempts: 0,
  },
  {
    row: '5 throttle_insert_ready_queue: the due time of the handler is kept (difference)',
    handlers: {
      throttle_insert_ready_queue: (message: Message) => {
        message.due = Date.UTC(2026, 0, 1) + 10 * MINUTE;
        return returns();
      },
    },
    record: ['Delayed', 400, /^Context: Received, ThrottledByThrottleInsertReadyQueue\. Next due in 10m/],
    told: [
      /^451 4\.4\.4 KumoMTA internal: dest\.example throttled by throttle_insert_ready_queue/,
      ['Received', 'ThrottledByThrottleInsertReadyQueue'],
      false,
    ],
    attempts: 0,
    wait: [9 * MINUTE, 10 * MINUTE],
  },
  {
    row: '6a every ready queue full: waits for room (difference), requeue_message is not fired',
    path: { max_ready: 1, connection_limit: 1 },
    answer: (command) => (command === 'CONNECT' ? 'silence' : undefined),
    before: 4,
    record: ['Delayed', 400, /^Context: ReadyQueueWasFull\. Next due in /],
    told: null,
    attempts: 0,
  },
  {
    row: '6b no eligible source',
    pool: ['a'],
    path: { source_selection_rate: '1/day,max_burst=1' },
    before: 1,
    record: [
      'TransientFailure',
      451,
      'KumoMTA internal: no sources for dest.example pool=`pool` are eligible for selection at this time',
    ],
    told: [insertError('KumoMTA internal: no sources for dest\\.example'), REFUSED, true],
    attempts: 1,
    wait: BACKOFF,
  },
  {
    row: '6c a pool of weight 0',
    pool: [['a', 0]],
    record: ['TransientFailure', 451, 'KumoMTA internal: no sources available for dest.example pool=`pool`'],
    told: [insertError('KumoMTA internal: no sources available for'), REFUSED, true],
    attempts: 1,
    wait: BACKOFF,
  },
  {
    row: '6d DNS fails',
    recipient: 'user@nowhere.example',
    record: ['TransientFailure', 451, /^failed to resolve queue nowhere\.example: /],
    told: [insertError('failed to resolve queue nowhere\\.example: '), REFUSED, true],
    attempts: 1,
    wait: BACKOFF,
  },
  {
    row: '6d the path fails',
    path: () => ({ kind: 'error', message: 'init.lua:5: no path' }),
    record: ['TransientFailure', 451, /^failed to resolve queue dest\.example: .*init\.lua:5: no path/],
    told: [insertError('failed to resolve queue dest\\.example: '), REFUSED, true],
    attempts: 1,
    wait: BACKOFF,
  },
  {
    row: '6d the pool is not defined',
    queue: { egress_pool: 'nowhere' },
    record: ['TransientFailure', 451, /^failed to resolve queue dest\.example: .*get_egress_pool/],
    told: [insertError('failed to resolve queue dest\\.example: '), REFUSED, true],
    attempts: 1,
    wait: BACKOFF,
  },
];

const throttledQueue = /^451 4\.4\.1 KumoMTA internal: ready queue throttled/;

const sessions: Row[] = [
  {
    row: 'max_message_rate, long: the ready queue goes back with that delay',
    path: { connection_limit: 1, max_message_rate: '1/20min,max_burst=1' },
    before: 1,
    record: ['Delayed', 400, /^Context: MessageRateThrottle\. Next due in (19|20)m/],
    told: [throttledQueue, ['MessageRateThrottle'], false],
    attempts: 0,
    wait: [19 * MINUTE, 20 * MINUTE],
  },
  {
    row: 'additional_message_rate_throttles, long: the same',
    path: { connection_limit: 1, additional_message_rate_throttles: { all: '1/20min,max_burst=1' } },
    before: 1,
    record: ['Delayed', 400, /^Context: MessageRateThrottle\. Next due in (19|20)m/],
    told: [throttledQueue, ['MessageRateThrottle'], false],
    attempts: 0,
    wait: [19 * MINUTE, 20 * MINUTE],
  },
  {
    row: 'max_connection_rate, long: the same',
    path: { max_deliveries_per_connection: 1, max_connection_rate: '1/20min,max_burst=1' },
    before: 1,
    record: ['Delayed', 400, /^Context: ConnectionRateThrottle\. Next due in (19|20)m/],
    told: [throttledQueue, ['ConnectionRateThrottle'], false],
    attempts: 0,
    wait: [19 * MINUTE, 20 * MINUTE],
  },
  {
    row: 'watchdog',
    path: { dispatcher_progress_watchdog_timeout: '1s' },
    answer: (command) => (command.startsWith('MAIL') ? 'silence' : undefined),
    record: ['Delayed', 451, 'dispatcher watchdog aborted task; no progress for 1s'],
    told: [/^451 4\.4\.1 dispatcher watchdog aborted task; /, ['DispatcherDrop'], false],
    attempts: 0,
    wait: SHORT,
  },
  {
    row: '8.2 no addresses',
    path: { ip_lookup_strategy: 'Ipv6Only' },
    record: ['TransientFailure', 451, "MX didn't resolve to any hosts"],
    told: [/^451 4\.4\.4 MX didn't resolve/, ['MxResolvedToZeroHosts', 'LoggedTransientFailure'], true],
    attempts: 1,
    wait: BACKOFF,
  },
  {
    row: '8.2 all hosts skipped',
    path: { skip_hosts: ['192.0.2.0/24'] },
    record: [
      'TransientFailure',
      451,
      'KumoMTA internal: MX consisted solely of hosts on the skip_hosts list',
    ],
    told: [/^451 4\.4\.4 KumoMTA internal: MX/, ['MxWasSkipped', 'LoggedTransientFailure'], true],
    attempts: 1,
    wait: BACKOFF,
  },
  {
    row: '8.5 no host answers',
    dead: true,
    record: ['TransientFailure', 400, /^KumoMTA internal: failed to connect to any candidate hosts: /],
    told: [/^400 KumoMTA internal: failed to connect/, ['LoggedTransientFailure'], true],
    attempts: 1,
    wait: BACKOFF,
  },
  {
    row: '9 a transient reply',
    answer: (command) => (command.startsWith('RCPT') ? '451 4.2.1 later' : undefined),
    record: ['TransientFailure', 451, 'later'],
    told: ['451 4.2.1 later', ['LoggedTransientFailure'], true],
    attempts: 1,
    wait: BACKOFF,
  },
];

function roomsFor(row: Row, told: unknown[][]): Rooms {
  const entries = row.pool?.map((entry) =>
    typeof entry === 'string' ? { name: entry } : { name: entry[0], weight: entry[1] },
  );
  const handlers = {
    get_queue_config: () =>
      queueConfig({ retry_interval: '1h', ...(entries && { egress_pool: 'pool' }), ...row.queue }),
    get_egress_path_config: () => (typeof row.path === 'function' ? row.path() : pathConfig(row.path ?? {})),
    ...(entries && {
      get_egress_pool: () =>
        returns(new EgressPool(parseOptions(egressPoolOptions, { name: 'pool', entries }))),
    }),
    get_egress_source: (name: string) =>
      returns(new EgressSource(parseOptions(egressSourceOptions, { name }))),
    requeue_message: (message: Message, ...args: unknown[]) => {
      told.push([message.id, ...args]);
      return returns();
    },
    ...row.handlers,
  };
  const rooms = mailRooms(handlers as unknown as Record<string, Handler>);
  rooms.peers.answer = row.answer ?? (() => undefined);
  if (row.dead === true) rooms.peers.dead.add('192.0.2.1').add('192.0.2.2');
  return rooms;
}

async function check(row: Row): Promise<void> {
  const told: unknown[][] = [];
  const rooms = roomsFor(row, told);
  for (let n = 0; n < (row.before ?? 0); n++) {
    await rooms.receive([`before${n}@dest.example`]);
    await rooms.clock.advance(10);
  }
  await rooms.receive([row.recipient ?? 'user@dest.example']);
  const received = rooms.events.findLast(({ type }) => type === 'Reception');
  const last = (received!.subject as Message).id;
  await rooms.clock.advance(2 * SECOND);
  const events = rooms.events.filter(
    ({ type, subject }) => type !== 'Reception' && (subject as Message).id === last,
  );
  expect(events.map(({ type }) => type)).toEqual([row.record[0]]);
  expect(events[0]!.response.code).toBe(row.record[1]);
  expect(events[0]!.response.content).toMatch(row.record[2]);
  const calls = told.filter(([told]) => told === last);
  expect(calls.map(([, , reasons, counted]) => [reasons, counted])).toEqual(
    row.told === null ? [] : [[row.told[1], row.told[2]]],
  );
  if (row.told !== null) expect(calls[0]![1]).toMatch(row.told[0]);
  const { progress } = rooms.spool.content.get(last)!;
  expect(progress.attempts).toBe(row.attempts);
  const wait = progress.due - rooms.clock.now();
  if (row.wait === undefined) expect(wait).toBeLessThanOrEqual(0);
  else {
    expect(wait).toBeGreaterThanOrEqual(row.wait[0] - 2 * SECOND);
    expect(wait).toBeLessThanOrEqual(row.wait[1]);
  }
}

describe('promotion (delivery.md section 4)', () => {
  test.each(promotion.map((row) => [row.row, row] as const))('%s', (_, row) => check(row));
});

describe('sessions (delivery.md sections 7 to 9)', () => {
  test.each(sessions.map((row) => [row.row, row] as const))('%s', (_, row) => check(row));
});
