import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { countTypes, initLua, Moonpost, readRecords, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** Lua text that delivers what hooks send into DIR/hooks, and has every record of the hook `name` sent. */
const hookLua = (name: string): string => `
kumo.on('should_enqueue_log_record', function(msg, hook)
  if hook ~= '${name}' then return end
  msg:set_meta('queue', hook .. '.log_hook')
  return true
end)
kumo.on('get_queue_config', function(domain)
  if domain ~= '${name}.log_hook' then return end
  return kumo.make_queue_config { protocol = { maildir_path = 'DIR/hooks' } }
end)
`;

/** What was delivered into DIR/hooks. */
function hooked(server: Moonpost): string[] {
  const directory = join(server.directory, 'hooks/new');
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'));
}

const hookedRecords = (server: Moonpost): LogRecord[] =>
  hooked(server).map((text) => JSON.parse(text) as LogRecord);

/** Records that are not about messages of the hooks. */
const ofMail = (records: readonly LogRecord[]): LogRecord[] =>
  records.filter(({ reception_protocol }) => reception_protocol !== 'LogRecord');

test('every record arrives as one message, and none about those messages', async () => {
  let tries = 0;
  const drop = await MailDrop.start({
    data: () => (++tries % 5 === 0 ? '451 4.3.0 not now' : undefined),
    rcpt: (address) => (address.startsWith('rcpt-7@') ? '550 5.1.1 unknown' : undefined),
  });
  const policy =
    initLua("kumo.configure_log_hook { name = 'web', headers = { 'Subject' } }") +
    hookLua('web') +
    relayLua(drop.port, { queue: "retry_interval = '1s'" });
  const server = await Moonpost.start({ policy, shards: 2 });
  await inject(server.smtp, { count: 40, recipient: (number) => `rcpt-${number}@dest.example` });
  const settled = (all: readonly LogRecord[]): boolean => {
    const { Delivery = 0, Bounce = 0 } = countTypes(ofMail(all));
    return Delivery + Bounce === 40 && all.length === 2 * ofMail(all).length;
  };
  const records = await server.until(settled);
  const arrived = hookedRecords(server);
  expect(countTypes(arrived)).toEqual(countTypes(ofMail(records)));
  expect(countTypes(arrived)).toMatchObject({ Reception: 40, Bounce: 1 });
  expect(countTypes(arrived).TransientFailure).toBeGreaterThan(0);
  const key = ({ type, id, event_time, num_attempts }: LogRecord): string =>
    `${type} ${id} ${num_attempts} ${event_time.slice(0, 10)}`;
  expect(arrived.map(key).sort()).toEqual(ofMail(records).map(key).sort());
  for (const { headers } of arrived) expect(Object.keys(headers)).toEqual(['Subject']);
  // Their deliveries are in the local logs alone.
  const own = records.filter(({ reception_protocol }) => reception_protocol === 'LogRecord');
  expect(countTypes(own)).toEqual({ Delivery: arrived.length });
  expect(await server.stop()).toBe(0);
});

test('a receiver that is down stops no mail; its records wait on disk, over SIGTERM and kill -9', async () => {
  const drop = await MailDrop.start();
  const receiver = await MailDrop.start();
  await receiver.stop();
  const policy =
    initLua("kumo.configure_log_hook { name = 'web' }") +
    hookLua('web').replace(
      "protocol = { maildir_path = 'DIR/hooks' }",
      `retry_interval = '1s', protocol = { smtp = { mx_list = { '[127.0.0.1]:${receiver.port}' } } }`,
    ) +
    relayLua(drop.port);
  const first = await Moonpost.start({ policy });
  await inject(first.smtp, { count: 30 });
  await first.until((records) => countTypes(ofMail(records)).Delivery === 30);
  expect(drop.messages).toHaveLength(30);
  expect(await first.stop()).toBe(0);

  // 60 messages that carry records; each is kept once.
  const second = await Moonpost.start({ policy, directory: first.directory });
  expect(second.errors).toMatch(/spooled in 60 msgs/);
  await inject(second.smtp, { count: 20 });
  await second.until((records) => countTypes(ofMail(records)).Delivery === 50);
  await second.kill();

  const back = await MailDrop.start({ port: receiver.port });
  const third = await Moonpost.start({ policy, directory: first.directory });
  const spooled = Number(/spooled in (\d+) msgs/.exec(third.errors)![1]);
  await third.untilEmpty();
  const arrived = back.messages.map(({ body }) => JSON.parse(body.toString()) as LogRecord);
  // A kill may repeat what was in hand; it forgets nothing whose message is gone.
  const distinct = new Set(arrived.map(({ type, id }) => `${type} ${id}`));
  const delivered = ofMail(readRecords(join(first.directory, 'log'))).filter(
    ({ type }) => type === 'Delivery',
  );
  for (const { id } of delivered) expect(distinct).toContain(`Delivery ${id}`);
  expect(spooled).toBeGreaterThanOrEqual(distinct.size);
  expect(distinct.size).toBeGreaterThanOrEqual(100);
});

test('kill -9 under load: a message that is gone has left its record', async () => {
  const drop = await MailDrop.start();
  const policy =
    initLua("kumo.configure_log_hook { name = 'web', per_record = { Reception = { enable = false } } }") +
    hookLua('web') +
    relayLua(drop.port);
  let server = await Moonpost.start({ policy, shards: 2 });
  const accepted = new Set<string>();
  for (let round = 0; round < 2; round++) {
    // Counted where the 250 came: a kill loses replies, and what is left of the round before is delivered as well.
    let answered = 0;
    const load = inject(server.smtp, {
      count: 100_000,
      first: round * 100_000,
      sessions: 16,
      onAccepted: () => answered++,
    });
    const target = drop.messages.length + 50;
    await eventually(() => (answered >= 200 && drop.messages.length >= target ? true : undefined));
    await server.kill();
    for (const id of (await load).accepted.values()) accepted.add(id);
    server = await Moonpost.start({ policy, shards: 2, directory: server.directory });
  }
  await server.untilEmpty();
  const recorded = new Set(hookedRecords(server).map(({ type, id }) => `${type} ${id}`));
  const missing = [...accepted].filter((id) => !recorded.has(`Delivery ${id}`));
  expect(missing).toEqual([]);
  expect(accepted.size).toBeGreaterThanOrEqual(400);
});

test('log_disposition_NAME sees the message, and NULL where the record has nothing', async () => {
  const drop = await MailDrop.start({ rcpt: () => '550 no such user' });
  const policy = `${initLua(`kumo.configure_log_disposition_hook {
    name = 'bounces',
    per_record = { Any = { enable = false }, Bounce = { enable = true } },
  }`)}${relayLua(drop.port)}
kumo.on('log_disposition_bounces', function(msg, record)
  local file = assert(io.open('DIR/bounces', 'a'))
  file:write(kumo.serde.json_encode {
    id = msg:id() == record.id,
    subject = msg:get_first_named_header_value 'Subject',
    type = record.type,
    code = record.response.code,
    isNull = record.response.enhanced_code ~= nil and type(record.response.enhanced_code) == 'userdata',
  }, '\\n')
  file:close()
  error 'on purpose'
end)`;
  const server = await Moonpost.start({ policy });
  await sendOne(server.smtp);
  await server.untilCounts({ Bounce: 1 });
  const text = await eventually(() => {
    const path = join(server.directory, 'bounces');
    return existsSync(path) && readFileSync(path, 'utf8').endsWith('\n')
      ? readFileSync(path, 'utf8')
      : undefined;
  });
  expect(JSON.parse(text)).toMatchObject({ id: true, type: 'Bounce', code: 550, isNull: true });
  expect(server.counts()).toEqual({ Reception: 1, Bounce: 1 });
  expect(server.errors).toMatch(/init\.lua:\d+: on purpose/);
});

test('filter_event chooses what a logger writes', async () => {
  const drop = await MailDrop.start();
  const policy = `${initLua(`kumo.configure_local_logs {
    log_dir = 'DIR/chosen', filter_event = 'only_vip',
    min_free_space = 0, min_free_inodes = 0,
  }`)}${relayLua(drop.port)}
kumo.on('only_vip', function(msg)
  return tostring(msg:recipient()) == 'vip@dest.example'
end)`;
  const server = await Moonpost.start({ policy });
  for (const to of ['vip@dest.example', 'other@dest.example', 'vip@dest.example']) {
    await sendOne(server.smtp, [to]);
  }
  await server.untilCounts({ Delivery: 3 });
  expect(await server.stop()).toBe(0);
  const chosen = readRecords(join(server.directory, 'chosen'));
  expect(countTypes(chosen)).toEqual({ Reception: 2, Delivery: 2 });
  for (const { recipient } of chosen) expect(recipient).toBe('vip@dest.example');
  expect(server.counts()).toEqual({ Reception: 3, Delivery: 3 });
});

test('two hooks of one name: the start fails and names both places', async () => {
  const server = Moonpost.spawn({
    policy: initLua(`kumo.configure_log_hook { name = 'web' }
  kumo.configure_log_hook { name = 'web' }`),
  });
  expect(await server.ended()).toBe(1);
  const text =
    /init\.lua:(\d+): .*log_hook with name 'web' has already been configured at \S*init\.lua:(\d+)/;
  const [, second, first] = text.exec(server.errors)!;
  expect(Number(second)).toBe(Number(first) + 1);
});

test('hooks come and go with the policy, without a restart', async () => {
  const drop = await MailDrop.start();
  const policyWith = (hook: string): string => initLua(hook) + hookLua('web') + relayLua(drop.port);
  const server = await Moonpost.start({ policy: policyWith('') });
  const switchTo = async (hook: string, times: number): Promise<void> => {
    const policy = policyWith(hook).replaceAll('DIR', server.directory);
    writeFileSync(join(server.directory, 'init.lua'), policy);
    await eventually(() => (server.errors.split(' serves ').length > times ? true : undefined), {
      what: () => server.errors,
    });
  };
  await sendOne(server.smtp);
  await server.untilCounts({ Delivery: 1 });
  await switchTo("kumo.configure_log_hook { name = 'web' }", 1);
  await sendOne(server.smtp);
  await eventually(() => (hooked(server).length >= 2 ? true : undefined));
  expect(countTypes(hookedRecords(server))).toEqual({ Reception: 1, Delivery: 1 });
  await switchTo('', 2);
  await sendOne(server.smtp);
  await server.until((records) => countTypes(ofMail(records)).Delivery === 3);
  expect(await server.stop()).toBe(0);
  expect(hooked(server)).toHaveLength(2);
});
