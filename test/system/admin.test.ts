import { afterEach, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

interface Answer {
  status: number;
  text: string;
}

/** Each on a connection of its own, so that any shard may answer. */
async function ask(server: Moonpost, method: string, path: string, body?: unknown): Promise<Answer> {
  const json = { 'content-type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${server.http}/api/admin/${path}/v1`, {
    method,
    headers: { connection: 'close', ...(body === undefined ? {} : json) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

const get = async (server: Moonpost, path: string): Promise<Record<string, unknown>[]> =>
  JSON.parse((await ask(server, 'GET', path)).text) as Record<string, unknown>[];
const put = async (server: Moonpost, path: string, body: object): Promise<Record<string, unknown>> => {
  const { status, text } = await ask(server, 'POST', path, body);
  expect({ status, text }).toMatchObject({ status: 200 });
  return JSON.parse(text) as Record<string, unknown>;
};

/** Messages, each over a connection of its own, so that every shard gets some. */
async function sendTo(server: Moonpost, recipients: readonly string[]): Promise<void> {
  const left = [...recipients];
  const one = async (): Promise<void> => {
    for (let to = left.shift(); to !== undefined; to = left.shift()) {
      expect(await sendOne(server.smtp, to)).toMatch(/^250/);
    }
  };
  await Promise.all([one(), one(), one(), one()]);
}

test('suspended queues deliver nothing on any shard, until the entry is deleted', async () => {
  const drop = await MailDrop.start();
  const policy =
    initLua() + relayLua(drop.port, { queue: `retry_interval = '1s', max_retry_interval = '1s'` });
  const server = await Moonpost.start({ policy, shards: 2 });
  const { id } = await put(server, 'suspend', { domain: 'held.test', reason: 'no mail', duration: '10m' });
  const held = Array.from({ length: 20 }, (_, index) => `u${index}@held.test`);
  await sendTo(server, [...held, 'a@free.test', 'b@free.test']);
  const records = await server.untilCounts({ TransientFailure: 20, Delivery: 2 });
  expect(drop.messages.flatMap(({ recipients }) => recipients).sort()).toEqual([
    'a@free.test',
    'b@free.test',
  ]);
  expect(records.find(({ type }) => type === 'TransientFailure')).toMatchObject({
    queue: 'held.test',
    site: 'held.test',
    num_attempts: 0,
    response: {
      code: 451,
      enhanced_code: { class: 4, subject: 4, detail: 4 },
      content: 'KumoMTA internal: scheduled queue is suspended: no mail',
    },
  });
  for (let asked = 0; asked < 8; asked++) {
    const listed = await get(server, 'suspend');
    const duration = expect.stringMatching(/^(10m|9m .*)/) as unknown;
    const criteria = { campaign: null, tenant: null, domain: 'held.test' };
    expect(listed).toEqual([{ id, ...criteria, reason: 'no mail', duration }]);
  }
  expect(await ask(server, 'DELETE', 'suspend', { id })).toEqual({ status: 200, text: `removed ${id}` });
  expect(await ask(server, 'DELETE', 'suspend', { id })).toEqual({
    status: 404,
    text: `suspend entry ${id} not found`,
  });
  await server.untilEmpty();
  expect(drop.messages).toHaveLength(22);
  await server.untilCounts({ Delivery: 22 });
  await server.stop();
});

test('a bounce finds every one of 1,000 messages in 50 queues of 2 shards, and leaves the spool empty', async () => {
  // Nobody answers, so that all wait for their next attempt.
  const drop = await MailDrop.start({ greeting: '421 4.3.2 not now' });
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port), shards: 2 });
  const talks = await Promise.all(Array.from({ length: 8 }, () => SmtpTalk.greeted(server.smtp)));
  let sent = 0;
  await Promise.all(
    talks.map(async (talk) => {
      for (let index = sent++; index < 1000; index = sent++) {
        expect(
          await talk.send('s@example.org', [`u${index}@d${index % 50}.test`], 'Subject: x\r\n\r\nx'),
        ).toMatch(/^250/);
      }
      await talk.quit();
    }),
  );
  const { id, ...counts } = await put(server, 'bounce', { reason: 'gone' });
  expect(counts).toEqual({ bounced: {}, total_bounced: 0 });
  await server.untilEmpty();
  await server.untilCounts({ AdminBounce: 1000 });
  const listed = (await get(server, 'bounce'))[0]! as {
    bounced: Record<string, number>;
    total_bounced: number;
  };
  expect(listed).toMatchObject({ id, domain: null, routing_domain: null, total_bounced: 1000 });
  expect(Object.values(listed.bounced)).toEqual(new Array(50).fill(20));
  // New arrivals bounce too.
  await sendTo(server, ['late@d1.test']);
  await server.untilCounts({ AdminBounce: 1001 });
  expect((await ask(server, 'DELETE', 'bounce', { id })).status).toBe(200);
  await server.stop();
  const counted = server.counts();
  expect(counted).toMatchObject({ Reception: 1001, AdminBounce: 1001 });
  expect(counted.Delivery ?? 0).toBe(0);
  const again = await Moonpost.start({ policy: initLua(), directory: server.directory });
  expect(again.errors).toContain('spooled in 0 msgs');
  await again.stop();
});

test('with a ready queue suspended all mail goes by the other source', async () => {
  const drop = await MailDrop.start();
  const policy = `${initLua()}
kumo.on('get_queue_config', function()
  return kumo.make_queue_config {
    egress_pool = 'both',
    protocol = { smtp = { mx_list = { { name = 'sink.test', addr = '127.0.0.1:${drop.port}' } } } },
  }
end)
kumo.on('get_egress_pool', function(name)
  return kumo.make_egress_pool { name = name, entries = { { name = 'one' }, { name = 'two' } } }
end)
kumo.on('get_egress_source', function(name) return kumo.make_egress_source { name = name } end)
kumo.on('get_egress_path_config', function() return kumo.make_egress_path { prohibited_hosts = {} } end)
`;
  const server = await Moonpost.start({ policy, shards: 2 });
  const mail = (count: number) => Array.from({ length: count }, (_, index) => `u${index}@dest.test`);
  await sendTo(server, mail(20));
  const first = await server.untilCounts({ Delivery: 20 });
  const name = first.find(({ type, egress_source }) => type === 'Delivery' && egress_source === 'one')!.site;
  expect(name).toMatch(/^one->.*@smtp_client$/);
  const { id } = await put(server, 'suspend-ready-q', { name, reason: 'blocked' });
  const expires = expect.stringMatching(/^20\d\d-.*Z$/) as unknown;
  const duration = expect.stringMatching(/^(5m|4m .*)/) as unknown;
  expect(await get(server, 'suspend-ready-q')).toEqual([{ id, name, reason: 'blocked', duration, expires }]);
  await sendTo(server, mail(40));
  const second = (await server.untilCounts({ Delivery: 60 }))
    .filter(({ type }) => type === 'Delivery')
    .slice(20);
  expect(second.map(({ egress_source }) => egress_source)).toEqual(new Array(40).fill('two'));
  expect((await ask(server, 'DELETE', 'suspend-ready-q', { id })).status).toBe(200);
  await sendTo(server, mail(40));
  const third = (await server.untilCounts({ Delivery: 100 }))
    .filter(({ type }) => type === 'Delivery')
    .slice(60);
  expect(third.some(({ egress_source }) => egress_source === 'one')).toBe(true);
  expect(server.counts()).not.toHaveProperty('TransientFailure');
  await server.stop();
});

test('what is wrong with a request is said with 422; nothing holds then', async () => {
  const server = await Moonpost.start({ policy: initLua(), shards: 2 });
  const bad: [string, unknown, RegExp][] = [
    ['suspend', {}, /reason/],
    ['suspend', [], /reason|table/],
    ['suspend', 'not json', /JSON/i],
    ['suspend', { reason: 'r', domian: 'x' }, /domian.*domain/],
    ['suspend', { reason: 'r', dry_run: 'yes' }, /dry_run/],
    ['suspend', { reason: 'r', duration: 'soon' }, /'soon' is no duration/],
    ['bounce', { reason: 7 }, /reason: expected a string/],
    ['bounce', { reason: 'r', expires: '2001-01-01T00:00:00Z' }, /this time is over/],
    ['bounce', { reason: 'r', queue_names: 'a' }, /queue_names/],
    ['suspend-ready-q', { reason: 'r' }, /name/],
    ['suspend-ready-q', { reason: 'r', name: 'x', domain: 'y' }, /domain/],
  ];
  for (const [path, body, why] of bad) {
    const { status, text } = await ask(server, 'POST', path, body);
    const wanted = body === 'not json' ? 400 : 422;
    expect({ path, body, status, text }).toMatchObject({ status: wanted, text: expect.stringMatching(why) });
  }
  for (const body of [{}, { id: 7 }, { id: 'x' }, { id: 'x', more: 1 }, undefined]) {
    expect((await ask(server, 'DELETE', 'bounce', body)).status).toBe(422);
  }
  for (const path of ['suspend', 'bounce', 'suspend-ready-q']) expect(await get(server, path)).toEqual([]);
  await server.stop();
});

test('policy suspends, lists and deletes; entries of init hold before there are shards', async () => {
  const drop = await MailDrop.start();
  const policy = `${initLua(`kumo.api.admin.bounce.bounce { domain = 'never.test', reason = 'from init', duration = '1h' }`)}
kumo.on('smtp_server_message_received', function(msg)
  if msg:recipient().domain ~= 'command.test' then return end
  local word = msg:recipient().user
  if word == 'suspend' then
    local id = kumo.api.admin.suspend.suspend { domain = 'held.test', reason = 'by policy' }
    kumo.reject(550, id)
  end
  local listed = kumo.api.admin.suspend.list()
  local bounces = kumo.api.admin.bounce.list()
  local gone = kumo.api.admin.suspend.delete(listed[1].id)
  kumo.reject(550, string.format('%d %s %s %s', #listed, listed[1].reason, bounces[1].total_bounced, gone))
end)
${relayLua(drop.port, { queue: `retry_interval = '1s', max_retry_interval = '1s'` })}`;
  const server = await Moonpost.start({ policy, shards: 2 });
  await sendTo(server, ['a@never.test', 'b@never.test', 'c@free.test']);
  await server.untilCounts({ AdminBounce: 2, Delivery: 1 });
  const id = (await sendOne(server.smtp, 'suspend@command.test')).split(' ').at(-1);
  expect((await get(server, 'suspend')).map((entry) => entry.id)).toEqual([id]);
  await sendTo(server, ['d@held.test', 'e@held.test', 'f@held.test']);
  await server.untilCounts({ TransientFailure: 3 });
  expect(await sendOne(server.smtp, 'end@command.test')).toMatch(/1 by policy 2 true/);
  await server.untilEmpty();
  expect(await eventually(() => (drop.messages.length === 4 ? 4 : undefined))).toBe(4);
  await server.stop();
});
