import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import { startSink } from '../../src/cli/sink.ts';
import { eventually } from '../kit/eventually.ts';
import { inject, numberOf } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendMail } from '../kit/send-mail.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/;
// operations.md 9.2, in the order listed; those about TLS and providers are left out when there is none.
const FIELDS = [
  ...['type', 'id', 'sender', 'recipient', 'queue', 'site', 'size', 'response', 'peer_address'],
  ...['timestamp', 'event_time', 'created', 'created_time', 'num_attempts', 'bounce_classification'],
  ...['egress_pool', 'egress_source', 'source_address', 'feedback_report', 'meta', 'headers'],
  ...['delivery_protocol', 'reception_protocol', 'nodeid', 'session_id'],
];

test('one message: received, delivered, one record of each with all fields', async () => {
  const drop = await MailDrop.start();
  const policy = `${initLua()}${relayLua(drop.port)}
kumo.on('smtp_server_message_received', function(msg) msg:set_meta('campaign', 'spring') end)`;
  const server = await Moonpost.start({ policy });

  const reply = await sendOne(server.smtp, 'Rcpt@Dest.Example', 'Subject: hello\r\n\r\n.dot\r\nbody');
  const id = /^250 OK ids=([0-9a-f]{32})$/.exec(reply)?.[1];
  expect(id, reply).toBeDefined();
  const records = await server.untilCounts({ Delivery: 1 });
  expect(server.counts()).toEqual({ Reception: 1, Delivery: 1 });
  expect(await server.stop()).toBe(0);

  const [message] = drop.messages;
  expect(message).toMatchObject({ sender: 'sender@example.org', recipients: ['Rcpt@Dest.Example'] });
  expect(message!.body).toMatch(/^Received: from client\.example \(127\.0\.0\.1\)\r\n/m);
  expect(message!.body).toContain('by mx.moonpost.test (Moonpost 127.0.0.1)');
  expect(message!.body.endsWith('Subject: hello\r\n\r\n.dot\r\nbody\r\n')).toBe(true);

  const [reception, delivery] = records;
  for (const record of records) {
    const ours = record.type === 'Delivery' ? ['session_delivery'] : [];
    expect(Object.keys(record)).toEqual([...FIELDS, ...ours]);
    expect(record).toMatchObject({
      id,
      sender: 'sender@example.org',
      recipient: 'Rcpt@Dest.Example',
      queue: 'spring:@dest.example',
      size: message!.body.length,
      num_attempts: 0,
      bounce_classification: 'Uncategorized',
      feedback_report: null,
      headers: { Subject: 'hello' },
      reception_protocol: 'ESMTP',
      created: reception!.created,
      nodeid: reception!.nodeid,
    });
    expect(record.meta.campaign).toBe('spring');
    expect(record.nodeid).toMatch(UUID);
    expect(record.session_id).toMatch(UUID);
    expect(record.event_time).toMatch(TIME);
    expect(record.created_time).toMatch(TIME);
    expect(record.timestamp).toBe(Math.floor(Date.parse(record.event_time) / 1000));
    expect(Math.abs(record.timestamp * 1000 - Date.now())).toBeLessThan(60_000);
  }
  expect(reception).toMatchObject({
    type: 'Reception',
    site: '',
    response: { code: 250, enhanced_code: null, content: '', command: null },
    peer_address: { name: 'client.example', addr: '127.0.0.1' },
    egress_source: null,
    source_address: null,
    delivery_protocol: null,
  });
  expect(delivery).toMatchObject({
    type: 'Delivery',
    site: `unspecified->mx_list:127.0.0.1:${drop.port}@smtp_client`,
    response: { code: 250, enhanced_code: { class: 2, subject: 0, detail: 0 }, content: 'taken' },
    peer_address: { name: 'sink.test', addr: `127.0.0.1:${drop.port}` },
    egress_source: 'unspecified',
    delivery_protocol: 'ESMTP',
  });
  expect(delivery!.source_address!.address).toMatch(/^127\.0\.0\.1:\d+$/);
});

test('many recipients of one message share records and arrive once', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({
    policy: initLua('', "batch_handling = 'BatchByDomain'") + relayLua(drop.port),
  });
  await sendOne(server.smtp, ['a@dest.example', 'b@dest.example', 'c@other.example']);
  const records = await server.untilCounts({ Delivery: 2 });
  expect(await server.stop()).toBe(0);
  expect(server.counts()).toEqual({ Reception: 2, Delivery: 2 });
  expect(drop.messages.map(({ recipients }) => recipients.join()).sort()).toEqual([
    'a@dest.example,b@dest.example',
    'c@other.example',
  ]);
  const of = (type: string): unknown[] => records.filter((record) => record.type === type);
  for (const type of ['Reception', 'Delivery']) {
    expect(of(type)).toContainEqual(
      expect.objectContaining({ recipient: ['a@dest.example', 'b@dest.example'] }),
    );
    expect(of(type)).toContainEqual(expect.objectContaining({ recipient: 'c@other.example' }));
  }
});

test.each([1, 2])(
  '2,000 messages through %i shards into moonpost sink, each exactly once',
  async (shards) => {
    const numbers: number[] = [];
    const sink = await startSink({
      listen: ['127.0.0.1:0'],
      onMessage: ({ body }) => numbers.push(numberOf(body.toString('latin1'))),
    });
    try {
      const server = await Moonpost.start({
        // Room for all, so that a slow sink makes no Delayed records.
        policy: initLua() + relayLua(sink.addresses[0]!.port, { path: 'max_ready = 4000' }),
        shards,
      });
      const { accepted, refused } = await inject(server.smtp, { count: 2000, sessions: 20 });
      expect(refused.size).toBe(0);
      expect(accepted.size).toBe(2000);
      expect(new Set(accepted.values()).size).toBe(2000);
      await server.untilCounts({ Delivery: 2000 });
      expect(await server.stop()).toBe(0);
      expect(server.counts()).toEqual({ Reception: 2000, Delivery: 2000 });
      expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, n) => n));
      expect(new Set(server.records().map(({ id }) => id))).toEqual(new Set(accepted.values()));
      expect(new Set(server.records().map(({ nodeid }) => nodeid)).size).toBe(1);
    } finally {
      await sink.stop();
    }
  },
);

test('what nodemailer sends arrives octet by octet, 8-bit and long lines included', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port) });
  const content = `Subject: odd\r\n\r\n..two dots\r\n\r\n.\r\nZürich\r\n${'x'.repeat(990)}\r\n`;
  await sendMail(server.smtp, { from: 'a@example.org', to: ['b@dest.example'] }, Buffer.from(content));
  await drop.until(1);
  const [received] = drop.messages;
  expect(Buffer.from(received!.body, 'latin1').toString('utf8').endsWith(content)).toBe(true);
});

test('the default policy delivers into a maildir below its directory', async () => {
  const file = resolve(import.meta.dirname, '../../policy/init.lua');
  const text = readFileSync(file, 'utf8');
  const policy = text
    .replace("'127.0.0.1:2525'", "'127.0.0.1:0'")
    .replace("'127.0.0.1:8000'", "'127.0.0.1:0'");
  expect(policy.match(/127\.0\.0\.1:0/g)).toHaveLength(2);
  const server = await Moonpost.start({ policy });
  const talk = await SmtpTalk.greeted(server.smtp);
  const message = 'Subject: hello\r\nX-Tenant: acme\r\n\r\n.body';
  expect(await talk.send('', ['joe@dest.example'], message)).toMatch(/^250 OK ids=/);
  await talk.quit();
  const box = join(server.directory, 'var/mail/dest.example/joe/new');
  const [name] = await eventually(() => {
    try {
      const names = readdirSync(box);
      return names.length > 0 ? names : undefined;
    } catch {
      return undefined;
    }
  });
  const kept = readFileSync(join(box, name!), 'utf8');
  expect(kept).toContain('Subject: hello');
  expect(kept).not.toContain('X-Tenant');
  expect(kept).toMatch(/\r?\n\r?\n\.body\r?\n$/);
  expect(await server.stop()).toBe(0);
});

test('a queue without protocol goes to the address literal it names', async () => {
  const drop = await MailDrop.start();
  const policy = `${initLua()}
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path { prohibited_hosts = {}, smtp_port = ${drop.port} }
end)`;
  const server = await Moonpost.start({ policy });
  await sendOne(server.smtp, 'joe@[127.0.0.1]');
  const records = await server.untilCounts({ Delivery: 1 });
  expect(drop.messages).toHaveLength(1);
  expect(records.at(-1)).toMatchObject({ queue: '[127.0.0.1]', site: 'unspecified->127.0.0.1@smtp_client' });
});
