import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock/index.ts';
import {
  type Family,
  gauges,
  JsonFormat,
  MeteredLog,
  type MetricsFormat,
  MetricsPages,
  Registry,
  registryFamilies,
  scrape,
  TextFormat,
  valueFamily,
} from '../../../src/io/metrics/index.ts';
import { type DeliveryEvent, HISTOGRAM_BUCKETS } from '../../../src/model/index.ts';

/** The metrics of these shards, shown, and the pieces that they came in. */
async function pieces(format: MetricsFormat, ...shards: Family[][]): Promise<string[]> {
  const all = shards.map((families) => new MetricsPages(() => families, systemClock));
  const source = {
    overview: () => Promise.all(all.map((one) => one.overview())),
    deal: (request: Parameters<MetricsPages['deal']>[0]) => Promise.all(all.map((one) => one.deal(request))),
    parts: (request: Parameters<MetricsPages['parts']>[0]) =>
      Promise.all(all.map((one) => one.parts(request))),
  };
  const found: string[] = [];
  for await (const piece of scrape(source, format, systemClock)) found.push(piece);
  return found;
}

async function text(registry: Registry, prefix = ''): Promise<string> {
  return (await pieces(new TextFormat(prefix), registryFamilies(registry))).join('');
}

async function json(...shards: Family[][]): Promise<Record<string, { type: string; value: unknown }>> {
  return JSON.parse((await pieces(new JsonFormat(), ...shards)).join(''));
}

function sample(): Registry {
  const registry = new Registry();
  registry.series('total_messages_delivered', 'smtp_client').add(3);
  registry.series('scheduled_count_total').set(7);
  registry.series('total_messages_delivered_by_provider_and_source', 'p', 's', 'o').add();
  const latency = registry.histogram('deliver_message_latency_rollup', 'smtp_client');
  latency.observe(0.004);
  latency.took(300);
  latency.observe(60);
  return registry;
}

describe('the registry', () => {
  test('refuses names and labels that are not declared', () => {
    const registry = new Registry();
    expect(() => registry.series('no_such_metric')).toThrow('no metric is declared as no_such_metric');
    expect(() => registry.series('total_messages_delivered')).toThrow('has the labels service');
    expect(() => registry.histogram('total_messages_delivered', 'x')).toThrow('is a counter');
  });

  test('a histogram counts each duration in the first bucket that it fits', () => {
    const latency = new Registry().histogram('queue_insert_latency');
    for (const bound of HISTOGRAM_BUCKETS) latency.observe(bound);
    latency.observe(10.01);
    expect([...latency.numbers.slice(0, 12)]).toEqual(new Array(12).fill(1));
    expect(latency.count).toBe(12);
    expect(latency.sum).toBeCloseTo(HISTOGRAM_BUCKETS.reduce<number>((a, b) => a + b, 10.01));
  });

  test('a NUL in a label does not part it', async () => {
    const registry = new Registry();
    registry.series('scheduled_by_tenant_campaign', 'a\0b', 'c').set(1);
    registry.series('scheduled_by_tenant_campaign', 'd', 'e').set(2);
    expect((await json(registryFamilies(registry))).scheduled_by_tenant_campaign!.value).toEqual([
      { tenant: 'a\uFFFDb', campaign: 'c', '@': 1 },
      { tenant: 'd', campaign: 'e', '@': 2 },
    ]);
  });
});

describe('a scrape', () => {
  test('adds up shards, series by series', async () => {
    const found = await json(registryFamilies(sample()), registryFamilies(sample()));
    expect(found.total_messages_delivered!.value).toEqual({ service: { smtp_client: 6 } });
    expect(found.deliver_message_latency_rollup!.value).toMatchObject({
      service: { smtp_client: { count: 6 } },
    });
  });

  test('leaves out what was dropped', async () => {
    const registry = sample();
    registry.drop('total_messages_delivered', 'smtp_client');
    expect(await text(registry)).not.toContain('total_messages_delivered{');
  });

  test('shows what several families have of one metric, with its head once', async () => {
    const shard = [
      gauges('ready_count', [[1, 'a']]),
      gauges('ready_count', [
        [2, 'b'],
        [3, 'a'],
      ]),
    ];
    const shown = (await pieces(new TextFormat(), shard)).join('');
    expect(shown).toBe(
      '# HELP ready_count Messages in ready queues\n# TYPE ready_count gauge\n' +
        'ready_count{service="a"} 4\nready_count{service="b"} 2\n',
    );
  });

  test('of very many series shows each once, added up, in pieces', async () => {
    const queues = Array.from({ length: 30_000 }, (_, index) => `q${index}`);
    const shard = (from: number): Family[] => [
      valueFamily<string>({
        name: 'scheduled_count',
        size: 20_000,
        items: () => queues.slice(from, from + 20_000),
        key: (queue) => queue,
        value: (queue) => Number(queue.slice(1)),
      }),
    ];
    const found = await pieces(new TextFormat(), shard(0), shard(10_000));
    expect(found.length).toBeGreaterThan(4);
    expect(Math.max(...found.map((piece) => piece.length))).toBeLessThan(512 * 1024);
    const lines = found
      .join('')
      .split('\n')
      .filter((line) => line.startsWith('scheduled_count{'));
    const expected = queues.map((queue, index) => {
      const shards = index >= 10_000 && index < 20_000 ? 2 : 1;
      return `scheduled_count{queue="${queue}"} ${index * shards}`;
    });
    expect(lines.sort()).toEqual(expected.sort());
  });

  test('many things may share few series', async () => {
    const shard = [
      valueFamily<number>({
        name: 'scheduled_by_tenant',
        size: 50_000,
        items: () => Array.from({ length: 50_000 }, (_, index) => index),
        key: (item) => (item % 2 === 0 ? undefined : `t${item % 5}`),
        value: () => 1,
        isShared: true,
      }),
    ];
    expect((await json(shard, shard)).scheduled_by_tenant!.value).toEqual({
      tenant: { t0: 10_000, t1: 10_000, t2: 10_000, t3: 10_000, t4: 10_000 },
    });
  });

  test('what nobody asks for in time is let go of, and says so', async () => {
    const timers: (() => void)[] = [];
    const clock = {
      monotonic: () => 0,
      after(delay: number, callback: () => void) {
        if (delay > 0) timers.push(callback);
        else setImmediate(callback);
        return { cancel: () => {} };
      },
    };
    const shard = new MetricsPages(() => [gauges('ready_count', [[1, 'a']])], clock);
    await shard.deal({ scrape: 1, name: 'ready_count', parts: 1 });
    for (const expire of timers) expire();
    await expect(shard.parts({ scrape: 1, name: 'ready_count', from: 0, to: 1 })).rejects.toThrow(
      'too slowly',
    );
  });
});

describe('Prometheus text (operations.md 7.1)', () => {
  test('histograms are cumulative and end in +Inf', async () => {
    const shown = await text(sample());
    expect(shown).toContain('# TYPE deliver_message_latency_rollup histogram');
    expect(shown).toContain('deliver_message_latency_rollup_bucket{service="smtp_client",le="0.005"} 1\n');
    expect(shown).toContain('deliver_message_latency_rollup_bucket{service="smtp_client",le="0.5"} 2\n');
    expect(shown).toContain('deliver_message_latency_rollup_bucket{service="smtp_client",le="+Inf"} 3\n');
    expect(shown).toContain('deliver_message_latency_rollup_sum{service="smtp_client"} 60.304\n');
    expect(shown).toContain('deliver_message_latency_rollup_count{service="smtp_client"} 3\n');
  });

  test('labels are escaped and names prefixed', async () => {
    const registry = new Registry();
    registry.series('scheduled_count', 'a"b\\c\nd').set(1);
    expect(await text(registry, 'x_')).toContain('x_scheduled_count{queue="a\\"b\\\\c\\nd"} 1\n');
  });

  test('series of queues follow all others, with a space between their labels', async () => {
    const registry = sample();
    registry.series('egress_source_connection_failures_total', 's', 'Unplumbed').add();
    const shown = await text(registry);
    expect(shown).toContain('_by_provider_and_source{provider="p", source="s", pool="o"} 1\n');
    expect(shown).toContain('egress_source_connection_failures_total{source="s",kind="Unplumbed"} 1\n');
    expect(shown.indexOf('\nscheduled_count_total ')).toBeLessThan(
      shown.indexOf('\ntotal_messages_delivered{'),
    );
  });
});

describe('the JSON form (operations.md 7.2)', () => {
  test('by the number of labels', async () => {
    const found = await json(registryFamilies(sample()));
    expect(found.scheduled_count_total).toMatchObject({ type: 'gauge', value: 7 });
    expect(found.total_messages_delivered!.value).toEqual({ service: { smtp_client: 3 } });
    expect(found.total_messages_delivered_by_provider_and_source!.value).toEqual([
      { provider: 'p', source: 's', pool: 'o', '@': 1 },
    ]);
    const { service } = found.deliver_message_latency_rollup!.value as {
      service: { smtp_client: { count: number; sum: number; avg: number; bucket: number[][] } };
    };
    expect(service.smtp_client).toMatchObject({ count: 3, sum: 60.304, avg: 60.304 / 3 });
    expect(service.smtp_client.bucket).toEqual(
      HISTOGRAM_BUCKETS.map((bound) => [bound, bound < 0.5 ? 1 : 2]),
    );
  });

  test('a metric without samples is null, and labels are escaped', async () => {
    const registry = new Registry();
    registry.series('scheduled_count', 'a"b\\c\nd').set(1);
    const found = await json(registryFamilies(registry));
    expect(found.bind_failures).toMatchObject({ type: 'counter', value: null });
    expect(found.scheduled_count!.value).toEqual({ queue: { 'a"b\\c\nd': 1 } });
  });
});

test('the metered log counts what it passes on, and forgets reaped queues', async () => {
  const registry = new Registry();
  const passed: DeliveryEvent[] = [];
  const log = new MeteredLog({ write: (event) => void passed.push(event) }, registry);
  const event = {
    subject: { sender: '', recipient: '', meta: {} },
    queue: 'q',
    response: { code: 250, enhanced: null, content: '', command: null },
    peer: null,
    attempts: 0,
  };
  const site = 'src->mx.example@smtp_client';
  await log.write({ ...event, type: 'Reception', site: '', deliveryProtocol: null });
  await log.write({
    ...event,
    type: 'Delivery',
    site,
    source: 'src',
    pool: 'p',
    recipients: ['a', 'b'],
    deliveryProtocol: 'ESMTP',
  });
  await log.write({
    ...event,
    type: 'Bounce',
    site,
    source: 'src',
    pool: 'p',
    recipients: ['c'],
    deliveryProtocol: 'ESMTP',
  });
  await log.write({ ...event, type: 'Delayed', site: '', deliveryProtocol: null });
  expect(passed).toHaveLength(4);
  const shown = await text(registry);
  expect(shown).toContain('total_messages_received{service="esmtp_listener"} 1\n');
  expect(shown).toContain('total_messages_delivered{service="smtp_client"} 2\n');
  expect(shown).toContain(`total_messages_delivered{service="smtp_client:${site}"} 2\n`);
  expect(shown).toContain('total_messages_fail_by_provider{provider="mx.example"} 1\n');
  expect(shown).toContain(
    'total_messages_delivered_by_provider_and_source{provider="mx.example", source="src", pool="p"} 2\n',
  );
  log.forget(site);
  expect(await text(registry)).not.toContain(`smtp_client:${site}`);
});
