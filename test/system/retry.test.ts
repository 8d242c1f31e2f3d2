import { readdirSync } from 'node:fs';
import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const ofType = (records: readonly LogRecord[], type: string): LogRecord[] =>
  records.filter((record) => record.type === type);

/** Stops in order, starts on what is left and counts it: nothing in the spool means that all is settled. */
async function leftInSpool(server: Moonpost, policy: string): Promise<number> {
  expect(await server.stop()).toBe(0);
  const again = await Moonpost.start({ policy, directory: server.directory });
  return Number(/spooled in (\d+) msgs/.exec(again.errors)![1]);
}

test('a temporary failure is tried again after retry_interval, doubled each time', async () => {
  let tries = 0;
  const drop = await MailDrop.start({ data: () => (++tries < 3 ? '451 4.3.0 not now' : undefined) });
  const policy = initLua() + relayLua(drop.port, { queue: "retry_interval = '1s'" });
  const server = await Moonpost.start({ policy });
  await sendOne(server.smtp);
  const records = await server.untilCounts({ Delivery: 1 });
  expect(server.counts()).toEqual({ Reception: 1, TransientFailure: 2, Delivery: 1 });
  expect(records.map(({ num_attempts }) => num_attempts)).toEqual([0, 0, 1, 2]);
  expect(ofType(records, 'TransientFailure')[0]).toMatchObject({
    response: { code: 451, enhanced_code: { class: 4, subject: 3, detail: 0 }, content: 'not now' },
    site: `unspecified->mx_list:127.0.0.1:${drop.port}@smtp_client`,
  });
  const [, first, second, third] = records.map(({ event_time }) => Date.parse(event_time));
  // No jitter below 20 s. Never early; how late depends on the machine.
  expect(second! - first!).toBeGreaterThanOrEqual(990);
  expect(third! - second!).toBeGreaterThanOrEqual(1990);
  expect(await leftInSpool(server, policy)).toBe(0);
});

test('a permanent failure bounces at once and leaves nothing', async () => {
  const drop = await MailDrop.start({ rcpt: () => '550 5.1.1 no such user' });
  const policy = initLua() + relayLua(drop.port);
  const server = await Moonpost.start({ policy });
  await sendOne(server.smtp);
  const records = await server.untilCounts({ Bounce: 1 });
  expect(server.counts()).toEqual({ Reception: 1, Bounce: 1 });
  expect(records[1]).toMatchObject({
    recipient: 'rcpt@dest.example',
    response: { code: 550, content: 'no such user', command: 'RCPT TO:<rcpt@dest.example>\r\n' },
  });
  expect(await leftInSpool(server, policy)).toBe(0);
});

test('a message that would be tried again after max_age expires', async () => {
  const drop = await MailDrop.start({ data: () => '451 4.3.0 never' });
  const policy = initLua() + relayLua(drop.port, { queue: "retry_interval = '1s', max_age = '2s'" });
  const server = await Moonpost.start({ policy });
  await sendOne(server.smtp);
  const records = await server.untilCounts({ Expiration: 1 });
  expect(server.counts()).toEqual({ Reception: 1, TransientFailure: 2, Expiration: 1 });
  const { response } = records.at(-1)!;
  expect(response).toMatchObject({ code: 551, enhanced_code: { class: 5, subject: 4, detail: 7 } });
  expect(response.content).toMatch(
    /^Next delivery time would be .+ after creation, which exceeds max_age=2s$/,
  );
  expect(await leftInSpool(server, policy)).toBe(0);
});

test('some recipients accepted, some refused for now, some for good: only those for now are tried again', async () => {
  let busy = 2;
  const drop = await MailDrop.start({
    rcpt: (address) => {
      if (address.startsWith('gone')) return '550 5.1.1 no such user';
      return address.startsWith('busy') && busy-- > 0 ? '450 4.2.1 mailbox busy' : undefined;
    },
  });
  const policy =
    initLua('', "batch_handling = 'BatchByDomain'") + relayLua(drop.port, { queue: "retry_interval = '1s'" });
  const server = await Moonpost.start({ policy });
  const to = ['ok@dest.example', 'busy1@dest.example', 'gone@dest.example', 'busy2@dest.example'];
  await sendOne(server.smtp, to);
  const records = await server.untilCounts({ Delivery: 2 });
  expect(server.counts()).toEqual({ Reception: 1, Delivery: 2, Bounce: 1, TransientFailure: 2 });
  expect(ofType(records, 'Bounce')[0]!.recipient).toBe('gone@dest.example');
  // Their responses differ in the command that was refused, so they do not share a record.
  expect(ofType(records, 'TransientFailure').map(({ recipient }) => recipient)).toEqual([
    'busy1@dest.example',
    'busy2@dest.example',
  ]);
  expect(ofType(records, 'Delivery').map(({ recipient }) => recipient)).toEqual([
    'ok@dest.example',
    ['busy1@dest.example', 'busy2@dest.example'],
  ]);
  expect(drop.messages.map(({ recipients }) => recipients)).toEqual([
    ['ok@dest.example'],
    ['busy1@dest.example', 'busy2@dest.example'],
  ]);
  expect(await leftInSpool(server, policy)).toBe(0);
});

test('nobody listens: a TransientFailure that names why', async () => {
  const drop = await MailDrop.start();
  await drop.stop();
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port) });
  await sendOne(server.smtp);
  const records = await server.untilCounts({ TransientFailure: 1 });
  expect(records[1]!.response).toMatchObject({ code: 400, enhanced_code: null });
  expect(records[1]!.response.content).toMatch(
    /^KumoMTA internal: failed to connect to any candidate hosts: .*ECONNREFUSED/,
  );
});

test('loopback is a prohibited host unless policy says otherwise', async () => {
  const drop = await MailDrop.start();
  const policy = `${initLua()}
kumo.on('get_queue_config', function()
  return kumo.make_queue_config { protocol = { smtp = { mx_list = { '[127.0.0.1]:${drop.port}' } } } }
end)`;
  const server = await Moonpost.start({ policy });
  await sendOne(server.smtp);
  const records = await server.untilCounts({ Bounce: 1 });
  expect(records[1]!.response).toMatchObject({
    code: 550,
    enhanced_code: { class: 5, subject: 4, detail: 4 },
  });
  expect(records[1]!.response.content).toContain('is on the list of prohibited_hosts');
  expect(drop.connections).toHaveLength(0);
});

test('max_message_rate of a queue: the others wait, one Delayed each', async () => {
  const drop = await MailDrop.start();
  const policy = initLua() + relayLua(drop.port, { queue: "max_message_rate = '1/s'" });
  const server = await Moonpost.start({ policy });
  const start = performance.now();
  const { accepted } = await inject(server.smtp, { count: 3, sessions: 1 });
  const records = await server.untilCounts({ Delivery: 3 });
  const delayed = ofType(records, 'Delayed');
  for (const record of delayed) {
    expect(record.response).toMatchObject({ code: 400, enhanced_code: null });
    expect(record.response.content).toMatch(/^Context: MessageRateThrottle\. Next due in /);
    expect(record.num_attempts).toBe(0);
  }
  // A machine that takes a second for a transaction has nothing to delay; none is delayed twice.
  const others = [accepted.get(1), accepted.get(2)];
  expect(delayed.map(({ id }) => id)).toEqual(
    others.filter((id) => delayed.some((record) => record.id === id)),
  );
  expect(server.counts()).toMatchObject({ Reception: 3, Delivery: 3 });
  // However late the arrivals are seen: the second may go a second after the first at the earliest, and so on.
  const [, second, third] = drop.messages.map(({ at }) => at);
  expect(second! - start).toBeGreaterThan(990);
  expect(third! - start).toBeGreaterThan(1980);
});

test('a full ready queue: one Delayed each, and all go as slots free', async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const drop = await MailDrop.start({ hold: () => gate });
  const policy = initLua() + relayLua(drop.port, { path: 'connection_limit = 1, max_ready = 1' });
  const server = await Moonpost.start({ policy });
  await inject(server.smtp, { count: 5, sessions: 1 });
  // One on the wire, one in the ready queue, three in line.
  const waiting = await server.untilCounts({ Delayed: 3 });
  for (const { response } of ofType(waiting, 'Delayed')) {
    expect(response.content).toMatch(/^Context: ReadyQueueWasFull\. Next due in /);
  }
  open();
  await server.untilCounts({ Delivery: 5 });
  expect(server.counts()).toEqual({ Reception: 5, Delayed: 3, Delivery: 5 });
  expect(drop.connections).toHaveLength(1);
});

test('a spool that is empty again holds next to nothing on disk', async () => {
  const drop = await MailDrop.start();
  const policy = initLua() + relayLua(drop.port);
  const server = await Moonpost.start({ policy });
  await inject(server.smtp, { count: 200 });
  await server.untilCounts({ Delivery: 200 });
  expect(await leftInSpool(server, policy)).toBe(0);
  const left = readdirSync(`${server.directory}/spool`, { recursive: true }).map(String);
  expect(left.length).toBeLessThan(40);
});
