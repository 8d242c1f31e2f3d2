import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ShownExplanation } from '../../src/cli/explain-page.ts';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { launcher, Moonpost } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });

const HOUR = 3_600_000;

/** Domains whose one MX is named after them, so that each is a site of its own. */
const DOMAINS = ['susp', 'rsusp', 'rate', 'qrate', 'limit', 'full', 'busy', 'nopool', 'later', 'old', 'free'];
const ZONE = DOMAINS.map((name) => `${name}.test. 3600 MX 10 mx.${name}.test.`).concat(
  DOMAINS.map((name) => `mx.${name}.test. 3600 A 127.0.0.1`),
);

const POLICY = `
local kumo = require 'kumo'
local queue = require 'policy-extras.queue'
local shaping = require 'policy-extras.shaping'
kumo.on('pre_init', function()
  kumo.dns.configure_test_resolver { [[
${ZONE.join('\n')}
]] }
end)
kumo.on('init', function()
  kumo.define_spool { name = 'data', path = 'DIR/spool/data', min_free_space = 0, min_free_inodes = 0 }
  kumo.define_spool { name = 'meta', path = 'DIR/spool/meta', min_free_space = 0, min_free_inodes = 0 }
  kumo.configure_local_logs { log_dir = 'DIR/log', per_record = { Reception = { log_dir = 'DIR/received' } } }
  kumo.start_esmtp_listener { listen = '127.0.0.1:0' }
  kumo.start_http_listener { listen = '127.0.0.1:0' }
end)
kumo.on('get_egress_pool', function(name)
  if name == 'two' then
    return kumo.make_egress_pool { name = name, entries = { { name = 'a', weight = 3 }, { name = 'b', weight = 1 } } }
  end
end)
kumo.on('get_egress_source', function(name) return kumo.make_egress_source { name = name } end)
kumo.on('get_egress_path_config', shaping:setup_with_automation {
  no_default_files = true, extra_files = { 'DIR/shaping.toml' },
}.get_egress_path_config)
local queues = queue:setup { 'DIR/queues.toml' }
kumo.on('smtp_server_message_received', function(msg) queues:apply(msg) end)
`;

const QUEUES = `scheduling_header = "X-Schedule"
[queue.default]
retry_interval = "20m"
[queue."qrate.test"]
max_message_rate = "1/h"
[queue."nopool.test"]
egress_pool = "nowhere"
[queue."free.test"]
egress_pool = "two"
[queue."old.test"]
retry_interval = "1h"
max_age = "90m"
`;

const shapingFile = (ports: { good: number; holding: number; busy: number }): string => `["default"]
mx_rollup = false
prohibited_hosts = []
enable_tls = "Disabled"
smtp_port = ${ports.good}
["rate.test"]
max_message_rate = "1/h"
["limit.test"]
connection_limit = 1
smtp_port = ${ports.holding}
["full.test"]
smtp_port = ${ports.holding}
connection_limit = 1
max_ready = 1
["busy.test"]
smtp_port = ${ports.busy}
["old.test"]
smtp_port = ${ports.busy}
`;

let server: Moonpost;
/** The same with two shards. */
let pair: Moonpost;
let release: () => void;

beforeAll(async () => {
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const good = await MailDrop.start();
  const holding = await MailDrop.start({ hold: () => held });
  const busy = await MailDrop.start({ greeting: '421 4.3.2 too busy for you' });
  const ports = { good: good.port, holding: holding.port, busy: busy.port };
  const files = { 'queues.toml': QUEUES, 'shaping.toml': shapingFile(ports) };
  server = await Moonpost.start({ policy: POLICY, files });
  pair = await Moonpost.start({ policy: POLICY, files, shards: 2 });
});

afterAll(async () => {
  release?.();
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** Gives the id. */
async function send(domain: string, message?: string, to = server): Promise<string> {
  const answer = await sendOne(to.smtp, `someone@${domain}`, message);
  return /ids=(\S+)/.exec(answer)![1]!;
}

/** `moonpost explain …`. Not spawnSync: the servers of the test are in this process. */
async function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const endpoint = `http://127.0.0.1:${server.http}`;
  const child = spawn(process.execPath, [launcher, 'explain', ...args], {
    env: { ...process.env, KUMO_KCLI_ENDPOINT: endpoint, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await closed, stdout, stderr };
}

/** The page, with the breaks of its lines undone. */
async function page(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.replace(/\s+/g, ' ');
}

async function ask(query: Record<string, string>, of = server): Promise<ShownExplanation> {
  const url = `http://127.0.0.1:${of.http}/api/admin/explain/v1?${new URLSearchParams(query)}`;
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return (await response.json()) as ShownExplanation;
}

/** Asks until the explanation is as it should be: mail takes its time. */
function explained(
  query: Record<string, string>,
  isSo: (told: ShownExplanation) => boolean,
  of = server,
): Promise<ShownExplanation> {
  let last: ShownExplanation | undefined;
  return eventually(
    async () => {
      last = await ask(query, of);
      return isSo(last) ? last : undefined;
    },
    { patience: 120_000, what: () => JSON.stringify(last, null, 1) },
  );
}

const obstacle = (told: ShownExplanation, what: RegExp) =>
  (told.obstacles ?? []).find((one) => what.test(one.what));
const step = (told: ShownExplanation, name: string) => told.steps!.find((one) => one.step === name);

async function put(path: string, body: object): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${server.http}/api/admin/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

test('a suspended queue: the rule, its reason and its end', async () => {
  await put('suspend/v1', { domain: 'susp.test', reason: 'they asked us to stop', duration: '3h' });
  const id = await send('susp.test');
  const told = await explained({ id }, ({ answer }) => answer.includes('after 1 attempt'));
  const found = obstacle(told, /susp\.test is suspended/)!;
  expect(found).toMatchObject({ effect: 'fails', what: expect.stringContaining('they asked us to stop') });
  expect(Date.parse(found.clears!)).toBeGreaterThan(Date.now() + 2 * HOUR);
  expect(told.answer).toMatch(/^It is tried next at .*unless it ends before, .* is suspended .*they asked/);
  expect(await page(id)).toMatch(
    /suspended until .*\(they asked us to stop\) \(from an administrator, rule /,
  );
});

test('a suspended ready queue', async () => {
  const name = (await ask({ queue: 'rsusp.test' })).paths![0]!.ready_queue;
  expect(name).toBe('unspecified->mx.rsusp.test@smtp_client');
  await put('suspend-ready-q/v1', { name, reason: 'listed', duration: '3h' });
  const id = await send('rsusp.test');
  const told = await explained({ id }, ({ answer }) => answer.includes('after 1 attempt'));
  expect(obstacle(told, /ready queue .*mx\.rsusp\.test.* is suspended .*listed/)).toBeDefined();
  expect(await page(id)).toContain('is suspended by an administrator (listed)');
});

test('the message rate of a path: file and line, what is left, and when it clears', async () => {
  await send('rate.test');
  await server.until((records) =>
    records.some(({ type, queue }) => type === 'Delivery' && queue === 'rate.test'),
  );
  const id = await send('rate.test');
  const told = await explained({ id }, (now) => obstacle(now, /max_message_rate/) !== undefined);
  const found = obstacle(told, /max_message_rate = 1\/h/)!;
  expect(found.origin).toMatch(/shaping\.toml:7:1 \["rate\.test"\]/);
  expect(Date.parse(found.clears!)).toBeGreaterThan(Date.now() + HOUR / 2);
  expect(Date.parse(found.clears!)).toBeLessThan(Date.now() + HOUR);
  expect(step(told, 'max_message_rate')!.result).toMatch(/0 of 1 left, the next at/);
  const shown = await page(id);
  expect(shown).toContain('max_message_rate = 1/h');
  expect(shown).toContain('shaping.toml:7:1');
  // Looking takes nothing: it still is full after an hour, not two.
  for (let n = 0; n < 5; n++) await ask({ id });
  const again = obstacle(await ask({ id }), /max_message_rate/)!;
  expect(Math.abs(Date.parse(again.clears!) - Date.parse(found.clears!))).toBeLessThan(5000);
});

test('the message rate of a queue', async () => {
  // Looked at first, many times, the rate is whole for the mail that comes then.
  for (let n = 0; n < 5; n++) expect((await ask({ queue: 'qrate.test' })).obstacles).toEqual([]);
  await send('qrate.test');
  await server.until((records) =>
    records.some(({ type, queue }) => type === 'Delivery' && queue === 'qrate.test'),
  );
  const id = await send('qrate.test');
  const told = await explained({ id }, (now) => now.answer.includes('waits in its queue'));
  expect(told.answer).toMatch(
    /as the first: max_message_rate = 1\/h of the queue is used up .*queues\.toml:5:1/,
  );
  expect(step(told, 'line held')!.result).toBe('MessageRateThrottle');
  expect(await page(id)).toContain('queues.toml:5:1 [queue."qrate.test"]');
});

test('a connection limit in use: by whom', async () => {
  await send('limit.test');
  const id = await send('limit.test');
  const told = await explained({ id }, (now) => obstacle(now, /connection_limit/) !== undefined);
  const found = obstacle(told, /connection_limit = 1 is reached: 1 in use/)!;
  expect(found.what).toContain('1 by unspecified->mx.limit.test@smtp_client');
  expect(found.origin).toMatch(/shaping\.toml:9:1/);
  expect(told.answer).toContain(
    'It waits in ready queue unspecified->mx.limit.test@smtp_client as the first',
  );
});

test('a full ready queue', async () => {
  for (let n = 0; n < 3; n++) await send('full.test');
  const id = await send('full.test');
  const told = await explained({ id }, (now) => obstacle(now, /is full/) !== undefined);
  const found = obstacle(
    told,
    /unspecified->mx\.full\.test@smtp_client is full: 1 messages, max_ready allows 1/,
  )!;
  expect(found.origin).toMatch(/shaping\.toml:14:1/);
  expect(told.answer).toContain('It is due and waits in its queue');
  expect(await page(id)).toContain('ReadyQueueWasFull');
});

test('a peer that answers 421, with its words from the log', async () => {
  const id = await send('busy.test');
  // The session is counted as failed a moment after the message is put back.
  const told = await explained({ id }, (now) => obstacle(now, /reached no host/) !== undefined);
  expect(told.answer).toContain('after 1 attempt');
  expect(obstacle(told, /the last session of .*mx\.busy\.test.* reached no host/)).toBeDefined();
  await server.until((records) =>
    records.some((record) => record.id === id && record.type === 'TransientFailure'),
  );
  const shown = await page(id);
  expect(shown).toContain('421 4.3.2 too busy for you');
  expect(shown).toMatch(/So far .* Reception 250 .* TransientFailure 400/);
  expect(await page(id, '--no-log')).not.toContain('too busy');
});

test('DNS that fails', async () => {
  const id = await send('nowhere.test');
  const told = await explained({ id }, ({ answer }) => answer.includes('after 1 attempt'));
  expect(obstacle(told, /^nowhere\.test cannot be resolved: no such domain/)).toBeDefined();
  expect(step(told, 'hosts')).toMatchObject({ result: 'none of nowhere.test' });
  expect(await page(id)).toContain('nowhere.test cannot be resolved');
});

test('a pool that is not defined', async () => {
  const id = await send('nopool.test');
  const told = await explained({ id }, ({ answer }) => answer.includes('after 1 attempt'));
  expect(obstacle(told, /pool nowhere cannot be used: /)!.origin).toMatch(/queues\.toml:7:1/);
  expect(await page(id)).toContain('queues.toml:7:1 [queue."nopool.test"]');
});

test('a message that is scheduled for later', async () => {
  const first = new Date(Date.now() + 5 * HOUR).toISOString();
  const message = `X-Schedule: {"first_attempt":"${first}"}\r\nSubject: hello\r\n\r\nbody`;
  const id = await send('later.test', message);
  const told = await explained({ id }, ({ found }) => found);
  expect(told.obstacles).toEqual([]);
  expect(told.answer).toMatch(/^It is tried next at .* for the first time\.$/);
  expect(told.answer).toContain(first.slice(11, 19));
  expect(step(told, 'scheduling')!.result).toContain('first_attempt');
});

test('a message that expires soon', async () => {
  const id = await send('old.test');
  const told = await explained({ id }, ({ answer }) => answer.includes('after 1 attempt'));
  expect(told.answer).toMatch(/That is its last attempt: .* expires at/);
  expect(step(told, 'expires')!.origin).toMatch(/queues\.toml:12:1/);
  expect(step(told, 'if that fails')!.result).toBe('it expires');
});

test('a message that nobody has sent: its queue, sources and shares', async () => {
  const told = await ask({ from: 'a@example.org', to: 'b@free.test', tenant: 't', campaign: 'c' });
  expect(told.queue!.name).toBe('c:t@free.test');
  expect(told.answer).toMatch(
    /^A new message for queue c:t@free.test is tried at once: nothing holds it back\./,
  );
  expect(told.steps!.filter(({ step }) => step === 'share').map(({ result }) => result)).toEqual([
    '75 %, weight 3',
    '25 %, weight 1',
  ]);
  expect(step(told, 'name')!.why).toContain('were not run');
  expect(step(told, 'addresses')!.result).toBe('mx.free.test 127.0.0.1');
  const shown = await page('--from', 'a@example.org', '--to', 'b@free.test');
  expect(shown).toContain('A new message for queue free.test is tried at once');
  expect(shown).toContain('MX 10 mx.free.test');
});

test('a message that has left, one that never was, and bad questions', async () => {
  const id = await send('free.test');
  await server.until((records) => records.some((record) => record.id === id && record.type === 'Delivery'));
  const gone = await page(id);
  expect(gone).toMatch(/in no queue of this server any more\. .* Delivery 250/);
  expect(await page('--log', '--log-dir', `${server.directory}/log`, id)).toContain('Delivery 250');
  const never = await run('00000000000000000000000000000001');
  expect(never.status).toBe(1);
  expect(never.stderr).toMatch(/in no queue of this server.*Where to look: .*\/log/);
  const json = JSON.parse((await run('--json', id)).stdout);
  expect(json).toMatchObject({ found: false, records: [{ type: 'Reception' }, { type: 'Delivery' }] });
  for (const bad of [[], ['free.test', '--to', 'a@b.test']]) expect((await run(...bad)).status).toBe(2);
  const url = `http://127.0.0.1:${server.http}/api/admin/explain/v1`;
  for (const bad of ['', '?id=x', '?to=nobody', '?queue=a&id=b', '?no=1']) {
    expect((await fetch(url + bad)).status).toBe(400);
  }
});

test('two shards: a message of either, whichever is asked, and what they have together', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 8; n++) ids.push(await send('limit.test', undefined, pair));
  const waiting = (told: ShownExplanation) => told.answer.startsWith('It waits in ready queue');
  let waited = 0;
  for (const id of ids) {
    const isSettled = (told: ShownExplanation) => waiting(told) || step(told, 'is')!.result.includes('hand');
    const told = await explained({ id }, isSettled, pair);
    expect(step(told, 'messages')!.result).toBe('8');
    if (!waiting(told)) continue;
    waited++;
    const found = obstacle(
      told,
      /connection_limit = 1 is reached: 1 in use, 1 by unspecified->mx\.limit\.test/,
    );
    expect(found).toBeDefined();
  }
  // One is in the hand of the only connection.
  expect(waited).toBeGreaterThanOrEqual(ids.length - 2);
  const queue = await ask({ queue: 'limit.test' }, pair);
  expect(queue.answer).toContain('A message for queue limit.test waits: connection_limit = 1 is reached');
});
