import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import type { LogRecord, PolicyStatus } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { countTypes, launcher, Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 240_000 });
const servers: Server[] = [];

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A policy that is nothing but helpers; `extra` stands before the queue helper. */
const policyOf = (extra = ''): string => `
local kumo = require 'kumo'
local listener_domains = require 'policy-extras.listener_domains'
local queue = require 'policy-extras.queue'
local shaping = require 'policy-extras.shaping'
local sources = require 'policy-extras.sources'
local log_hooks = require 'policy-extras.log_hooks'

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = 'DIR/spool/data', min_free_space = 0, min_free_inodes = 0 }
  kumo.define_spool { name = 'meta', path = 'DIR/spool/meta', min_free_space = 0, min_free_inodes = 0 }
  kumo.configure_local_logs { log_dir = 'DIR/log', meta = { 'tenant' } }
  kumo.start_esmtp_listener { listen = '127.0.0.1:0', relay_hosts = {} }
  kumo.start_http_listener { listen = '127.0.0.1:0' }
  if shaper then shaper.setup_publish() end
end)
kumo.on('get_listener_domain', listener_domains:setup { 'DIR/listener_domains.toml' })
sources:setup { 'DIR/sources.toml' }
${extra}
if not shaper then kumo.on('get_egress_path_config', shaping:setup { 'DIR/shaping.toml' }) end
local queues = queue:setup { 'DIR/queues.toml' }
kumo.on('smtp_server_message_received', function(msg) queues:apply(msg) end)
`;

const listenerDomains = '["dest.example"]\nrelay_to = true\n';
const shapingFile =
  '["default"]\nprohibited_hosts = []\nmax_connection_rate = "100000/s"\nmax_message_rate = "100000/s"\n';
const sourcesFile = `
[source."ip-1"]
source_address = "127.0.0.1"
[source."ip-2"]
source_address = "127.0.0.1"
[source."ip-3"]
source_address = "127.0.0.1"
[pool."pool-1"."ip-1"]
[pool."pool-2"."ip-2"]
`;
const queuesFile = (port: number, more = ''): string => `
tenant_header = "X-Tenant"
remove_tenant_header = true
default_tenant = "one"
[tenant.one]
egress_pool = "pool-1"
[tenant.two]
egress_pool = "pool-2"
[queue.default]
retry_interval = "1s"
protocol = { smtp = { mx_list = [ { name = "sink.test", addr = "127.0.0.1:${port}" } ] } }
${more}`;

function filesFor(port: number): Record<string, string> {
  return {
    'listener_domains.toml': listenerDomains,
    'shaping.toml': shapingFile,
    'sources.toml': sourcesFile,
    'queues.toml': queuesFile(port),
  };
}

/** Saves a file as editors do, so that nobody reads half of it. */
function save(server: Moonpost, file: string, content: string): void {
  const path = join(server.directory, file);
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

async function status(server: Moonpost): Promise<PolicyStatus> {
  const response = await fetch(`http://127.0.0.1:${server.http}/api/admin/policy-status/v1`);
  return (await response.json()) as PolicyStatus;
}

function untilStatus(server: Moonpost, condition: (status: PolicyStatus) => boolean): Promise<PolicyStatus> {
  return eventually(
    async () => {
      const now = await status(server);
      return condition(now) ? now : undefined;
    },
    { what: () => `the policy did not come to it\n${server.errors}` },
  );
}

const ofMail = (records: readonly LogRecord[]): LogRecord[] =>
  records.filter(({ reception_protocol }) => reception_protocol !== 'LogRecord');

const messageFor = (tenant: string, n = 0): string => `X-Tenant: ${tenant}\r\nSubject: ${n}\r\n\r\nbody`;

/** Saves a file, and waits until what it says is in service. */
async function edit(server: Moonpost, file: string, content: string): Promise<void> {
  const { generation: before } = await status(server);
  save(server, file, content);
  await untilStatus(server, ({ generation }) => generation > before);
}

let sent = 0;

/** Sends one message of a tenant; gives the record of its delivery. */
async function delivered(server: Moonpost, tenant: string): Promise<LogRecord> {
  const recipient = `user-${++sent}@dest.example`;
  expect(await sendOne(server.smtp, recipient, messageFor(tenant))).toMatch(/^250/);
  const isIt = (record: LogRecord): boolean =>
    record.type === 'Delivery' && String(record.recipient) === recipient;
  return (await server.until((records) => records.some(isIt))).find(isIt)!;
}

interface Posted {
  url: string;
  body: string;
}

/** A web server that keeps what it is sent; `answer` may give another status than 200. */
async function webService(
  answer: () => number = () => 200,
  port = 0,
): Promise<{ port: number; posted: Posted[] }> {
  const posted: Posted[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const code = answer();
    if (code === 200) posted.push({ url: request.url!, body });
    response.writeHead(code).end('so be it');
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return { port: (server.address() as AddressInfo).port, posted };
}

const recordsIn = (posted: readonly Posted[]): LogRecord[] =>
  posted.map(({ body }) => JSON.parse(body) as LogRecord);

const hook = (port: number): string => `
log_hooks:new_json {
  name = 'web', url = 'http://127.0.0.1:${port}/log', queue_config = { retry_interval = '1s', max_retry_interval = '2s' },
}
`;

test('mail goes out through two pools, and every event of it reaches the web hook', async () => {
  const drop = await MailDrop.start({
    rcpt: (address) => (address.startsWith('nobody@') ? '550 5.1.1 unknown' : undefined),
  });
  const web = await webService();
  const server = await Moonpost.start({
    policy: policyOf(hook(web.port)),
    files: filesFor(drop.port),
    shards: 2,
  });
  for (let n = 0; n < 6; n++) {
    const tenant = n % 2 === 0 ? 'one' : 'two';
    expect(await sendOne(server.smtp, 'a@dest.example', messageFor(tenant, n))).toMatch(/^250/);
  }
  expect(await sendOne(server.smtp, 'nobody@dest.example')).toMatch(/^250/);
  expect(await sendOne(server.smtp, 'a@dest.example', messageFor('three'))).toContain(
    "500 tenant 'three' specified by 'X-Tenant' header is not defined in your queue config",
  );
  expect(await sendOne(server.smtp, 'a@elsewhere.example')).toMatch(/^550 5\.7\.1 relaying not permitted/);
  const settled = (records: readonly LogRecord[]): boolean => {
    const { Delivery = 0, Bounce = 0 } = countTypes(ofMail(records));
    return Delivery + Bounce >= 7;
  };
  const mail = ofMail(await server.until(settled));
  const delivered = mail.filter(({ type }) => type === 'Delivery');
  const ways = delivered.map(
    ({ meta, egress_pool, egress_source }) => `${meta.tenant} ${egress_pool} ${egress_source}`,
  );
  expect(new Set(ways)).toEqual(new Set(['one pool-1 ip-1', 'two pool-2 ip-2']));
  for (const { body } of drop.messages) expect(body).not.toContain('X-Tenant');
  await server.untilEmpty();
  const all = ofMail(server.records());
  const key = ({ type, id }: LogRecord): string => `${type} ${id}`;
  expect(recordsIn(web.posted).map(key).sort()).toEqual(all.map(key).sort());
  expect(await server.stop()).toBe(0);
});

test('edits of every file take effect live', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({ policy: policyOf(), files: filesFor(drop.port), shards: 2 });
  expect(await delivered(server, 'one')).toMatchObject({ egress_pool: 'pool-1', egress_source: 'ip-1' });

  const inPool2 = '[queue."dest.example".one]\negress_pool = "pool-2"\n';
  await edit(server, 'queues.toml', queuesFile(drop.port, inPool2));
  expect(await delivered(server, 'one')).toMatchObject({ egress_pool: 'pool-2', egress_source: 'ip-2' });

  await edit(server, 'sources.toml', sourcesFile.replace('"pool-2"."ip-2"', '"pool-2"."ip-3"'));
  expect(await delivered(server, 'one')).toMatchObject({ egress_pool: 'pool-2', egress_source: 'ip-3' });

  expect(await sendOne(server.smtp, 'a@new.example')).toMatch(/^550/);
  await edit(server, 'listener_domains.toml', `${listenerDomains}["new.example"]\nrelay_to = true\n`);
  expect(await sendOne(server.smtp, 'a@new.example')).toMatch(/^250/);

  const provider = '[provider.sink]\nmatch = [{ DomainSuffix = "dest.example" }]\n';
  await edit(server, 'shaping.toml', `${shapingFile}${provider}`);
  expect(await delivered(server, 'two')).toMatchObject({ provider_name: 'sink' });
  expect(server.errors).not.toMatch(/not taken/);
});

test('a bad edit changes nothing, and names file, line and what was meant', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({ policy: policyOf(), files: filesFor(drop.port), shards: 2 });
  expect(await delivered(server, 'one')).toMatchObject({ egress_pool: 'pool-1' });
  const bad: [string, string, RegExp][] = [
    [
      'queues.toml',
      queuesFile(drop.port, '[queue."dest.example"]\nmax_ag = "1d"\n'),
      /queues\.toml:13:1: \[queue\."dest\.example"\] unknown option 'max_ag', did you mean 'max_age'/,
    ],
    [
      'queues.toml',
      queuesFile(drop.port, '[queue."dest.example"]\negress_pool = "pool-9"\n'),
      /queues\.toml:13:1: .*egress_pool 'pool-9' is not in your sources data/,
    ],
    ['queues.toml', 'tenant_header = \n', /queues\.toml:1:\d+: /],
    [
      'sources.toml',
      sourcesFile.replace('"pool-2"."ip-2"', '"pool-2"."ip-9"'),
      /sources\.toml:9:16: \[pool\.pool-2\] pool 'pool-2' references source 'ip-9' which is not defined/,
    ],
    [
      'listener_domains.toml',
      '["dest.example"]\nrelay_too = true\n',
      /listener_domains\.toml:2:1: .*did you mean `relay_to`/,
    ],
    [
      'shaping.toml',
      `${shapingFile}connection_limt = 5\n`,
      /Validation failed:\n\S*shaping\.toml:5:1: unknown-option: .*connection_limit/,
    ],
  ];
  const { generation } = await status(server);
  for (const [file, content, expected] of bad) {
    save(server, file, content);
    const { failure } = await untilStatus(server, (now) => expected.test(now.failure?.error ?? ''));
    expect(failure!.cause).toEqual([join(server.directory, file)]);
    save(server, file, filesFor(drop.port)[file]!);
    await untilStatus(server, (now) => now.failure === null);
    expect(await sendOne(server.smtp, 'a@dest.example', messageFor('one'))).toMatch(/^250/);
  }
  expect((await status(server)).generation).toBeGreaterThanOrEqual(generation);
  const mail = ofMail(await server.untilEmpty().then(() => server.records()));
  expect(mail.filter(({ type }) => type !== 'Reception' && type !== 'Delivery')).toEqual([]);
});

test('while a file is bad, states and shards that begin to serve use what it said before', async () => {
  const drop = await MailDrop.start();
  const policy = policyOf(`kumo.on('pre_init', function() kumo.set_max_lua_context_use_count(1) end)`);
  const server = await Moonpost.start({ policy, files: filesFor(drop.port), shards: 2 });
  save(server, 'queues.toml', 'this is no TOML\n');
  await untilStatus(server, ({ failure }) => failure !== null);
  // Every event has a Lua state of its own, which is made while the file cannot be read.
  for (let n = 0; n < 20; n++) {
    expect(await sendOne(server.smtp, 'a@dest.example', messageFor('two', n))).toMatch(/^250/);
  }
  await server.untilCounts({ Delivery: 20 });
  expect(
    new Set(
      server
        .records()
        .filter(({ type }) => type === 'Delivery')
        .map((one) => one.egress_pool),
    ),
  ).toEqual(new Set(['pool-2']));
});

test('a receiver of events that is down, and then busy, gets every one when it is back', async () => {
  const drop = await MailDrop.start();
  const first = await webService();
  const port = first.port;
  const down = servers.pop()!;
  down.closeAllConnections();
  down.close();
  const server = await Moonpost.start({ policy: policyOf(hook(port)), files: filesFor(drop.port) });
  for (let n = 0; n < 10; n++) expect(await sendOne(server.smtp, 'a@dest.example')).toMatch(/^250/);
  await server.until((records) => (countTypes(ofMail(records)).Delivery ?? 0) >= 10);
  expect(drop.messages).toHaveLength(10);
  let refusals = 0;
  const web = await webService(() => (refusals++ < 5 ? 503 : 200), port);
  await eventually(() => (web.posted.length >= 20 ? true : undefined), {
    what: () => `${web.posted.length} of 20 events came\n${server.errors}`,
  });
  await server.untilEmpty();
  expect(countTypes(recordsIn(web.posted))).toEqual({ Reception: 10, Delivery: 10 });
  expect(new Set(recordsIn(web.posted).map(({ type, id }) => `${type} ${id}`)).size).toBe(20);
  expect(refusals).toBeGreaterThan(5);
});

test('a web hook takes records in lists', async () => {
  const drop = await MailDrop.start();
  const web = await webService();
  const lists = hook(web.port).replace(
    'name =',
    "batch_size = 10, min_batch_size = 5, max_batch_latency = '2s', name =",
  );
  const server = await Moonpost.start({ policy: policyOf(lists), files: filesFor(drop.port) });
  for (let n = 0; n < 6; n++) expect(await sendOne(server.smtp, 'a@dest.example')).toMatch(/^250/);
  await server.untilCounts({ Delivery: 6 });
  await server.untilEmpty();
  const bodies = web.posted.map(({ body }) => JSON.parse(body) as LogRecord[]);
  expect(countTypes(bodies.flat())).toEqual({ Reception: 6, Delivery: 6 });
  for (const list of bodies) expect(list.length).toBeLessThanOrEqual(10);
});

test('--validate tells what all helpers find, with places', () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-'));
  const files = {
    ...filesFor(25),
    'queues.toml': queuesFile(25, '[queue."a.example"]\negress_pool = "pool-9"\n').replace(
      'default_tenant = "one"',
      'default_tenant = "none"',
    ),
    'sources.toml': `${sourcesFile}[pool."pool-1"."ip-9"]\n`,
    'shaping.toml': `${shapingFile}["a.example"]\nmx_rollup = false\n["a.example".sources."ip-8"]\nconnection_limit = 1\n`,
    'init.lua': `${policyOf()}\nkumo.on('get_queue_config', function() end)\n`.replaceAll('DIR', directory),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  const {
    status: code,
    stdout,
    stderr,
  } = spawnSync(process.execPath, [launcher, '--validate', '--policy', 'init.lua'], {
    cwd: directory,
    encoding: 'utf8',
  });
  expect(code).toBe(1);
  expect(stderr).toContain(
    `${directory}/queues.toml:13:1: [queue."a.example"] egress_pool 'pool-9' is not in your sources data`,
  );
  expect(stderr).toContain(`${directory}/queues.toml:4:1: default_tenant 'none' is not defined`);
  expect(stderr).toContain(
    `${directory}/sources.toml:10:16: [pool.pool-1] pool 'pool-1' references source 'ip-9' which is not defined`,
  );
  expect(stderr).toMatch(/shaping\.toml:\d+:\d+: .*ip-8/);
  expect(stderr).toContain('the queue helper must be the last to register get_queue_config');
  expect(stdout).toContain(`WARNING: ${directory}/sources.toml:6:9: [source] source 'ip-3' is in no pool`);
});

test('an automation daemon gets what its rules match, and its suspensions are obeyed', async () => {
  const drop = await MailDrop.start({
    rcpt: (address) => (address.startsWith('later@') ? '451 4.7.1 try later' : undefined),
  });
  const posted: LogRecord[] = [];
  const asked = new Set<string>();
  const daemon = createServer(async (request: IncomingMessage, response) => {
    asked.add(`${request.method} ${request.url}`);
    if (request.url === '/publish_log_v1') posted.push(JSON.parse(await text(request)) as LogRecord);
    if (request.url === '/get_config_v1/shaping.toml')
      response.end('["default"]\nmax_deliveries_per_connection = 7\n');
    else response.end();
  });
  const suspension = {
    ReadyQSuspension: {
      rule_hash: 'abc',
      site_name: 'ip-9->far.example@smtp_client',
      reason: 'automation rule: try later',
      source: 'ip-9',
      expires: new Date(Date.now() + 3_600_000).toISOString(),
    },
  };
  new WebSocketServer({ server: daemon }).on('connection', (client, request) => {
    asked.add(`UPGRADE ${request.url}`);
    client.send(JSON.stringify(suspension));
  });
  daemon.listen(0, '127.0.0.1');
  await once(daemon, 'listening');
  servers.push(daemon);
  const url = `http://127.0.0.1:${(daemon.address() as AddressInfo).port}`;
  const shaper = `shaper = shaping:setup_with_automation {
    extra_files = { 'DIR/shaping.toml' }, publish = { '${url}' }, subscribe = { '${url}' }, tsa_queue_config = { retry_interval = '1s' },
  }
  kumo.on('get_egress_path_config', shaper.get_egress_path_config)`;
  const rule = '[["default".automation]]\nregex = "try later"\naction = "Suspend"\nduration = "1h"\n';
  const files = { ...filesFor(drop.port), 'shaping.toml': shapingFile + rule };
  const server = await Moonpost.start({ policy: policyOf(shaper), files, shards: 2 });
  expect(await sendOne(server.smtp, 'good@dest.example')).toMatch(/^250/);
  expect(await sendOne(server.smtp, 'later@dest.example')).toMatch(/^250/);
  await eventually(() => (posted.length > 0 ? true : undefined), {
    what: () => `nothing was published\n${server.errors}`,
  });
  expect(new Set(posted.map(({ type, recipient }) => `${type} ${recipient}`))).toEqual(
    new Set(['TransientFailure later@dest.example']),
  );
  const listed = await eventually(
    async () => {
      const response = await fetch(`http://127.0.0.1:${server.http}/api/admin/suspend-ready-q/v1`);
      const list = (await response.json()) as { name: string; reason: string }[];
      return list.length > 0 ? list : undefined;
    },
    { what: () => `no suspension came, ${[...asked].join(', ')}\n${server.errors}` },
  );
  expect(listed[0]).toMatchObject({
    name: 'ip-9->far.example@smtp_client',
    reason: 'automation rule: try later (rule_hash=abc)',
  });
  expect(asked).toContain('GET /get_config_v1/shaping.toml');
  expect(asked).toContain('UPGRADE /subscribe_event_v1');
  const talk = await SmtpTalk.greeted(server.smtp);
  await talk.quit();
});
