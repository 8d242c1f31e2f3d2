import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { inject } from '../kit/injector.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const EXAMPLE = resolve(import.meta.dirname, '../../examples/custom-delivery/init.lua');
const servers: Server[] = [];

afterAll(async () => {
  await Moonpost.disposeAll();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

interface Posted {
  headers: IncomingMessage['headers'];
  body: string;
}

/** A web service that keeps what it is sent; `answer` gives its status. */
async function webService(answer: (posted: Posted) => number): Promise<{ port: number; posted: Posted[] }> {
  const posted: Posted[] = [];
  const server = createServer(async (request, response) => {
    const got = { headers: request.headers, body: await text(request) };
    posted.push(got);
    const status = answer(got);
    response.writeHead(status).end(status === 200 ? 'thanks' : 'no');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return { port: (server.address() as AddressInfo).port, posted };
}

function replaced(policy: string, replacements: readonly [string, string][]): string {
  let result = policy;
  for (const [from, to] of replacements) {
    expect(result.split(from), from).toHaveLength(2);
    result = result.replace(from, to);
  }
  return result;
}

const ofType = (records: readonly LogRecord[], type: string): LogRecord[] =>
  records.filter((record) => record.type === type);

test('the example posts mail to a web service: delivered, tried again, bounced', async () => {
  let refusals = 0;
  const service = await webService(({ headers }) => {
    const to = String(headers['x-recipient']);
    if (to.startsWith('never@')) return 422;
    return to.startsWith('later@') && refusals++ === 0 ? 503 : 200;
  });
  const policy = replaced(readFileSync(EXAMPLE, 'utf8'), [
    ["'127.0.0.1:2525'", "'127.0.0.1:0'"],
    ["'127.0.0.1:8000'", "'127.0.0.1:0'"],
    ['http://127.0.0.1:2527', `http://127.0.0.1:${service.port}`],
    ['./var/custom-delivery/log', 'DIR/log'],
    ["retry_interval = '1 minute'", "retry_interval = '1s'"],
  ]);
  const server = await Moonpost.start({ policy });
  expect(await sendOne(server.smtp, 'joe@other.example')).toBe('550 5.1.2 no mail for other.example');
  for (const name of ['ann', 'later', 'never']) {
    await sendOne(server.smtp, `${name}@app.example`, `Subject: for ${name}\r\n\r\nbody`);
  }
  const records = await server.untilCounts({ Delivery: 2, TransientFailure: 1, Bounce: 1 });
  await server.untilEmpty();
  expect(await server.stop()).toBe(0);

  expect(ofType(records, 'Delivery')).toHaveLength(2);
  for (const delivery of ofType(records, 'Delivery')) {
    expect(delivery).toMatchObject({
      queue: 'app.example',
      site: 'unspecified->app.example@lua:make.webhook',
      response: { code: 200, enhanced_code: null, content: '200 thanks', command: null },
      peer_address: { name: 'Lua via make.webhook', addr: '0.0.0.0' },
      delivery_protocol: 'Lua',
      egress_pool: 'unspecified',
      egress_source: 'unspecified',
    });
  }
  expect(ofType(records, 'TransientFailure')[0]).toMatchObject({
    recipient: 'later@app.example',
    num_attempts: 0,
    response: { code: 450, content: '503 no' },
  });
  expect(ofType(records, 'Bounce')[0]).toMatchObject({
    recipient: 'never@app.example',
    response: { code: 550, content: '422 no' },
  });
  const ann = service.posted.find(({ headers }) => headers['x-recipient'] === 'ann@app.example')!;
  expect(ann.headers).toMatchObject({ 'content-type': 'message/rfc822', 'x-sender': 'sender@example.org' });
  expect(ann.body).toContain('Subject: for ann');
  const attempts = service.posted
    .filter(({ headers }) => headers['x-recipient'] === 'later@app.example')
    .map(({ headers }) => headers['x-attempt']);
  expect(attempts).toEqual(['0', '1']);
});

/** A policy whose connections count what they are given; mail for `stuck` never gets an answer, `spin` is endless. */
const counting = (version: string): string => `${initLua()}
local fs = require 'kumo.fs'
kumo.on('get_queue_config', function(domain, tenant, campaign)
  return kumo.make_queue_config {
    retry_interval = '1h',
    protocol = { custom_lua = { constructor = 'make.counter' } },
  }
end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path { idle_timeout = '300s', connection_limit = 8 }
end)
kumo.on('make.counter', function(domain, tenant, campaign)
  local sent = 0
  local connection = {}
  function connection:send(message)
    local user = message:recipient().user
    if user == 'stuck' then kumo.sleep(3600) end
    if user == 'spin' then while true do end end
    sent = sent + 1
    return string.format('${version} %s %d', domain, sent)
  end
  return connection
end)
`;

test('a connection keeps its object, a new policy replaces it, and no handler holds up others', async () => {
  const server = await Moonpost.start({ policy: counting('v1') });
  const said = (): string[] => ofType(server.records(), 'Delivery').map(({ response }) => response.content);
  for (let n = 1; n <= 3; n++) {
    await sendOne(server.smtp, 'joe@one.example');
    await server.untilCounts({ Delivery: n });
  }
  expect(said()).toEqual(['v1 one.example 1', 'v1 one.example 2', 'v1 one.example 3']);
  const response = await fetch(`http://127.0.0.1:${server.http}/metrics.json`);
  const metrics = (await response.json()) as Record<string, { value: { service: Record<string, number> } }>;
  expect(metrics.total_messages_delivered!.value.service.lua).toBe(3);
  expect(metrics.connection_count!.value.service).toMatchObject({
    lua: 1,
    'lua:unspecified->one.example@lua:make.counter': 1,
    smtp_client: 0,
  });

  await sendOne(server.smtp, 'stuck@two.example');
  await sendOne(server.smtp, 'spin@three.example');
  const [spun] = ofType(await server.untilCounts({ TransientFailure: 1 }), 'TransientFailure');
  expect(spun!.response.code).toBe(400);
  expect(spun!.response.content).toMatch(
    /^KumoMTA internal: error in deliver_message: .*init\.lua:\d+: stopped for being over its budget/,
  );
  await sendOne(server.smtp, 'joe@one.example');
  await server.untilCounts({ Delivery: 4 });
  expect(said().at(-1)).toBe('v1 one.example 4');

  const policy = counting('v2').replaceAll('DIR', server.directory);
  writeFileSync(join(server.directory, 'init.lua'), policy);
  await fetch(`http://127.0.0.1:${server.http}/api/admin/bump-config-epoch`, { method: 'POST' });
  // Generations switch beside running mail; the first message after the switch meets a new connection.
  for (let n = 5; !said().some((text) => text.startsWith('v2')); n++) {
    await sendOne(server.smtp, 'joe@one.example');
    await server.untilCounts({ Delivery: n });
  }
  expect(said().at(-1)).toBe('v2 one.example 1');
  // Ends although a handler still waits; its message stays.
  await server.kill();
  const again = await Moonpost.start({ policy: counting('v3'), directory: server.directory });
  expect(again.errors).toMatch(/spooled in 2 msgs/);
  await again.kill();
});

test('batches: every message is delivered once, over two shards', async () => {
  const policy = `${initLua()}
kumo.on('get_queue_config', function()
  return kumo.make_queue_config {
    protocol = { custom_lua = { constructor = 'make.batch', batch_size = 50, min_batch_size = 10, max_batch_latency = '1s' } },
  }
end)
kumo.on('make.batch', function()
  return {
    send_batch = function(self, messages)
      local most = 0
      for _, message in ipairs(messages) do
        most = most + 1
        assert(message:get_data():find('X-Number', 1, true))
      end
      return 'one of ' .. most .. '/' .. #messages
    end,
  }
end)
`;
  const server = await Moonpost.start({ policy, shards: 2 });
  const { accepted } = await inject(server.smtp, { count: 500 });
  expect(accepted.size).toBe(500);
  const records = await server.untilCounts({ Delivery: 500 });
  await server.untilEmpty();
  expect(await server.stop()).toBe(0);
  const deliveries = ofType(records, 'Delivery');
  expect(deliveries.map(({ id }) => id).sort()).toEqual([...accepted.values()].sort());
  const sizes = deliveries.map(({ response }) => /^one of (\d+)\/(\d+)$/.exec(response.content)!);
  for (const [, counted, length] of sizes) {
    expect(counted).toBe(length);
    expect(Number(length)).toBeLessThanOrEqual(50);
  }
  expect(Math.max(...sizes.map(([, size]) => Number(size)))).toBeGreaterThan(1);
});
