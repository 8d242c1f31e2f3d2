import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { metrics as declared } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { postInjection } from '../kit/http-post.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

/** Mail to and from everywhere: delivered, deferred, bounced, refused, signed, told of to a hook, put into maildirs. */
const policy = (port: number): string => `
${initLua("kumo.configure_log_hook { name = 'web' }")}
kumo.on('pre_init', function() end)
local lookup = kumo.memoize(function(domain) return domain .. '!' end, { name = 'lookups', ttl = '1 hour', capacity = 10 })
kumo.on('smtp_server_mail_from', function(sender)
  if sender.domain == 'refused.example' then kumo.reject(550, '5.7.1 not you') end
end)
kumo.on('smtp_server_message_received', function(msg)
  local timer <close> = kumo.time.start_timer('received')
  lookup(msg:recipient().domain)
  msg:set_meta('tenant', 'acme')
  msg:set_meta('campaign', 'spring')
  msg:prepend_header('From', 'me@from.example')
  msg:dkim_sign(kumo.dkim.rsa_sha256_signer { domain = 'from.example', selector = 's', key = 'DIR/key.pem', headers = { 'From', 'Subject' } })
end)
kumo.on('should_enqueue_log_record', function(msg, hook)
  if msg:get_meta('log_record').type ~= 'Bounce' then return end
  msg:set_meta('queue', 'hooks.example')
  return true
end)
kumo.on('get_queue_config', function(domain, tenant)
  if domain == 'files.example' or domain == 'hooks.example' then
    return kumo.make_queue_config { protocol = { maildir_path = 'DIR/mail' } }
  end
  return kumo.make_queue_config {
    retry_interval = '1s',
    egress_pool = 'pool1',
    protocol = { smtp = { mx_list = { { name = 'sink.test', addr = '127.0.0.1:${port}' } } } },
  }
end)
kumo.on('get_egress_pool', function(name)
  return kumo.make_egress_pool { name = name, entries = { { name = 'ip1', weight = 1 } } }
end)
kumo.on('get_egress_source', function(name) return kumo.make_egress_source { name = name } end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path { prohibited_hosts = {}, provider_name = 'sinks' }
end)
`;

type Json = Record<string, { help: string; type: string; value: unknown }>;
interface Histogram {
  count: number;
  sum: number;
  bucket: number[][];
}

let server: Moonpost;
let found: Json;
let text: string;

/** The value with these labels; undefined when there is none. */
function value(name: string, ...labels: string[]): number | Histogram | undefined {
  const { value: all } = found[name]!;
  if (all === null) return undefined;
  if (labels.length === 0) return all as number;
  if (!Array.isArray(all)) {
    return Object.values(all as Record<string, Record<string, number>>)[0]![labels[0]!];
  }
  const names = declared.find((one) => one.name === name)!.labels;
  return all.find((one) => names.every((label, index) => one[label] === labels[index]))?.['@'];
}

const count = (name: string, ...labels: string[]): number => (value(name, ...labels) as Histogram).count;

async function scrape(): Promise<void> {
  const base = `http://127.0.0.1:${server.http}`;
  found = (await (await fetch(`${base}/metrics.json`)).json()) as Json;
  text = await (await fetch(`${base}/metrics`)).text();
}

beforeAll(async () => {
  const tried = new Set<string>();
  const drop = await MailDrop.start({
    rcpt: (address) => (address.startsWith('bounce-') ? '550 5.1.1 nobody there' : undefined),
    data: ({ recipients: [recipient] }) => {
      if (!recipient!.startsWith('later-') || tried.has(recipient!)) return undefined;
      tried.add(recipient!);
      return '451 4.3.0 not now';
    },
  });
  server = await Moonpost.start({ policy: policy(drop.port), files: { 'key.pem': key }, shards: 2 });
  await inject(server.smtp, { count: 10, recipient: (number) => `user${number}@dest.example` });
  await inject(server.smtp, { count: 3, recipient: (number) => `later-${number}@dest.example` });
  await inject(server.smtp, { count: 2, recipient: (number) => `bounce-${number}@dest.example` });
  await inject(server.smtp, { count: 2, recipient: (number) => `user${number}@files.example` });
  const posted = await postInjection(server.http, {
    envelope_sender: 'me@from.example',
    content: 'From: me@from.example\r\nSubject: injected\r\n\r\nbody',
    recipients: [{ email: 'one@dest.example' }],
  });
  expect(posted.status).toBe(200);
  const talk = await SmtpTalk.greeted(server.smtp);
  await talk.command('MAIL FROM:<me@refused.example>', '550');
  await talk.quit();
  await server.untilCounts({ Delivery: 18, TransientFailure: 3, Bounce: 2, Rejection: 1 }, 60_000);
  await server.untilEmpty();
  await eventually(async () => {
    await scrape();
    return (value('connection_count', 'esmtp_listener') as number) === 0 ? true : undefined;
  });
}, 240_000);

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const QUEUE = 'smtp_client:ip1->sink.test@smtp_client';

test('messages are counted by protocol, ready queue, provider, source and pool', () => {
  const outcomes = [
    ['total_messages_delivered', 14],
    ['total_messages_transfail', 3],
    ['total_messages_fail', 2],
  ] as const;
  for (const [name, messages] of outcomes) {
    expect(value(name, 'smtp_client'), name).toBe(messages);
    const ofQueue = Object.entries((found[name]!.value as { service: Record<string, number> }).service);
    expect(
      ofQueue.filter(([service]) => service.startsWith('smtp_client:ip1->')),
      name,
    ).toEqual([[expect.stringMatching(/^smtp_client:ip1->.*@smtp_client$/), messages]]);
    expect(value(`${name}_by_provider`, 'sinks'), name).toBe(messages);
    expect(value(`${name}_by_provider_and_source`, 'sinks', 'ip1', 'pool1'), name).toBe(messages);
  }
  expect(value('total_messages_delivered', 'maildir')).toBe(4);
  expect(value('total_messages_received', 'esmtp_listener')).toBe(17);
  expect(value('total_messages_received', `esmtp_listener:127.0.0.1:${server.smtp}`)).toBe(17);
  expect(value('total_messages_received', 'http_listener')).toBe(1);
  expect(value('smtp_server_rejections', 'total')).toBe(1);
  expect(value('smtp_server_rejections', `127.0.0.1:${server.smtp}`)).toBe(1);
});

test('what is queued is gone, and counted as nothing', () => {
  for (const name of ['scheduled_count_total', 'message_count', 'message_data_resident_count']) {
    expect(value(name), name).toBe(0);
  }
  expect(value('scheduled_count', 'spring:acme@dest.example')).toBe(0);
  expect(value('scheduled_queue_count')).toBeGreaterThan(0);
  expect(value('ready_count', 'smtp_client')).toBe(0);
  expect(value('total_connection_count', 'smtp_client')).toBeGreaterThan(0);
  expect(found.scheduled_by_tenant!.value).toBeNull();
  expect(value('queued_count_by_provider', 'sinks') ?? 0).toBe(0);
  expect(QUEUE).toContain('->');
});

describe('how long things take', () => {
  test('of each message', () => {
    expect(count('message_save_latency')).toBeGreaterThanOrEqual(18);
    expect(count('spool_commit_latency')).toBeGreaterThan(0);
    expect(count('queue_resolve_latency')).toBeGreaterThanOrEqual(18);
    expect(count('queue_insert_latency')).toBeGreaterThanOrEqual(18);
    expect(count('ready_queue_insert_latency')).toBeGreaterThanOrEqual(21);
    expect(count('smtpsrv_read_data_duration')).toBe(17);
    expect(count('smtpsrv_process_data_duration')).toBe(17);
    expect(count('smtpsrv_transaction_duration')).toBe(17);
    expect(count('deliver_message_latency_rollup', 'smtp_client')).toBeGreaterThanOrEqual(19);
    expect(count('deliver_message_latency_rollup', 'maildir')).toBe(4);
  });

  test('of each step of delivery', () => {
    const connections = value('total_connection_count', 'smtp_client') as number;
    for (const phase of ['connect', 'banner', 'ehlo']) {
      expect(count('delivery_phase_latency', phase), phase).toBeGreaterThanOrEqual(connections);
    }
    for (const phase of ['mail', 'data']) {
      expect(count('delivery_phase_latency', phase), phase).toBeGreaterThanOrEqual(19);
    }
    expect(count('delivery_phase_latency', 'dot')).toBeGreaterThanOrEqual(17);
  });

  test('of each event, of the making of Lua states and of init', () => {
    for (const event of ['init', 'pre_init', 'context-creation', 'get_queue_config', 'get_egress_pool']) {
      expect(count('lua_event_latency', event), event).toBeGreaterThan(0);
      expect(value('lua_event_started', event), event).toBe(count('lua_event_latency', event));
    }
    expect(value('lua_event_started', 'smtp_server_message_received')).toBe(17);
    expect(count('lua_event_latency', 'smtp_server_message_received')).toBe(17);
    expect(value('lua_load_count')).toBe(value('lua_event_started', 'context-creation'));
    expect(value('lua_count')).toBeGreaterThan(0);
    expect(count('user_lua_latency', 'received')).toBe(17);
  });

  test('of records and hooks', () => {
    expect(count('log_submit_latency', `dir-${server.directory}/log`)).toBeGreaterThanOrEqual(40);
    expect(count('log_submit_latency', 'hook-web')).toBeGreaterThanOrEqual(30);
  });

  test('of due times', () => {
    expect(count('timeq_pop_latency')).toBeGreaterThan(0);
    expect(count('timeq_pop_tardiness')).toBeGreaterThanOrEqual(3);
    expect(value('total_qmaint_runs')).toBeGreaterThan(0);
  });

  test('of DKIM', () => {
    expect(count('dkim_signer_sign')).toBe(17);
    expect(count('dkim_signer_message_parse')).toBe(17);
    for (const cache of ['dkim_signer_cache', 'dkim_signer_key_cache']) {
      expect(value(`${cache}_lookup_count`), cache).toBe(17);
      expect((value(`${cache}_hit`) as number) + (value(`${cache}_miss`) as number), cache).toBe(17);
    }
    expect(count('dkim_signer_creation')).toBeGreaterThan(0);
    expect(count('dkim_signer_key_fetch')).toBeGreaterThan(0);
  });
});

test('caches of the policy', () => {
  expect(value('memoize_cache_lookup_count', 'lookups')).toBe(17);
  expect(
    (value('memoize_cache_hit_count', 'lookups') as number) +
      (value('memoize_cache_miss_count', 'lookups') as number),
  ).toBe(17);
  expect(value('memoize_cache_populated_count', 'lookups')).toBeGreaterThanOrEqual(2);
  expect(value('lruttl_lookup_count', 'lookups')).toBe(17);
  expect(value('lruttl_cache_size', 'lookups')).toBeGreaterThanOrEqual(2);
});

test('the process and its spool', () => {
  expect(value('thread_pool_size', 'shard')).toBe(2);
  expect(value('thread_pool_parked', 'shard')).toBeLessThanOrEqual(2);
  for (const name of ['process_cpu_usage_sum', 'process_cpu_usage_normalized', 'system_cpu_usage_sum']) {
    expect(value(name), name).toBeGreaterThanOrEqual(0);
  }
  for (const name of ['memory_usage', 'memory_limit', 'memory_low_thresh', 'memory_usage_rust']) {
    expect(value(name), name).toBeGreaterThan(0);
  }
  expect(value('rocks_spool_write_stopped', `${server.directory}/spool/data`)).toBe(0);
  expect(value('disk_free_bytes', 'data spool')).toBeGreaterThan(0);
});

test('every metric is in the JSON form, as it is declared, and none besides', () => {
  expect(Object.keys(found).sort()).toEqual(declared.map(({ name }) => name).sort());
  for (const { name, type, help } of declared) expect(found[name]).toMatchObject({ type, help });
});

test('the text form says the same of what no longer changes', () => {
  expect(text).toContain('# TYPE total_messages_delivered counter\n');
  expect(text).toContain('\ntotal_messages_delivered{service="smtp_client"} 14\n');
  expect(text).toContain(
    'total_messages_delivered_by_provider_and_source{provider="sinks", source="ip1", pool="pool1"} 14\n',
  );
  expect(text).toContain('\nsmtpsrv_transaction_duration_bucket{le="+Inf"} 17\n');
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(new Set(series.map((line) => line.slice(0, line.lastIndexOf(' ')))).size).toBe(series.length);
});

test('names: these metrics alone', async () => {
  const query = 'names=ready_count,message_count';
  const some = (await (await fetch(`http://127.0.0.1:${server.http}/metrics.json?${query}`)).json()) as Json;
  expect(Object.keys(some)).toEqual(['message_count', 'ready_count']);
  expect(some.message_count).toMatchObject({ type: 'gauge', value: 0 });
});

test('a prefix goes before every name', async () => {
  const prefixed = await (await fetch(`http://127.0.0.1:${server.http}/metrics?prefix=x_`)).text();
  const names = prefixed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^# (HELP|TYPE) /, ''));
  expect(names.filter((name) => !name.startsWith('x_'))).toEqual([]);
  const refused = await fetch(`http://127.0.0.1:${server.http}/metrics?prefix=x%20`);
  expect(refused.status).toBe(400);
});
