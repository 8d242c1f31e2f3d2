import { afterAll, expect, test, vi } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what is in it.
  json: any;
  text: string;
}

/** As the reference's client asks: with a body of `null`, and each on a connection of its own. */
async function ask(server: Moonpost, path: string): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${server.http}/api/admin/${path}`, {
    headers: { connection: 'close', 'content-type': 'application/json' },
  });
  const text = await response.text();
  return { status: response.status, text, json: response.status === 200 ? JSON.parse(text) : undefined };
}

test('queues and messages of every shard are shown, whichever is asked', async () => {
  const drop = await MailDrop.start({ rcpt: () => '451 4.2.0 later' });
  const server = await Moonpost.start({
    policy: initLua() + relayLua(drop.port, { queue: "retry_interval = '1h'" }),
    shards: 2,
  });
  const ids: string[] = [];
  for (let n = 0; n < 12; n++) {
    const answer = await sendOne(server.smtp, `u${n}@held.test`);
    ids.push(/ids=(\S+)/.exec(answer)![1]!);
  }
  await server.untilCounts({ TransientFailure: 12 });

  const all = await ask(server, 'inspect-sched-q/v1?queue_name=held.test');
  expect(all.json).toMatchObject({
    queue_name: 'held.test',
    num_scheduled: 12,
    delayed_metric: 12,
    queue_config: { retry_interval: '1h' },
  });
  expect(all.json.messages.map(({ id }: { id: string }) => id).sort()).toEqual(ids.toSorted());
  expect(all.json.messages[0].message).toMatchObject({
    sender: 'sender@example.org',
    data: null,
    num_attempts: 1,
  });
  expect(Date.parse(all.json.messages[0].message.due)).toBeGreaterThan(Date.parse(all.json.now));

  const some = await ask(server, 'inspect-sched-q/v1?queue_name=held.test&limit=5&want_body=true');
  expect(some.json.messages).toHaveLength(5);
  expect(some.json.messages[4].message.data).toContain('Received:');

  for (const id of [ids[0]!, ids[11]!]) {
    const one = await ask(server, `inspect-message/v1?id=${id}&want_body=true`);
    expect(one.json.id).toBe(id);
    expect(one.json.message.recipient).toMatch(/^u\d+@held\.test$/);
    expect(one.json.message.data).toContain('Received:');
  }
  expect(await ask(server, 'inspect-sched-q/v1?queue_name=other.test')).toMatchObject({
    status: 404,
    text: 'Error: no such queue other.test',
  });
  expect(await ask(server, `inspect-message/v1?id=${'0'.repeat(32)}`)).toMatchObject({ status: 500 });
  for (const bad of [
    'inspect-message/v1',
    'inspect-sched-q/v1?queue_name=a&limit=x',
    'ready-q-states/v1?no=1',
  ]) {
    expect((await ask(server, bad)).status).toBe(400);
  }
  expect((await ask(server, 'ready-q-states/v1')).json).toEqual({ states_by_ready_queue: {} });
  expect(await server.stop()).toBe(0);
});

test('a ready queue that a limit holds up says so until it goes on', async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const drop = await MailDrop.start({ hold: () => gate });
  const path = 'additional_connection_limits = { shared = 1 }';
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port, { path }) });
  for (let n = 0; n < 20; n++) await sendOne(server.smtp, `u${n}@dest.test`);
  const { states_by_ready_queue: states } = (await ask(server, 'ready-q-states/v1')).json;
  const [name] = Object.keys(states);
  expect(name).toMatch(/^unspecified->mx_list:.*@smtp_client$/);
  expect(states[name!].connection_limited.context).toBe('every slot of shared is taken');
  expect(Date.parse(states[name!].connection_limited.since)).toBeGreaterThan(Date.now() - 600_000);
  const shown = await ask(server, `inspect-ready-q/v1?queue_name=${encodeURIComponent(name!)}`);
  expect(shown.json).toMatchObject({
    queue_name: name,
    egress_source: 'unspecified',
    egress_pool: 'unspecified',
    protocol: 'smtp_client',
    state: { connection_count: 1, connection_rate_throttled: null, suspended: null },
    path_config: { additional_connection_limits: { shared: { limit: 1, force_local: false } } },
    scheduled_queue_names: ['dest.test'],
  });
  expect(shown.json.state.ready_count).toBeGreaterThan(10);
  expect(shown.json.state.connection_limited.context).toBe('every slot of shared is taken');
  expect(shown.json.dispatchers).toHaveLength(1);
  expect(shown.json.constraints.max_concurrent_dispatchers.value).toBe(1);
  expect((await ask(server, 'inspect-ready-q/v1?queue_name=other')).status).toBe(404);
  const selected = await ask(server, 'ready-q-states/v1?queues=other&queues=another');
  expect(selected.json.states_by_ready_queue).toEqual({});
  open();
  await server.untilCounts({ Delivery: 20 });
  expect((await ask(server, 'ready-q-states/v1')).json.states_by_ready_queue).toEqual({});
  expect(await server.stop()).toBe(0);
});
