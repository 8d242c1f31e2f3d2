import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { HISTOGRAM_BUCKETS, metrics } from '../../src/model/index.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 90_000 });

afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/**
 * A Python that has the client library of Prometheus: that of Debian, for which the package is, or else the first of
 * the PATH. Throws with the line that installs it.
 */
function requirePrometheus(): string {
  for (const python of ['/usr/bin/python3', 'python3']) {
    if (python.startsWith('/') && !existsSync(python)) continue;
    if (spawnSync(python, ['-c', 'import prometheus_client']).status === 0) return python;
  }
  const line = 'apt-get install python3-prometheus-client';
  throw new Error(`the client library of Prometheus is missing; install it with: ${line}`);
}

/** Reads an exposition; tells of each family its type and samples. */
const PARSER = `
import json, sys
from prometheus_client.parser import text_fd_to_metric_families
families = {}
for family in text_fd_to_metric_families(sys.stdin):
    assert family.name not in families, 'twice: ' + family.name
    samples = [[s.name, dict(s.labels), s.value] for s in family.samples]
    families[family.name] = {'type': family.type, 'help': family.documentation, 'samples': samples}
json.dump(families, sys.stdout)
`;

interface ParsedFamily {
  type: string;
  help: string;
  samples: [name: string, labels: Record<string, string>, value: number][];
}

test('the client library of Prometheus reads what /metrics gives, whatever is in the labels', async () => {
  const python = requirePrometheus();
  const drop = await MailDrop.start();
  const odd = 'te"na\\nt\nü';
  const policy = `${initLua()}
kumo.on('smtp_server_message_received', function(msg)
  local timer <close> = kumo.time.start_timer(${JSON.stringify(odd)})
  msg:set_meta('tenant', 'acme')
  msg:set_meta('campaign', 'spring')
end)
${relayLua(drop.port)}`;
  const server = await Moonpost.start({ policy, shards: 2 });
  await inject(server.smtp, { count: 12, recipient: (number) => `user${number}@dest${number % 3}.example` });
  await server.untilCounts({ Delivery: 12 });
  const text = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
  const { status, stdout, stderr } = spawnSync(python, ['-c', PARSER], { input: text, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const families = JSON.parse(stdout) as Record<string, ParsedFamily>;

  // The library calls a counter by its name without _total.
  const bare = (name: string): string => name.replace(/_total$/, '');
  const declared = new Map(
    metrics.map((metric) => [metric.type === 'counter' ? bare(metric.name) : metric.name, metric]),
  );
  expect(Object.keys(families).length).toBeGreaterThan(60);
  for (const [name, { type, help, samples }] of Object.entries(families)) {
    const metric = declared.get(name)!;
    expect(metric, name).toBeDefined();
    expect({ type, help }, name).toEqual({ type: metric.type, help: metric.help });
    for (const [, { le: _, ...labels }] of samples) {
      expect(Object.keys(labels).sort(), name).toEqual([...metric.labels].sort());
    }
    if (type === 'histogram') checkHistogram(samples);
  }
  const value = (name: string, sample: string, labels: Record<string, string>): number | undefined =>
    families[name]!.samples.find(
      ([own, found]) =>
        bare(own) === sample && Object.entries(labels).every(([label, is]) => found[label] === is),
    )?.[2];
  expect(value('total_messages_received', 'total_messages_received', { service: 'esmtp_listener' })).toBe(12);
  expect(value('total_messages_delivered', 'total_messages_delivered', { service: 'smtp_client' })).toBe(12);
  expect(value('user_lua_latency', 'user_lua_latency_count', { label: odd })).toBe(12);
  expect(value('scheduled_count', 'scheduled_count', { queue: 'spring:acme@dest0.example' })).toBeDefined();
  expect(await server.stop()).toBe(0);
});

/** Buckets are as declared and cumulative, and the last is the count. */
function checkHistogram(samples: ParsedFamily['samples']): void {
  const bounds = [...HISTOGRAM_BUCKETS.map(String), '+Inf'];
  const buckets = samples.filter(([name]) => name.endsWith('_bucket'));
  const counts = samples.filter(([name]) => name.endsWith('_count'));
  expect(buckets).toHaveLength(counts.length * bounds.length);
  buckets.forEach(([name, { le }, value], index) => {
    expect(le, name).toBe(bounds[index % bounds.length]);
    if (index % bounds.length > 0) expect(value, name).toBeGreaterThanOrEqual(buckets[index - 1]![2]);
    if (le === '+Inf') expect(value, name).toBe(counts[Math.floor(index / bounds.length)]![2]);
  });
}
