import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterAll, expect, test, vi } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const page = readFileSync(resolve(import.meta.dirname, '../../docs/from-postfix.md'), 'utf8');
const policies = [...page.matchAll(/^```lua\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
const providers: SMTPServer[] = [];

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  for (const provider of providers) provider.close();
});

/** A policy of the page on free ports, in a directory of its own; each text must be there once. */
function policyOf(number: number, replacements: readonly [string, string][]): string {
  let policy = policies[number]!;
  for (const [from, to] of [
    ["'/var/lib/moonpost/spool/data'", "'DIR/spool/data', min_free_space = 0, min_free_inodes = 0"],
    ["'/var/lib/moonpost/spool/meta'", "'DIR/spool/meta', min_free_space = 0, min_free_inodes = 0"],
    ['/var/log/moonpost', 'DIR/log'],
    ["'127.0.0.1:8000'", "'127.0.0.1:0'"],
    ...replacements,
  ] as const) {
    expect(policy.split(from), from).toHaveLength(2);
    policy = policy.replace(from, to);
  }
  return policy;
}

const host = (name: string, port: number): string => `{ name = '${name}', addr = '127.0.0.1:${port}' }`;
/** By default nothing is sent to this machine itself, which is where the receivers of a test are. */
const ALLOWED = 'kumo.make_egress_path { prohibited_hosts = {},';

test('the page has three policies', () => expect(policies).toHaveLength(3));

test('the null client hands all mail to one host', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({
    policy: policyOf(0, [
      ["'127.0.0.1:25'", "'127.0.0.1:0'"],
      ["'mail.example.com'", host('mail.example.com', drop.port)],
      ['kumo.make_egress_path {', ALLOWED],
    ]),
  });
  await sendOne(server.smtp, ['joe@one.example', 'ann@two.example']);
  await server.untilCounts({ Delivery: 2 });
  expect(await server.stop()).toBe(0);
  expect(drop.messages.flatMap(({ recipients }) => recipients).sort()).toEqual([
    'ann@two.example',
    'joe@one.example',
  ]);
});

test('the relay host says its password over TLS, and obeys the alias', async () => {
  const seen: string[] = [];
  const received: string[] = [];
  const provider = new SMTPServer({
    authOptional: false,
    onAuth: ({ username, password }, { secure }, done) => {
      seen.push(`${username} ${password} ${secure}`);
      done(null, { user: username });
    },
    onRcptTo: ({ address }, _session, done) => {
      received.push(address);
      done();
    },
    onData: (stream, _session, done) => {
      stream.resume().on('end', () => done());
    },
  });
  providers.push(provider);
  const listening = provider.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const server = await Moonpost.start({
    files: { password: 'open sesame\n' },
    policy: policyOf(1, [
      ["'0.0.0.0:25'", "'127.0.0.1:0'"],
      ["'smtp.example.net:587'", host('smtp.example.net', port)],
      ['/etc/moonpost/keys/smtp.example.net', 'DIR/password'],
      ['kumo.make_egress_path {', ALLOWED],
      // The certificate of the peer is its own making.
      ["'Required'", "'RequiredInsecure', allow_smtp_auth_plain_without_valid_certificate = true"],
    ]),
  });
  await sendOne(server.smtp, ['root@example.com', 'joe@one.example']);
  const records = await server.untilCounts({ Delivery: 2 });
  expect(await server.stop()).toBe(0);
  expect(new Set(seen)).toEqual(new Set(['relay.example.com open sesame true']));
  expect(received.sort()).toEqual(['joe@one.example', 'ops@example.com']);
  for (const { type, tls_cipher } of records) if (type === 'Delivery') expect(tls_cipher).toBeTruthy();
});

test('outbound: newsletters by two addresses, all else by its own, one domain to its host', async () => {
  const drop = await MailDrop.start();
  const inside = await MailDrop.start();
  const server = await Moonpost.start({
    policy: policyOf(2, [
      ["'0.0.0.0:25'", "'127.0.0.1:0'"],
      ["'192.0.2.10'", "'127.0.0.10'"],
      ["'192.0.2.11'", "'127.0.0.11'"],
      ["'192.0.2.12'", "'127.0.0.12'"],
      ["'mailhost.example.com'", host('mailhost.example.com', inside.port)],
      // In place of the MX of everybody.
      ['or nil,', `or { smtp = { mx_list = { ${host('mx.example.net', drop.port)} } } },`],
      ['kumo.make_egress_path {', ALLOWED],
    ]),
  });
  const send = async (from: string, to: string): Promise<void> => {
    const talk = await SmtpTalk.greeted(server.smtp);
    expect(await talk.send(from, [to], 'Subject: x\r\n\r\nbody')).toMatch(/^250 OK/);
    await talk.quit();
  };
  for (let n = 0; n < 8; n++) await send('list@news.example.com', `r${n}@one.example`);
  await send('ann@example.com', 'joe@one.example');
  await send('ann@example.com', 'joe@intern.example.com');
  const records = await server.untilCounts({ Delivery: 10 });
  expect(await server.stop()).toBe(0);
  const ways = records
    .filter(({ type }) => type === 'Delivery')
    .map(({ queue, egress_source, source_address }) => {
      const [address] = source_address!.address.split(':');
      return `${queue} ${egress_source} ${address}`;
    });
  expect(ways.filter((way) => way === 'news@one.example news1 127.0.0.11')).toHaveLength(6);
  expect(ways.filter((way) => way === 'news@one.example news2 127.0.0.12')).toHaveLength(2);
  expect(ways).toContain('one.example main 127.0.0.10');
  expect(ways).toContain('intern.example.com main 127.0.0.10');
  expect(inside.messages).toHaveLength(1);
  expect(drop.messages).toHaveLength(9);
});

test('the policy of the page about KumoMTA starts where the environment says', async () => {
  const other = readFileSync(resolve(import.meta.dirname, '../../docs/from-kumomta.md'), 'utf8');
  const blocks = [...other.matchAll(/^ {0,3}```lua\n([\s\S]*?)^ {0,3}```$/gm)];
  expect(blocks).toHaveLength(1);
  const policy = `${blocks[0]![1]!}
kumo.on('get_queue_config', function()
  return kumo.make_queue_config { protocol = { maildir_path = 'DIR/mail/{{ local_part }}' } }
end)`;
  const first = Moonpost.spawn({ policy, env: { MTA_HOME: '/dev/null/nowhere' } });
  expect(await first.ended()).toBe(1);
  expect(first.errors).toContain('/dev/null/nowhere');
  const home = join(first.directory, 'home');
  const server = await Moonpost.start({
    policy,
    env: { MTA_HOME: home, MTA_SMTP: '127.0.0.1:0', MTA_HTTP: '127.0.0.1:0' },
  });
  expect(await sendOne(server.smtp)).toMatch(/^250 OK/);
  await server.untilEmpty();
  expect(await server.stop()).toBe(0);
});
