import { expect, test } from 'vitest';
import { formatCriteria } from '../../src/cli/admin-entries.ts';
import { formatPreview } from '../../src/cli/dry-run.ts';
import { formatProviders, providerRows } from '../../src/cli/provider-summary.ts';
import type { QueueAnswers } from '../../src/cli/queue-rows.ts';
import { formatSummary, summarize } from '../../src/cli/queue-summary.ts';
import { ServerMetrics } from '../../src/cli/server-metrics.ts';
import { formatCount, formatTable } from '../../src/cli/table.ts';

/** As servers answer, shortened. */
const metrics = new ServerMetrics({
  total_messages_delivered: {
    type: 'counter',
    value: {
      service: {
        smtp_client: 12_345,
        'smtp_client:src->mx2.example@smtp_client': 12_000,
        'smtp_client:src->mx10.example@smtp_client': 345,
      },
    },
  },
  total_messages_transfail: {
    type: 'counter',
    value: { service: { smtp_client: 7, 'smtp_client:src->mx10.example@smtp_client': 7 } },
  },
  connection_count: {
    type: 'gauge',
    value: {
      service: {
        esmtp_listener: 3,
        'esmtp_listener:127.0.0.1:25': 3,
        smtp_client: 2,
        'smtp_client:src->mx2.example@smtp_client': 2,
      },
    },
  },
  ready_count: {
    type: 'gauge',
    value: { service: { 'smtp_client:src->mx10.example@smtp_client': 1234, 'lua:a->b@lua:make': 1 } },
  },
  scheduled_count: {
    type: 'gauge',
    value: { queue: { 'd10.test': 1_000_000, 'd2.test': 5, 'news:acme@d2.test': 6, 'empty.test': 0 } },
  },
  message_count: { type: 'gauge', value: 42 },
  total_messages_delivered_by_provider: { type: 'counter', value: { provider: { small: 5, big: 1500 } } },
  total_messages_transfail_by_provider: { type: 'counter', value: { provider: { small: 1 } } },
  total_messages_fail_by_provider: { type: 'counter', value: null },
  total_messages_delivered_by_provider_and_source: {
    type: 'counter',
    value: [
      { provider: 'big', source: 's1', pool: 'p', '@': 1000 },
      { provider: 'big', source: 's2', pool: 'p', '@': 500 },
      { provider: 'small', source: 's1', pool: 'q', '@': 5 },
    ],
  },
});

const none = { id: 'id', duration: '5m', campaign: null, tenant: null, domain: null };
const answers: QueueAnswers = {
  metrics,
  suspensions: [{ ...none, reason: 'quiet', tenant: 'acme' }],
  bounces: [
    { ...none, reason: 'gone', domain: 'd2.test', total_bounced: 1 },
    { ...none, reason: 'named', queue_names: ['d10.test'], total_bounced: 1 },
  ],
  readySuspensions: [{ ...none, reason: 'blocked', name: 'src->mx2.example@smtp_client' }],
  states: {
    states_by_ready_queue: {
      'src->mx10.example@smtp_client': {
        connection_limited: { context: 'every slot of x is taken', since: '2026-01-01T00:00:00.000Z' },
      },
    },
  },
};

test('queue-summary: ready queues, a blank line, scheduled queues, each with what holds it up', () => {
  const { ready, scheduled } = summarize(answers, {}, undefined);
  expect(formatSummary(ready, scheduled)).toBe(
    `SITE          SOURCE  PROTO             D  T  C      Q
b             a       lua:make          0  0  0      1
mx2.example   src     smtp_client  12,000  0  2      0  🛑suspend: blocked
mx10.example  src     smtp_client     345  7  0  1,234  connection_limited: every slot of x is taken @ 2026-01-01T00:00:00.000Z

SCHEDULED QUEUE        COUNT
d2.test                    5  🗑️ bounce: gone
d10.test           1,000,000  🗑️ bounce: named
news:acme@d2.test          6  🛑suspend: quiet, 🗑️ bounce: gone
`,
  );
});

test('queue-summary by volume, with a limit, of a domain', () => {
  const byVolume = summarize(answers, { byVolume: true, limit: 1 }, undefined);
  expect(byVolume.ready.map(({ site }) => site)).toEqual(['mx2.example']);
  expect(byVolume.scheduled.map(({ queue }) => queue)).toEqual(['d10.test']);
  const ofDomain = summarize(answers, { domain: 'd2.test' }, new Set(['mx10.example']));
  expect(ofDomain.ready.map(({ site }) => site)).toEqual(['mx10.example']);
  expect(ofDomain.scheduled.map(({ queue }) => queue)).toEqual(['d2.test', 'news:acme@d2.test']);
});

test('provider-summary: the busiest first; what is not measured is no number', () => {
  expect(formatProviders(providerRows(metrics, false), false)).toBe(
    `PROVIDER      D  T  F  C  Q
big       1,500  0  0  -  -
small         5  1  0  -  -
`,
  );
  expect(formatProviders(providerRows(metrics, true), true)).toBe(
    `PROVIDER  POOL      D  T  F  C  Q
big       p     1,500  -  -  -  -
small     q         5  -  -  -  -
`,
  );
});

test('a preview says how many, and shows some', () => {
  const preview = {
    messages: 1234,
    queues: 1,
    sample_queues: [{ queue: 'd.test', messages: 1234 }],
    sample_messages: [{ id: 'a1', queue: 'd.test' }],
  };
  expect(formatPreview(preview, 'would bounce')).toBe(
    `would bounce 1,234 messages in 1 queue

QUEUE   MESSAGES
d.test     1,234

MESSAGE  QUEUE
a1       d.test
`,
  );
  const nothing = { messages: 0, queues: 0, sample_queues: [], sample_messages: [] };
  expect(formatPreview(nothing, 'would hold')).toBe('would hold 0 messages in 0 queues\n');
});

test('criteria of entries', () => {
  expect(formatCriteria({ campaign: 'x', tenant: 'y', domain: null })).toBe('campaign=x, tenant=y');
  expect(formatCriteria({ campaign: null, queue_names: ['a', 'b'] })).toBe('queue=a, queue=b');
  expect(formatCriteria({ campaign: null, queue_names: [] })).toBe('everything');
});

test('numbers have thousands separators, and what could steer a terminal is not printed', () => {
  expect([0, 999, 1000, 1234567, undefined].map(formatCount)).toEqual([
    '0',
    '999',
    '1,000',
    '1,234,567',
    '-',
  ]);
  expect(formatTable([{ title: 'A' }, { title: 'B' }], [['\x1b[2J\n\x9b', 'x']])).toBe(
    'A       B\n?[2J??  x\n',
  );
});

test('metrics as JSON, whatever their labels', () => {
  expect(metrics.number('message_count')).toBe(42);
  expect(metrics.number('no_such')).toBeUndefined();
  expect(metrics.byLabel('total_messages_fail_by_provider').size).toBe(0);
  expect(metrics.has('total_messages_fail_by_provider')).toBe(true);
  expect(metrics.series('message_count')).toEqual([{ labels: {}, value: 42 }]);
  expect(metrics.series('total_messages_delivered_by_provider_and_source')[1]).toEqual({
    labels: { provider: 'big', source: 's2', pool: 'p' },
    value: 500,
  });
});
