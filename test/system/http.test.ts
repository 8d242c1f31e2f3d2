import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** Each question on a connection of its own, so that any shard may answer. */
async function get(server: Moonpost, path: string): Promise<{ status: number; text: string; type: string }> {
  const response = await fetch(`http://127.0.0.1:${server.http}${path}`, {
    headers: { connection: 'close' },
  });
  return {
    status: response.status,
    text: await response.text(),
    type: response.headers.get('content-type') ?? '',
  };
}

test('liveness is 200 OK, and 503 while draining; SMTP is then refused or closed', async () => {
  let open = (): void => {};
  let came = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const inHand = new Promise<void>((resolve) => {
    came = resolve;
  });
  const drop = await MailDrop.start({
    hold: () => {
      came();
      return gate;
    },
  });
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port) });
  const path = '/api/check-liveness/v1';
  expect(await get(server, path)).toMatchObject({ status: 200, text: 'OK' });
  await sendOne(server.smtp);
  await inHand;
  const stopped = server.stop();
  await server.waitFor('-> stopping');
  // The shard hears of it a moment later than the one that says so.
  const draining = await eventually(async () => {
    const answer = await get(server, path);
    return answer.status === 200 ? undefined : answer;
  });
  expect(draining).toMatchObject({ status: 503, text: 'shutting down' });
  await expect(
    SmtpTalk.open(server.smtp).then(async (talk) => {
      const reply = await talk.reply();
      if (!reply.startsWith('421 4.3.2')) return reply;
      throw new Error(reply);
    }),
  ).rejects.toThrow(/421 4\.3\.2 mx\.moonpost\.test shutting down|ECONNREFUSED/);
  open();
  expect(await stopped).toBe(0);
});

type Metrics = Record<string, { type: string; value: unknown }>;

test('metrics of two shards add up, in both forms, whichever shard is asked', async () => {
  const drop = await MailDrop.start({
    rcpt: (address) => (address.startsWith('keep') ? '451 4.3.0 not now' : undefined),
  });
  const policy = initLua() + relayLua(drop.port, { queue: "retry_interval = '1 hour'" });
  const server = await Moonpost.start({ policy, shards: 2 });
  const recipient = (number: number): string => (number % 3 === 0 ? 'keep@dest.example' : 'go@dest.example');
  await inject(server.smtp, { count: 90, sessions: 24, recipient });
  await server.untilCounts({ Delivery: 60, TransientFailure: 30 });
  for (let asked = 0; asked < 6; asked++) {
    const json = await get(server, '/metrics.json');
    expect(json).toMatchObject({ status: 200, type: 'application/json; charset=utf-8' });
    const metrics = JSON.parse(json.text) as Metrics;
    expect(metrics.scheduled_count_total).toMatchObject({ type: 'gauge', value: 30 });
    expect(metrics.message_count).toMatchObject({ type: 'gauge', value: 30 });
    const text = await get(server, '/metrics');
    expect(text.status).toBe(200);
    expect(text.type).toMatch(/^text\/plain/);
    expect(text.text).toMatch(/^scheduled_count_total 30$/m);
    expect(text.text).toMatch(/^# TYPE scheduled_count_total gauge$/m);
  }
  const { total_messages_received: received, total_messages_delivered: delivered } = JSON.parse(
    (await get(server, '/metrics.json')).text,
  ) as Metrics;
  expect(received).toMatchObject({ type: 'counter', value: { service: { esmtp_listener: 90 } } });
  expect(delivered).toMatchObject({ type: 'counter', value: { service: { smtp_client: 60 } } });
  expect((await get(server, '/metrics?prefix=mp2_')).text).toMatch(/^mp2_scheduled_count_total 30$/m);
});

test('what is not there is 404, and a bad question is 400', async () => {
  const server = await Moonpost.start({ policy: initLua() });
  expect(await get(server, '/api/admin/nothing')).toMatchObject({ status: 404, text: 'Error: not found' });
  // Nobody may ask for what no rule is about.
  expect((await get(server, '/nothing')).status).toBe(401);
  expect((await get(server, '/metrics?prefix=a-b')).status).toBe(400);
});

test('metrics are for trusted hosts; liveness is for all', async () => {
  const policy = initLua().replace(
    "start_http_listener { listen = '127.0.0.1:0' }",
    "start_http_listener { listen = '127.0.0.1:0', trusted_hosts = { '192.0.2.1' } }",
  );
  const server = await Moonpost.start({ policy });
  expect((await get(server, '/metrics')).status).toBe(401);
  expect((await get(server, '/metrics.json')).status).toBe(401);
  expect((await get(server, '/api/check-liveness/v1')).status).toBe(200);
});

function post(server: Moonpost, path: string, body: unknown): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.http}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

test('rebind puts queued mail of every shard where rebind_message says, and is strict about what it is asked', async () => {
  const drop = await MailDrop.start();
  const policy = `${initLua()}${relayLua(drop.port)}
kumo.on('smtp_server_message_received', function(message)
  message:set_scheduling { first_attempt = '2099-01-01T00:00:00Z' }
end)
kumo.on('rebind_message', function(message, data)
  message:set_scheduling(nil)
  message:set_meta('tenant', data.tenant)
end)`;
  const server = await Moonpost.start({ policy, shards: 2 });
  const { accepted } = await inject(server.smtp, { count: 40, sessions: 8 });
  expect(accepted.size).toBe(40);
  const wrong = [
    { data: {} },
    { reason: 'why', data: {}, domian: 'dest.example' },
    { reason: 'why', data: { tenant: [7] } },
  ];
  for (const body of wrong) {
    expect((await post(server, '/api/admin/rebind/v1', body)).status).toBe(422);
  }
  const asked = {
    reason: 'a test',
    data: { tenant: 'moved' },
    domain: 'dest.example',
    trigger_rebind_event: true,
  };
  const answer = await post(server, '/api/admin/rebind/v1', asked);
  expect([answer.status, await answer.json()]).toEqual([200, {}]);
  const records = await server.untilCounts({ AdminRebind: 40, Delivery: 40 });
  const [rebound] = records.filter(({ type }) => type === 'AdminRebind');
  expect(rebound!.response.content).toBe('Rebound from dest.example to moved@dest.example: a test');
  expect(records.filter(({ type }) => type === 'Delivery').map(({ queue }) => queue)).toEqual(
    Array.from({ length: 40 }, () => 'moved@dest.example'),
  );
});

test('what changes something is not done for the page of somebody else', async () => {
  const server = await Moonpost.start({ policy: initLua() });
  const bump = async (headers: Record<string, string>): Promise<number> => {
    const url = `http://127.0.0.1:${server.http}/api/admin/bump-config-epoch`;
    return (await fetch(url, { method: 'POST', headers })).status;
  };
  expect(await bump({ origin: 'https://evil.example' })).toBe(403);
  expect(await bump({ origin: 'null' })).toBe(403);
  expect(await bump({ origin: `http://127.0.0.1:${server.http}` })).toBe(200);
  expect(await bump({})).toBe(200);
  expect((await get(server, '/api/admin/policy-status/v1')).status).toBe(200);
});
