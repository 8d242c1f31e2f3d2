import { describe, expect, test } from 'vitest';
import type {
  EgressPath,
  EgressPool,
  ListenerDomain,
  QueueConfig,
} from '../../../src/model/options/index.ts';
import { failure, message, notingHost, run, values } from './kit.ts';

describe('config objects', () => {
  test('come back as instances with their options', async () => {
    const [queue, path, pool, domain] = await values(`
      return kumo.make_queue_config{egress_pool = 'p', retry_interval = '5m'},
        kumo.make_egress_path{connection_limit = 3, max_message_rate = '10/s'},
        kumo.make_egress_pool{name = 'p', entries = {{name = 's'}}},
        kumo.make_listener_domain{relay_to = true}`);
    expect((queue as QueueConfig).options).toMatchObject({ egress_pool: 'p', retry_interval: 300_000 });
    expect((path as EgressPath).options.max_message_rate).toMatchObject({ limit: 10, period: 1000 });
    expect((pool as EgressPool).options.entries).toEqual([{ name: 's', weight: 1 }]);
    expect((domain as ListenerDomain).options.relay_to).toBe(true);
  });

  test('can be read and walked; what is unset reads as NULL, which is truthy', async () => {
    const source = `
      local path = kumo.make_egress_path{connection_limit = 3}
      local names = 0
      for name in pairs(path) do names = names + 1 end
      return path.connection_limit.limit, path.idle_timeout, path.ehlo_domain and true, path.no_such_thing == nil, names > 50`;
    expect(await values(source)).toEqual([3, '5s', true, true, true]);
  });

  test('a mistake names file, line and the nearest option', async () => {
    expect(await failure('\n return kumo.make_queue_config{retry_intervall = 5}')).toMatch(
      /policy\.lua:2: .*deserialize error: unknown field `retry_intervall`, did you mean `retry_interval`\?, while processing \{"retry_intervall":5\}/,
    );
    expect(await failure('return kumo.make_egress_path{connection_limit = 0}')).toContain(
      'connection_limit: a limit is',
    );
    expect(await failure('return kumo.make_queue_config()')).toContain('expected a table, got nil');
  });
});

test('init functions hand their options to the host', async () => {
  const host = notingHost();
  await values(
    `kumo.start_esmtp_listener{listen = '0.0.0.0:25', relay_hosts = {'10.0.0.0/8'}}
     kumo.define_spool{name = 'data', path = '/tmp/x', kind = 'RocksDB'}
     kumo.dns.configure_resolver{name_servers = {'127.0.0.1:53'}}`,
    [],
    host,
  );
  expect(host.declarations.map(({ kind }) => kind)).toEqual([
    'start_esmtp_listener',
    'define_spool',
    'dns.configure_resolver',
  ]);
  const [listener] = host.declarations;
  expect(listener?.options).toMatchObject({
    listen: { address: '0.0.0.0', port: 25 },
    relay_hosts: ['10.0.0.0/8'],
    banner: 'Moonpost',
  });
  expect(listener?.where).toMatch(/policy\.lua:1$/);
  // What is declared is posted to the shards.
  expect(structuredClone(host.declarations)).toEqual(host.declarations);
});

test('what has no effect yet is said once per line, with its place', async () => {
  const host = notingHost();
  await values(
    `for i = 1, 3 do kumo.define_spool{name = 'data', path = '/tmp', rocks_params = {}} end
     kumo.set_lua_gc_on_put(100)`,
    [],
    host,
  );
  const warnings = host.told.filter(({ level }) => level === 'warn').map(({ text }) => text);
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toMatch(
    /policy\.lua:1: option 'rocks_params' of kumo\.define_spool is accepted but has no effect/,
  );
  expect(warnings[1]).toMatch(/policy\.lua:2: kumo\.set_lua_gc_on_put is accepted but has no effect/);
});

describe('refusals', () => {
  test.each([
    ["kumo.reject(550, '5.7.1 no')", { code: 550, text: '5.7.1 no', disconnect: 'If421' }],
    ["kumo.disconnect(451, 'x')", { code: 451, text: 'x', disconnect: 'ForceDisconnect' }],
    ["kumo.disconnect(451, 'x', 'FollowWith421')", { disconnect: 'FollowWith421' }],
  ])('%s', async (body, expected) => {
    expect(await run(body)).toMatchObject({ kind: 'reject', ...expected });
  });

  test('bad arguments are errors', async () => {
    expect(await failure("kumo.reject(70000, 'x')")).toContain('from 0 to 65535');
    expect(await failure("kumo.disconnect(451, 'x', 'Now')")).toContain(
      'expected one of ForceDisconnect, FollowWith421, If421',
    );
    expect(await failure("kumo.on('x', 'y')")).toContain('handler: expected a function, got string');
  });
});

test('log lines have the place of the call', async () => {
  const host = notingHost();
  await values(
    "local m = ...\n kumo.log_info('a', 1, 2.5, true, {x = {1}}, m:sender())\n kumo.log_debug('b')",
    [message()],
    host,
  );
  expect(host.told.map(({ level, text }) => [level, text.replace(/.*policy/, 'policy')])).toEqual([
    ['info', 'policy.lua:2: a 1 2.5 true {"x":[1]} from@example.org'],
    ['debug', 'policy.lua:3: b'],
  ]);
});

test('messages are made and injected', async () => {
  const host = notingHost();
  await values("kumo.inject_message(kumo.make_message('', 'to@example.com', 'A: b\\r\\n\\r\\n'))", [], host);
  expect(host.injected).toHaveLength(1);
  expect(host.injected[0]).toMatchObject({ id: '0'.repeat(32), size: 8, meta: {} });
  expect(await failure("kumo.make_message('a', 'b c', '')")).toContain('is no mail address');
});

describe('throttles', () => {
  test('an admitted request', async () => {
    const host = notingHost();
    const source = `
      local t = kumo.make_throttle('mine', '10/s'):throttle()
      return t.throttled, t.limit, t.remaining, t.reset_after.secs, t.reset_after.nanos, t.retry_after and true`;
    expect(await values(source, [], host)).toEqual([false, 11, 9, 1, 500_000_000, true]);
    expect(host.asked).toEqual(['lua-user-throttle-mine']);
  });

  test('a refused request is told in whole seconds', async () => {
    const host = notingHost();
    host.verdicts.push({ throttled: true, remaining: 0, retryAfter: 1001 });
    const source =
      "local t = kumo.make_throttle('mine', '10/s'):throttle(); return t.throttled, t.retry_after.secs";
    expect(await values(source, [], host)).toEqual([true, 2]);
  });

  test('a message is delayed to the millisecond', async () => {
    const host = notingHost();
    const subject = message();
    host.verdicts.push({ throttled: true, retryAfter: 1001 });
    const source = `
      local m = ...
      local t = kumo.make_throttle('mine', '10/s')
      local first, second = t:delay_message_if_throttled(m), t:delay_message_if_throttled(m)
      return first, second, tostring(t)`;
    expect(await values(source, [subject], host)).toEqual([true, false, '10/s']);
    expect(subject.due).toBe(host.clock.now() + 1001);
  });

  test('sleep_if_throttled waits until it is admitted', async () => {
    const host = notingHost();
    host.verdicts.push({ throttled: true, retryAfter: 1500 }, { throttled: true, retryAfter: 500 });
    const running = values("return kumo.make_throttle('mine', '10/s'):sleep_if_throttled()", [], host);
    await host.clock.advance(1999);
    expect(host.asked).toHaveLength(2);
    await host.clock.advance(1);
    expect(await running).toEqual([true]);
  });
});

test('versions', async () => {
  expect(await values('return kumo.version, kumo.policy.version()')).toEqual([
    expect.stringMatching(/^\d{4}\.\d\d\.\d\d-[0-9a-f]{8}$/),
    expect.stringMatching(/^\d+\.\d+\.\d+/),
  ]);
  expect(await values('return kumo.available_parallelism() >= 1')).toEqual([true]);
});

test('prometheus_metrics gives what the host collects', async () => {
  const host = Object.assign(notingHost(), { metricsText: async () => 'a_metric 1\n' });
  expect(await values('return kumo.prometheus_metrics()', [], host)).toEqual(['a_metric 1\n']);
});
