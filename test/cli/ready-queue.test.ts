import { expect, test } from 'vitest';
import { formatReadyQueue, type ReadyQueueAnswer } from '../../src/cli/inspect-ready-q.ts';
import { formatEgressPath } from '../../src/cli/resolve-egress-path.ts';

const dispatcher = {
  session_id: '11111111-1111-1111-1111-111111111111',
  age: '2h',
  phase: 'DeliveringMessage',
  messages_delivered: 12_345,
  messages_transfailed: 1,
  messages_failed: 0,
};

const queue: ReadyQueueAnswer = {
  queue_name: 'src->mx.example@smtp_client',
  egress_source: 'src',
  egress_pool: null,
  protocol: 'smtp_client',
  state: {
    ready_count: 1234,
    connection_count: 4,
    connection_rate_throttled: null,
    connection_limited: { context: 'every slot of x is taken', since: '2026-01-01T00:00:00.000Z' },
    suspended: { reason: 'quiet', duration: '5m' },
    watchdog_threshold: '10m',
  },
  path_config: { max_ready: 1024, provider_name: null },
  scheduled_queue_names: ['a.test', 'b\x1b.test'],
  dispatchers: [
    { ...dispatcher, time_in_current_phase: '1s' },
    { ...dispatcher, time_in_current_phase: '7m 30s' },
    { ...dispatcher, time_in_current_phase: '10m' },
    { ...dispatcher, session_id: null, phase: 'Idle', time_in_current_phase: '10m' },
  ],
};

test('inspect-ready-q: state, connections with what is stuck, queues, configuration', () => {
  expect(formatReadyQueue(queue, { connections: true, config: true, schedQ: true })).toBe(
    `queue        src->mx.example@smtp_client
source       src
pool         -
protocol     smtp_client
ready        1,234
connections  4
limited      every slot of x is taken, since 2026-01-01T00:00:00.000Z
suspended    quiet, for 5m
watchdog     after 10m without progress

SESSION                               PHASE              FOR     AGE       D  T  F
11111111-1111-1111-1111-111111111111  DeliveringMessage  1s      2h   12,345  1  0
11111111-1111-1111-1111-111111111111  DeliveringMessage  7m 30s  2h   12,345  1  0  ⚠ STALL?
11111111-1111-1111-1111-111111111111  DeliveringMessage  10m     2h   12,345  1  0  ⚠ STUCK
-                                     Idle               10m     2h   12,345  1  0

SCHEDULED QUEUE
a.test
b?.test

max_ready = 1024
`,
  );
  expect(formatReadyQueue(queue, {}).split('\n')).toHaveLength(10);
});

test('resolve-egress-path: the way in short', () => {
  const none = {
    max_concurrent_dispatchers: null,
    max_message_rate: null,
    max_message_rate_declared: null,
    max_connection_rate: null,
    max_source_selection_rate: null,
  };
  const text = formatEgressPath({
    domain: 'a.test',
    source: 'src',
    mx: { site_name: '(mx1|mx2).a.test', by_preference: { '10': ['mx1.a.test', 'mx2.a.test'] } },
    site_name: '(mx1|mx2).a.test',
    queue_name: 't@a.test',
    queue_config: {},
    path_config: {},
    constraints: none,
  });
  expect(text.trimEnd()).toBe(
    `queue        t@a.test
domain       a.test
source       src
site         (mx1|mx2).a.test
mx           10 mx1.a.test, mx2.a.test

Connections at one time: no limit
Messages: no limit
New connections: no limit
Selections of the source: no limit`,
  );
});
