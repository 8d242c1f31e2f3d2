import { expect, test } from 'vitest';
import { Screen } from '../../src/cli/screen.ts';
import { formatTop, sparkline, type TopView } from '../../src/cli/top-frame.ts';
import { ratesBetween, type TopSample } from '../../src/cli/top-sample.ts';
import { parseQueueName } from '../../src/model/index.ts';

const none = { received: 0, delivered: 0, deferred: 0, failed: 0, rejected: 0 };

function sampleWith(queues: number): TopSample {
  const names = Array.from({ length: queues }, (_, index) => `d${index}.test`);
  return {
    at: 1000,
    totals: none,
    messages: 1234,
    scheduled: 1200,
    ready: 34,
    connectionsIn: 2,
    connectionsOut: 5,
    memory: 100 * 2 ** 20,
    suspensions: 1,
    bounces: 2,
    readySuspensions: 3,
    heldUp: 4,
    readyQueues: names.map((site, index) => ({
      name: `src->${site}@smtp_client`,
      site,
      source: 'src',
      protocol: 'smtp_client',
      delivered: index,
      transient: 0,
      connections: 0,
      queued: index,
      status: index === 0 ? [] : ['connection_limited: all slots are taken @ 2026'],
    })),
    scheduledQueues: names.map((queue, index) => ({
      queue,
      parts: parseQueueName(queue),
      count: index,
      status: [],
    })),
    generation: 7,
    policyFailed: false,
  };
}

const view = (sample: TopSample, more: Partial<TopView> = {}): TopView => ({
  endpoint: 'http://127.0.0.1:8000',
  time: '12:00:00Z',
  sample,
  history: [none, { ...none, received: 1500, delivered: 2.5 }],
  ...more,
});

test('a frame says what goes on, deepest queues first', () => {
  const lines = formatTop(view(sampleWith(3)), 80, 24);
  expect(lines).toEqual([
    'moonpost top  12:00:00Z  http://127.0.0.1:8000  policy 7',
    'received      1,500/s   █',
    'delivered       2.5/s   █',
    'deferred          0/s',
    'failed            0/s',
    'rejected          0/s',
    'messages 1,234  scheduled 1,200  ready 34  connections 2 in 5 out',
    'suspended 1  ready queues suspended 3  bounces 2  held up 4  memory 100 MiB',
    '',
    `SCHEDULED QUEUE${'COUNT'.padStart(65)}`,
    `d2.test${'2'.padStart(73)}`,
    `d1.test${'1'.padStart(73)}`,
    `d0.test${'0'.padStart(73)}`,
    'READY QUEUE                   D          T          C          Q',
    'src->d2.test@smtp_…           2          0          0          2  connection_li…',
    'src->d1.test@smtp_…           1          0          0          1  connection_li…',
    'src->d0.test@smtp_…           0          0          0          0',
  ]);
});

test.each([
  [80, 24, 1000],
  [80, 24, 3],
  [40, 10, 50],
  [20, 3, 50],
  [200, 60, 40],
])('a frame fits into %i columns and %i rows with %i queues', (columns, rows, queues) => {
  const policyFailed = { ...sampleWith(queues), policyFailed: true };
  const lines = formatTop(view(policyFailed, { error: 'cannot reach it: \x1b[2J' }), columns, rows);
  expect(lines.length).toBeLessThanOrEqual(rows);
  for (const line of lines) expect([...line].length).toBeLessThanOrEqual(columns);
  expect(lines.join('\n')).not.toContain('\x1b');
  if (rows >= 24 && queues >= 40) expect(lines).toHaveLength(rows);
});

test('a policy that failed and a server that is away show', () => {
  const lines = formatTop(
    view({ ...sampleWith(0), policyFailed: true }, { error: 'cannot reach it' }),
    120,
    24,
  );
  expect(lines[0]).toContain('policy 7 (newer one FAILED)  cannot reach it');
});

test('rates are per second, and never negative when the server begins anew', () => {
  const before = { ...sampleWith(0), at: 0, totals: { ...none, received: 10, failed: 100 } };
  const now = { ...sampleWith(0), at: 2000, totals: { ...none, received: 30, failed: 5 } };
  expect(ratesBetween(before, now)).toEqual({ ...none, received: 10 });
});

test('sparklines are as high as their highest value and as wide as there is room', () => {
  expect(sparkline([0, 1, 4, 8], 10)).toBe(' ▂▅█');
  expect(sparkline([8, 1, 2], 2)).toBe('▅█');
  expect(sparkline([0, 0], 10)).toBe('  ');
  expect(sparkline([1], 0)).toBe('');
});

test('a screen is given back as it was, writes once per frame, and nothing when nothing changed', () => {
  const written: string[] = [];
  const screen = new Screen({ columns: 80, rows: 3, write: (text) => written.push(text) });
  screen.draw(['not yet']);
  expect(written).toEqual([]);
  screen.open();
  screen.draw(['one', 'two']);
  screen.draw(['one', 'two']);
  screen.draw(['one', 'two', 'three', 'cut off']);
  screen.forget();
  screen.draw(['one', 'two', 'three', 'cut off']);
  screen.close();
  screen.close();
  screen.draw(['after']);
  expect(written).toHaveLength(5);
  expect(written[0]).toBe('\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J');
  // No clearing before what is drawn: that is what flickers.
  expect(written[1]).toBe(
    '\x1b[?2026h\x1b[1;1Hone\x1b[0m\x1b[K\x1b[2;1Htwo\x1b[0m\x1b[K\x1b[3;1H\x1b[J\x1b[?2026l',
  );
  expect(written[2]).not.toContain('cut off');
  expect(written[2]).not.toContain('\x1b[J');
  expect(written.at(-1)).toBe('\x1b[?7h\x1b[?25h\x1b[?1049l');
});
