import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

// One server for all: each test looks at the records of its own session.
let server: Moonpost;
let drop: MailDrop;
let before = 0;

beforeAll(async () => {
  drop = await MailDrop.start();
  const listener = 'max_message_size = 1000, max_recipients_per_message = 2, max_messages_per_connection = 3';
  const extra = `
  kumo.start_esmtp_listener { listen = '127.0.0.1:0', hostname = 'mx.moonpost.test', relay_hosts = { '192.0.2.0/24' } }`;
  const policy = `${initLua(extra, listener)}${relayLua(drop.port)}
kumo.on('smtp_server_ehlo', function(domain)
  if domain == 'bad.example' then kumo.reject(550, '5.7.1 go away') end
end)
kumo.on('smtp_server_mail_from', function(sender)
  if sender.user == 'banned' then kumo.reject(551, '5.7.1 banned sender') end
end)
kumo.on('smtp_server_rcpt_to', function(recipient)
  if recipient.user == 'later' then kumo.reject(450, '4.2.1 later') end
  if recipient.user == 'close' then kumo.reject(421, '4.7.0 closing') end
end)
kumo.on('smtp_server_message_received', function(msg)
  if msg:get_first_named_header_value 'X-Spam' then kumo.reject(554, '5.7.1 spam\\nreally') end
end)`;
  server = await Moonpost.start({ policy });
});

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

beforeEach(() => {
  before = server.records().length;
});

/** The records of this test, once there are so many. */
async function records(count: number): Promise<LogRecord[]> {
  return (await server.until((all) => all.length >= before + count)).slice(before);
}

const MAIL = 'MAIL FROM:<sender@example.org>';
const FROM = { sender: 'sender@example.org', id: '', queue: '', site: '', size: 0, reception_protocol: null };

test('a message that is too big: 552 and a Rejection, and the session goes on', async () => {
  const talk = await SmtpTalk.greeted(server.smtp);
  const reply = await talk.send(
    'sender@example.org',
    ['rcpt@dest.example'],
    'x'.repeat(900).concat('\r\n', 'y'.repeat(900)),
  );
  expect(reply).toBe('552 5.3.4 message too big');
  await talk.command('RSET', '250');
  expect(await talk.send('sender@example.org', ['rcpt@dest.example'], 'small')).toMatch(/^250 OK/);
  await talk.quit();
  const all = await records(3);
  expect(all.map(({ type }) => type)).toEqual(['Rejection', 'Reception', 'Delivery']);
  expect(all[0]).toMatchObject({
    ...FROM,
    type: 'Rejection',
    recipient: 'rcpt@dest.example',
    response: { code: 552, enhanced_code: { class: 5, subject: 3, detail: 4 }, content: 'message too big' },
    peer_address: { name: 'client.example', addr: '127.0.0.1' },
    headers: {},
    num_attempts: 0,
  });
});

test('SIZE announces too much: refused at MAIL', async () => {
  const talk = await SmtpTalk.greeted(server.smtp);
  expect(await talk.command(`${MAIL} SIZE=2000`)).toMatch(/^552 5\.3\.4 /);
  await talk.quit();
  const [record] = await records(1);
  expect(record).toMatchObject({ type: 'Rejection', recipient: '', response: { code: 552 } });
  expect(record!.response.command).toBe(`${MAIL} SIZE=2000\r\n`);
});

test('too many recipients: 452 4.5.3 for the third', async () => {
  const talk = await SmtpTalk.greeted(server.smtp);
  await talk.command(MAIL, '250');
  await talk.command('RCPT TO:<a@dest.example>', '250');
  await talk.command('RCPT TO:<b@dest.example>', '250');
  expect(await talk.command('RCPT TO:<c@dest.example>')).toMatch(/^452 4\.5\.3 too many recipients/);
  await talk.quit();
  const [record] = await records(1);
  expect(record).toMatchObject({
    type: 'Rejection',
    recipient: 'b@dest.example',
    response: { code: 452, command: 'RCPT TO:<c@dest.example>\r\n' },
  });
});

test('policy refuses at each step with its own code, recorded as said', async () => {
  const talk = await SmtpTalk.open(server.smtp);
  await talk.expect('220');
  expect(await talk.command('EHLO bad.example')).toBe('550 5.7.1 go away');
  await talk.command('EHLO client.example', '250');
  expect(await talk.command('MAIL FROM:<banned@example.org>')).toBe('551 5.7.1 banned sender');
  await talk.command(MAIL, '250');
  expect(await talk.command('RCPT TO:<later@dest.example>')).toBe('450 4.2.1 later');
  await talk.command('RSET', '250');
  const spam = await talk.send('sender@example.org', ['rcpt@dest.example'], 'X-Spam: yes\r\n\r\nbuy');
  // RFC 2034 section 4: the enhanced code is on every line.
  expect(spam).toBe('554-5.7.1 spam\n554 5.7.1 really');
  await talk.quit();
  const all = await records(4);
  expect(all.map(({ type, response }) => [type, response.code, response.command])).toEqual([
    ['Rejection', 550, 'EHLO bad.example\r\n'],
    ['Rejection', 551, 'MAIL FROM:<banned@example.org>\r\n'],
    ['Rejection', 450, 'RCPT TO:<later@dest.example>\r\n'],
    ['Rejection', 554, '.\r\n'],
  ]);
});

test('kumo.reject with 421 closes the connection', async () => {
  const talk = await SmtpTalk.greeted(server.smtp);
  await talk.command(MAIL, '250');
  expect(await talk.command('RCPT TO:<close@dest.example>')).toBe('421 4.7.0 closing');
  await talk.closed();
  expect((await records(1))[0]).toMatchObject({ type: 'Rejection', response: { code: 421 } });
});

test('relaying is for relay_hosts only', async () => {
  const talk = await SmtpTalk.greeted(server.ports.smtp[1]!);
  await talk.command(MAIL, '250');
  expect(await talk.command('RCPT TO:<rcpt@dest.example>')).toMatch(
    /^550 5\.7\.1 relaying not permitted for 127\.0\.0\.1:\d+$/,
  );
  await talk.quit();
  expect((await records(1))[0]).toMatchObject({ type: 'Rejection', response: { code: 550 } });
});

test('the order of commands is kept, and the session lives', async () => {
  const talk = await SmtpTalk.greeted(server.smtp);
  expect(await talk.command('RCPT TO:<a@dest.example>')).toMatch(
    /^503 5\.5\.0 MAIL FROM must be issued first/,
  );
  expect(await talk.command('DATA')).toMatch(/^503 5\.5\.0 /);
  expect(await talk.command('MAIL FROM:<no closing')).toMatch(/^501 /);
  expect(await talk.command('FROBNICATE')).toMatch(/^502 5\.5\.1 /);
  await talk.command(MAIL, '250');
  expect(await talk.command(MAIL)).toMatch(/^503 5\.5\.0 /);
  await talk.quit();
  const all = await records(5);
  expect(all.map(({ response }) => response.code)).toEqual([503, 503, 501, 502, 503]);
});

test('the connection takes max_messages_per_connection and no more', async () => {
  const talk = await SmtpTalk.greeted(server.smtp);
  for (let n = 0; n < 3; n++) {
    expect(await talk.send('sender@example.org', ['rcpt@dest.example'], 'hello')).toMatch(/^250 OK/);
  }
  await talk.command(MAIL, '250');
  expect(await talk.command('RCPT TO:<rcpt@dest.example>')).toMatch(
    /^421 4\.5\.3 .*too many recipients on this connection/,
  );
  await talk.closed();
});

test('a client that vanishes in the middle of its data leaves nothing', async () => {
  const talk = await SmtpTalk.greeted(server.smtp);
  await talk.command(MAIL, '250');
  await talk.command('RCPT TO:<half@dest.example>', '250');
  await talk.command('DATA', '354');
  talk.write('Subject: half\r\n\r\nhalf');
  talk.destroy();
  const next = await SmtpTalk.greeted(server.smtp);
  expect(await next.send('sender@example.org', ['whole@dest.example'], 'hello')).toMatch(/^250 OK/);
  await next.quit();
  await server.until((all) => all.slice(before).some(({ type }) => type === 'Delivery'));
  expect(drop.messages.flatMap(({ recipients }) => recipients)).not.toContain('half@dest.example');
});
