import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { inject, numberOf } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';
import { SocksServer } from '../kit/socks-server.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });
const test = oneByOne.concurrent;

const proxies: SocksServer[] = [];
async function proxy(): Promise<SocksServer> {
  const server = await SocksServer.start({ credentials: { username: 'mail', password: 'geheim' } });
  proxies.push(server);
  return server;
}

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  for (const server of proxies) server.stop();
});

/** Mail to `DOMAIN` goes to the port that `ports` names for it, else to that of `other`. */
function routesLua(ports: Record<string, number>, other: number, more = ''): string {
  return `
local PORTS = { ${Object.entries(ports)
    .map(([domain, port]) => `['${domain}'] = ${port}`)
    .join(', ')} }
kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  local port = PORTS[routing_domain or domain] or ${other}
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = { { name = 'sink.test', addr = '127.0.0.1:' .. port } } } },
    retry_interval = '2s',
    ${more}
  }
end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path { prohibited_hosts = {}, connection_limit = 4, idle_timeout = '1s' }
end)
`;
}

test('two sources behind two proxies, one of which dies: all mail goes on through the other', async () => {
  const drop = await MailDrop.start();
  const [a, b] = [await proxy(), await proxy()];
  const policy = `${initLua()}${routesLua({}, drop.port, "egress_pool = 'both',")}
local SERVERS = { a = '${a.server}', b = '${b.server}' }
local ADDRESSES = { a = '127.0.0.7', b = '127.0.0.8' }
kumo.on('get_egress_pool', function(name)
  return kumo.make_egress_pool { name = name, entries = { { name = 'a' }, { name = 'b' } } }
end)
kumo.on('get_egress_source', function(name)
  return kumo.make_egress_source {
    name = name,
    socks5_proxy_server = SERVERS[name],
    socks5_proxy_source_address = ADDRESSES[name],
    socks5_proxy_username = 'mail',
    socks5_proxy_password = { key_data = 'geheim' },
    suspend_when_proxy_unhealthy = { trigger = 'Immediate', duration = '1h' },
  }
end)`;
  const server = await Moonpost.start({ policy, shards: 2 });

  await inject(server.smtp, { count: 100 });
  await server.untilCounts({ Delivery: 100 });
  for (const [proxied, source] of [
    [a, '127.0.0.7'],
    [b, '127.0.0.8'],
  ] as const) {
    expect(proxied.connections.length).toBeGreaterThan(0);
    expect(proxied.connections.every((made) => made.source === source)).toBe(true);
  }
  await server.untilEmpty();
  // What is sent over a connection that was open when the proxy died waits for up to a minute (delivery.md 8.6).
  await eventually(() => (drop.openNow === 0 ? true : undefined), { patience: 60_000, what: () => 'open' });
  a.stop();

  await inject(server.smtp, { count: 200, first: 100 });
  const records = await server.untilCounts({ Delivery: 300 });
  await server.untilEmpty();
  expect(drop.messages.map(({ body }) => numberOf(body)).sort((x, y) => x - y)).toEqual(
    Array.from({ length: 300 }, (_, number) => number),
  );
  const delivered = records.filter(({ type }) => type === 'Delivery');
  expect(new Set(delivered.map(({ id }) => id)).size).toBe(300);
  for (const { egress_source, source_address } of delivered) {
    const [proxied, address] = egress_source === 'a' ? [a, '127.0.0.7'] : [b, '127.0.0.8'];
    expect(source_address).toEqual({
      address: expect.stringMatching(new RegExp(`^${address}:\\d+$`)),
      server: proxied.server,
      protocol: 'socks5',
    });
  }
  const failed = records.filter(({ type }) => type === 'TransientFailure');
  expect(failed.length).toBeGreaterThan(0);
  // Only those that were in hand when it was found out: at most one for each connection.
  expect(failed.length).toBeLessThanOrEqual(8);
  for (const { egress_source, response } of failed) {
    expect(egress_source).toBe('a');
    expect(response.content).toContain('the proxy is what failed (all hosts): ');
  }
  // From the first failure on, nothing but what was on its way already.
  const last = records.filter(
    ({ type, egress_source }) => type === 'Delivery' && egress_source === 'a',
  ).length;
  expect(last).toBeLessThanOrEqual(100);
  expect(server.errors).toContain('source a is left out for 1h: its proxy fails');
  expect(server.errors).not.toContain('geheim');
  const metrics = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
  expect(metrics).toMatch(/^egress_source_health_suspended\{source="a",reason="ProxyUnhealthy"\} 1$/m);
  expect(await server.stop()).toBe(0);
});

/** A policy that leads mail astray in every way that policies have. */
const PRODUCTION = `
kumo.on('smtp_server_message_received', function(msg)
  local kind = msg:recipient().user
  if kind == 'queue' then msg:set_meta('queue', 'c:t@world.example!world.example') end
  if kind == 'routing' then msg:set_meta('routing_domain', 'world.example') end
  if kind == 'recipient' then msg:set_recipient('other@world.example') end
  if kind == 'tenant' then msg:set_meta('tenant', 'acme') end
  if kind == 'inject' then
    local made = kumo.make_message('bot@world.example', 'extra@world.example', 'Subject: made\\r\\n\\r\\nmade\\r\\n')
    made:set_meta('routing_domain', 'world.example')
    kumo.inject_message(made)
  end
end)
kumo.on('smtp_server_message_deferred_inject', function(msg)
  assert(msg:recipient().domain == 'world.example')
  msg:set_meta('queue', 'world.example')
end)
`;

test('with a development recipient a production policy mails nobody else', async () => {
  const [developer, world] = [await MailDrop.start(), await MailDrop.start()];
  const extra = `kumo.start_esmtp_listener { listen = '127.0.0.1:0', deferred_queue = true, hostname = 'b.test' }
    kumo.policy.set_development_recipient('beaten@world.example')`;
  const policy = initLua(extra) + routesLua({ 'dev.example': developer.port }, world.port) + PRODUCTION;
  const args = ['--development-recipient', 'me@dev.example'];
  const server = await Moonpost.start({ policy, args });
  expect(server.errors).toMatch(
    /WARN.*all new mail goes to me@dev\.example instead of its recipients \(--development-recipient\)/,
  );
  for (const kind of ['plain', 'queue', 'routing', 'recipient', 'tenant', 'inject']) {
    await sendOne(server.smtp, `${kind}@world.example`);
  }
  await sendOne(server.ports.smtp[1]!, 'deferred@world.example');
  const talk = await SmtpTalk.greeted(server.smtp);
  await talk.command('MAIL FROM:<a@b.example>');
  for (const kind of ['one', 'two']) await talk.command(`RCPT TO:<${kind}@world.example>`);
  await talk.command('DATA');
  expect(await talk.command('Subject: both\r\n\r\nboth\r\n.')).toMatch(/^250 /);
  await talk.quit();

  const records = await server.untilCounts({ Delivery: 10 });
  await server.untilEmpty();
  expect(world.connections).toEqual([]);
  expect(developer.messages.map(({ recipients }) => recipients)).toEqual(
    new Array(10).fill(['me@dev.example']),
  );
  const originals = developer.messages.map(
    ({ body }) => /^X-Moonpost-Original-Recipient: (.*)\r\n/m.exec(body)?.[1],
  );
  const kinds = ['plain', 'queue', 'routing', 'other', 'tenant', 'inject', 'extra', 'deferred', 'one', 'two'];
  expect(originals.sort()).toEqual(kinds.map((kind) => `${kind}@world.example`).sort());
  const queues = records.filter(({ type }) => type === 'Delivery').map(({ queue }) => queue);
  expect(new Set(queues)).toEqual(new Set(['dev.example', 'c:t@dev.example', 'acme@dev.example']));
  expect(await server.stop()).toBe(0);
});
