import { describe, expect, test } from 'vitest';
import {
  formatJson,
  formatPrometheus,
  MeteredLog,
  mergeSnapshots,
  Registry,
} from '../../../src/io/metrics/index.ts';
import type { DeliveryEvent } from '../../../src/model/index.ts';

function sample(): Registry {
  const registry = new Registry();
  registry.series('total_messages_delivered', 'smtp_client').add(3);
  registry.series('scheduled_count_total').set(7);
  registry.series('total_messages_delivered_by_provider_and_source', 'p', 's', 'o').add();
  const latency = registry.histogram('deliver_message_latency_rollup', 'smtp_client');
  latency.observe(0.004);
  latency.observe(0.3);
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

  test('merges shards series by series', () => {
    const one = sample().snapshot();
    const merged = mergeSnapshots([one, sample().snapshot()]);
    expect(merged.total_messages_delivered).toEqual([{ labels: ['smtp_client'], value: 6 }]);
    expect(merged.deliver_message_latency_rollup![0]!.buckets!.reduce((a, b) => a + b)).toBe(6);
    expect(one.deliver_message_latency_rollup![0]!.buckets!.reduce((a, b) => a + b)).toBe(3);
  });

  test('drops a series whose subject is gone', () => {
    const registry = sample();
    registry.drop('total_messages_delivered', 'smtp_client');
    expect(registry.snapshot().total_messages_delivered).toEqual([]);
  });
});

describe('Prometheus text (operations.md 7.1)', () => {
  test('histograms are cumulative and end in +Inf', () => {
    const text = formatPrometheus(sample().snapshot());
    expect(text).toContain('# TYPE deliver_message_latency_rollup histogram');
    expect(text).toContain('deliver_message_latency_rollup_bucket{service="smtp_client",le="0.005"} 1\n');
    expect(text).toContain('deliver_message_latency_rollup_bucket{service="smtp_client",le="0.5"} 2\n');
    expect(text).toContain('deliver_message_latency_rollup_bucket{service="smtp_client",le="+Inf"} 3\n');
    expect(text).toContain('deliver_message_latency_rollup_count{service="smtp_client"} 3\n');
  });

  test('labels are escaped and names prefixed', () => {
    const registry = new Registry();
    registry.series('scheduled_count', 'a"b\\c\nd').set(1);
    expect(formatPrometheus(registry.snapshot(), 'x_')).toContain(
      'x_scheduled_count{queue="a\\"b\\\\c\\nd"} 1\n',
    );
  });
});

test('the JSON form (operations.md 7.2)', () => {
  const json = JSON.parse(formatJson(sample().snapshot()));
  expect(json.scheduled_count_total).toMatchObject({ type: 'gauge', value: 7 });
  expect(json.total_messages_delivered.value).toEqual({ service: { smtp_client: 3 } });
  expect(json.total_messages_delivered_by_provider_and_source.value).toEqual([
    { provider: 'p', source: 's', pool: 'o', '@': 1 },
  ]);
  const latency = json.deliver_message_latency_rollup.value.service.smtp_client;
  expect(latency.count).toBe(3);
  expect(latency.bucket[0]).toEqual([0.005, 1]);
  expect(latency.bucket).toHaveLength(11);
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
  const text = formatPrometheus(registry.snapshot());
  expect(text).toContain('total_messages_received{service="esmtp_listener"} 1\n');
  expect(text).toContain('total_messages_delivered{service="smtp_client"} 2\n');
  expect(text).toContain(`total_messages_delivered{service="smtp_client:${site}"} 2\n`);
  expect(text).toContain('total_messages_fail_by_provider{provider="mx.example"} 1\n');
  expect(text).toContain(
    'total_messages_delivered_by_provider_and_source{provider="mx.example",source="src",pool="p"} 2\n',
  );
  log.forget(site);
  expect(formatPrometheus(registry.snapshot())).not.toContain(`smtp_client:${site}`);
});
