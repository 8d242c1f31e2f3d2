import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { type Ended, moonpost } from '../kit/command.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });

const proxies = new Set<Server>();

afterEach(async () => {
  for (const proxy of proxies) proxy.close();
  proxies.clear();
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const urlOf = (port: number): string => `http://127.0.0.1:${port}`;
const run = (server: Moonpost, ...args: string[]): Promise<Ended> =>
  moonpost(args, { KUMO_KCLI_ENDPOINT: urlOf(server.http) });

/** A node whose destination refuses everything for an hour, with messages that wait. */
async function fullNode(messages: number, domains = 3): Promise<{ node: Moonpost; policy: string }> {
  const later = await MailDrop.start({ rcpt: () => '451 4.2.0 later' });
  const policy =
    initLua() +
    relayLua(later.port, { queue: "retry_interval = '1h'" }) +
    `kumo.on('smtp_server_message_received', function(msg) msg:set_meta('tenant', 'blue') end)`;
  const node = await Moonpost.start({ policy, shards: 2 });
  for (let index = 0; index < messages; index++) {
    expect(await sendOne(node.smtp, `u${index}@d${index % domains}.test`)).toMatch(/^250/);
  }
  await node.untilCounts({ TransientFailure: messages });
  return { node, policy };
}

test('messages go to another node, where they are as they were', async () => {
  const { node } = await fullNode(11);
  // Larger than requests may be, and packed to very little.
  const large = `Subject: x\r\n\r\n${`${'a'.repeat(998)}\r\n`.repeat(3000)}`;
  expect(await sendOne(node.smtp, 'u11@d2.test', large)).toMatch(/^250/);
  await node.untilCounts({ TransientFailure: 12 });
  const drop = await MailDrop.start();
  const other = await Moonpost.start({
    policy:
      initLua() +
      relayLua(drop.port) +
      `kumo.on('xfer_message_received', function(msg, auth) msg:set_meta('came_from', auth.peer_address) end)`,
    shards: 2,
  });
  const flags = ['--everything', '--reason', 'drain', '--target', urlOf(other.http)];
  const dry = await run(node, 'xfer', ...flags, '--dry-run');
  expect(dry).toMatchObject({ code: 0, stderr: 'Nothing was changed.\n' });
  expect(dry.stdout).toMatch(/^would transfer 12 messages in 3 queues\n/);
  const { code, stdout, stderr } = await run(node, 'xfer', ...flags);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toContain('in the background');

  const sent = await node.untilCounts({ AdminRebind: 12, XferOut: 12 });
  await node.untilEmpty();
  const queue = `${urlOf(other.http)}/.xfer.kumomta.internal`;
  expect(sent.find(({ type }) => type === 'AdminRebind')).toMatchObject({
    queue,
    response: { code: 250, content: expect.stringMatching(/^Rebound from blue@d\d\.test to http.*: drain$/) },
  });
  const out = sent.filter(({ type }) => type === 'XferOut');
  expect(out[0]).toMatchObject({
    queue,
    site: `unspecified->${queue}@xfer`,
    delivery_protocol: 'xfer',
    response: { code: 250, content: expect.stringMatching(/^new id is [0-9a-f]{32}$/) },
  });

  const came = await other.untilCounts({ XferIn: 12, Delayed: 12 });
  const there = came.filter(({ type }) => type === 'XferIn');
  const idThere = new Map(out.map((record) => [record.response.content.slice('new id is '.length), record]));
  expect([...idThere.keys()].sort()).toEqual(there.map(({ id }) => id).sort());
  for (const record of there) {
    const before = idThere.get(record.id)!;
    expect(record).toMatchObject({
      queue: expect.stringMatching(/^blue@d\d\.test$/),
      recipient: before.recipient,
      created_time: before.created_time,
      num_attempts: 1,
      size: before.size,
      delivery_protocol: 'xfer',
      meta: {
        tenant: 'blue',
        came_from: '127.0.0.1',
        xfer_prior_id: before.id,
        xfer_prior_node: before.nodeid,
      },
    });
    expect(record.meta).not.toHaveProperty('queue');
    expect(record.meta).not.toHaveProperty('xfer_queue_info');
  }
  // Nothing was tried at once: the next attempt is when it would have been.
  expect(other.counts().Delivery ?? 0).toBe(0);
  expect((await run(other, 'rebind', '--everything', '--reason', 'now', '--always-flush')).code).toBe(0);
  await other.untilCounts({ Delivery: 12 });
  await other.untilEmpty();
  expect(drop.messages.flatMap(({ recipients }) => recipients).sort()).toEqual(
    Array.from({ length: 12 }, (_, index) => `u${index}@d${index % 3}.test`).sort(),
  );
  expect(drop.messages[0]!.body).toContain('Received: from');
});

/** Stands before a node; `fate` says what becomes of a request. */
async function proxyTo(
  port: () => number,
  fate: (count: number) => 'pass' | 'cut' | 'unanswered',
): Promise<{ port: number; unanswered: () => number }> {
  let count = 0;
  let unanswered = 0;
  const proxy = createServer((incoming, answer) => {
    const will = fate(count++);
    if (will === 'cut') return void incoming.socket.destroy();
    const { method, url: path, headers } = incoming;
    const outgoing = request({ host: '127.0.0.1', port: port(), method, path, headers }, (response) => {
      if (will === 'pass') {
        answer.writeHead(response.statusCode!, { 'content-type': 'application/json' });
        response.pipe(answer);
        return;
      }
      unanswered++;
      response.resume();
      incoming.socket.destroy();
    });
    outgoing.on('error', () => incoming.socket.destroy());
    incoming.pipe(outgoing);
  });
  proxies.add(proxy);
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return { port: (proxy.address() as AddressInfo).port, unanswered: () => unanswered };
}

test('cut connections and killed nodes lose nothing; what is twice went unanswered', async () => {
  const { node, policy } = await fullNode(36);
  const drop = await MailDrop.start();
  const there = { policy: initLua() + relayLua(drop.port, { queue: "retry_interval = '1h'" }), shards: 2 };
  let other = await Moonpost.start(there);
  const proxy = await proxyTo(
    () => other.http,
    (count) => (count >= 20 ? 'pass' : count % 5 === 1 ? 'cut' : count % 5 === 3 ? 'unanswered' : 'pass'),
  );
  const flags = ['--everything', '--reason', 'drain', '--target', urlOf(proxy.port)];
  expect((await run(node, 'xfer', ...flags)).code).toBe(0);
  await node.untilCounts({ XferOut: 5 });
  await node.kill();
  await other.kill();
  other = await Moonpost.start({ ...there, directory: other.directory });
  const again = await Moonpost.start({ policy, shards: 2, directory: node.directory });
  await again.untilEmpty();

  expect((await run(other, 'rebind', '--everything', '--reason', 'now', '--always-flush')).code).toBe(0);
  await other.untilEmpty();
  const got = drop.messages.flatMap(({ recipients }) => recipients);
  expect(new Set(got).size).toBe(36);
  // Each of the 8 senders of 2 shards had at most one in hand when it was killed.
  expect(got.length - 36).toBeLessThanOrEqual(proxy.unanswered() + 16);
});

test('a transfer that cannot be made is taken back, as it was', async () => {
  const { node } = await fullNode(4, 1);
  const gone = await MailDrop.start();
  await MailDrop.stopAll();
  const target = urlOf(gone.port);
  const queue = `${target}/.xfer.kumomta.internal`;
  expect(await run(node, 'xfer-cancel', 'd0.test', '--reason', 'no')).toMatchObject({
    code: 1,
    stderr: 'Error: request status 400: Bad Request. Response body: Error: d0.test is not an xfer queue\n',
  });
  expect(await run(node, 'xfer-cancel', queue, '--reason', 'no')).toMatchObject({
    code: 1,
    stderr: `Error: request status 404: Not Found. Response body: Error: no such queue ${queue}\n`,
  });
  expect(await run(node, 'xfer', '--everything', '--reason', 'x', '--target', 'ftp://x')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('request status 400'),
  });
  expect((await run(node, 'xfer', '--reason', 'x', '--target', target)).code).toBe(2);

  expect((await run(node, 'xfer', '--domain', 'd0.test', '--reason', 'drain', '--target', target)).code).toBe(
    0,
  );
  const failed = await node.until(
    (records) => records.filter(({ site }) => site === `unspecified->${queue}@xfer`).length >= 4,
  );
  expect(failed.find(({ site }) => site === `unspecified->${queue}@xfer`)).toMatchObject({
    type: 'TransientFailure',
    delivery_protocol: 'xfer',
    response: {
      code: 400,
      content: expect.stringMatching(/^KumoMTA internal: failed to send message: POST http/),
    },
  });
  expect(await run(node, 'xfer-cancel', queue, '--reason', 'no')).toMatchObject({ code: 0, stdout: '{}\n' });
  await node.untilCounts({ AdminRebind: 8 });
  const { stdout } = await run(node, 'inspect-sched-q', 'blue@d0.test');
  const inspected = JSON.parse(stdout) as {
    num_scheduled: number;
    messages: { message: { due: string; num_attempts: number; meta: object } }[];
  };
  expect(inspected.num_scheduled).toBe(4);
  for (const { message } of inspected.messages) {
    expect(message.num_attempts).toBe(1);
    expect(Date.parse(message.due)).toBeGreaterThan(Date.now() + 600_000);
    expect(message.meta).not.toHaveProperty('xfer_queue_info');
    expect(message.meta).not.toHaveProperty('queue');
  }

  // To itself: refused, and taken back too.
  const self = urlOf(node.http);
  expect((await run(node, 'xfer', '--domain', 'd0.test', '--reason', 'loop', '--target', self)).code).toBe(0);
  await node.until((records) =>
    records.some(({ response }) =>
      response.content.includes('answered 400: Error: the message comes from this very node'),
    ),
  );
  const back = await run(node, 'xfer-cancel', `${self}/.xfer.kumomta.internal`, '--reason', 'no', '--json');
  expect(back).toMatchObject({ code: 0, stdout: '{}\n' });
  await node.untilCounts({ AdminRebind: 16 });
});
