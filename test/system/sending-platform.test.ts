import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { type Dropped, MailDrop } from '../kit/mail-drop.ts';
import { Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

/** The example sending-platform, file for file as it is: its places are set by the environment. */

const EXAMPLE = resolve(import.meta.dirname, '../../examples/sending-platform');

let server: Moonpost;
let relay: MailDrop;
let backup: MailDrop;
let directory: string;
/** Ports by role. */
let mx: number;
let submission: number;
let inject: number;

function addAccount(path: string, user: string, tenant: string, password: string, disabled = 0): void {
  const db = new DatabaseSync(path);
  db.exec(
    'CREATE TABLE IF NOT EXISTS accounts (user TEXT PRIMARY KEY, tenant TEXT NOT NULL, salt TEXT NOT NULL, digest TEXT NOT NULL, disabled INTEGER NOT NULL DEFAULT 0)',
  );
  const digest = createHash('sha256').update(`salt${password}`).digest('hex');
  db.prepare('INSERT INTO accounts VALUES (?, ?, ?, ?, ?)').run(user, tenant, 'salt', digest, disabled);
  db.close();
}

beforeAll(async () => {
  relay = await MailDrop.start({
    rcpt: (address) =>
      address.startsWith('blocked') ? '451 4.7.1 your address is blocked for now' : undefined,
  });
  backup = await MailDrop.start();
  directory = mkdtempSync(join(tmpdir(), 'moonpost-platform-'));
  const data = join(directory, 'data');
  cpSync(join(EXAMPLE, 'data'), data, { recursive: true });
  // The window of the night must not be open while the test runs.
  const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  const tenants = readFileSync(join(data, 'tenants.toml'), 'utf8');
  const closed = tenants.replace('dow = "Sun"', `dow = "${days[(new Date().getUTCDay() + 3) % 7]}"`);
  writeFileSync(join(data, 'tenants.toml'), closed);
  addAccount(join(data, 'accounts.db'), 'ann@bolt.example', 'bolt', 'secret');
  addAccount(join(data, 'accounts.db'), 'old@bolt.example', 'bolt', 'secret', 1);
  const platform = readdirSync(join(EXAMPLE, 'platform'));
  server = await Moonpost.start({
    directory,
    policy: readFileSync(join(EXAMPLE, 'init.lua'), 'utf8'),
    files: Object.fromEntries(
      platform.map((name) => [`platform/${name}`, readFileSync(join(EXAMPLE, 'platform', name), 'utf8')]),
    ),
    env: {
      KUMO_SPOOL_DIR: join(directory, 'spool'),
      KUMO_LOG_DIR: join(directory, 'log'),
      KUMO_DATA_DIR: data,
      KUMO_MAIL_DIR: join(directory, 'mail'),
      KUMO_MX_LISTEN: '0.0.0.0:0',
      KUMO_SUBMISSION_LISTEN: '127.0.0.1:0',
      KUMO_INJECT_LISTEN: '127.0.0.1:0',
      KUMO_HTTP_LISTEN: '127.0.0.1:0',
      KUMO_STAGING_RELAY: `[127.0.0.1]:${relay.port}`,
      KUMO_BACKUP_RELAY: `[127.0.0.1]:${backup.port}`,
    },
  });
  [mx, submission, inject] = server.ports.smtp as [number, number, number];
});

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

interface Mail {
  port?: number;
  from?: string;
  to?: string;
  headers?: string[];
  body?: string;
}

/** Sends one message as the web application does; gives the reply to the last command. */
async function send({ port = inject, from, to, headers = [], body = 'hello' }: Mail): Promise<string> {
  const talk = await SmtpTalk.open(port);
  await talk.expect('220');
  await talk.command('EHLO client.example', '250');
  const reply = await talk.send(
    from ?? 'news@acme.example',
    [to ?? 'joe@one.example'],
    [...headers, '', body].join('\r\n'),
  );
  talk.destroy();
  return reply;
}

const ACME = ['X-Tenant: acme', 'From: News <news@acme.example>'];

/** The message for that address at a drop. */
async function arrival(drop: MailDrop, to: string): Promise<Dropped> {
  let found: Dropped | undefined;
  for (let count = 1; found === undefined; count = drop.messages.length + 1) {
    found = drop.messages.find(({ recipients }) => recipients.includes(to));
    if (found === undefined) await drop.until(count);
  }
  return found;
}

const recordsFor = (records: readonly LogRecord[], to: string) =>
  records.filter(({ recipient }) => recipient === to || (recipient as unknown as string[])?.includes?.(to));

/** The records of the message for an address, once one of the type is there. */
async function until(type: string, to: string): Promise<LogRecord> {
  const is = (record: LogRecord) => record.type === type;
  const records = await server.until((all) => recordsFor(all, to).some(is));
  return recordsFor(records, to).find(is)!;
}

const head = (message: Dropped) => message.body.slice(0, message.body.indexOf('\r\n\r\n'));

describe('mail of customers', () => {
  test('goes to the queue of its tenant and campaign, with what the platform adds', async () => {
    const to = 'joe@one.example';
    const reply = await send({
      to,
      headers: [
        ...ACME,
        'X-Campaign: Spring Sale!',
        'X-Job-Id: 77',
        'X-Tag-Color: red',
        'X-Tag-Color: blue',
        'Subject: hello',
      ],
    });
    expect(reply).toMatch(/^250 OK ids=[0-9a-f]{32}$/);
    const delivery = await until('Delivery', to);
    expect(delivery).toMatchObject({
      queue: `spring-sale:acme@one.example![127.0.0.1]:${relay.port}`,
      egress_pool: 'premium',
      meta: { tenant: 'acme', campaign: 'spring-sale', role: 'inject', job_id: '77' },
      headers: { Subject: 'hello', 'X-Job-Id': '77' },
    });
    expect(delivery.egress_source).toMatch(/^out[12]$/);
    const message = await arrival(relay, to);
    const token = Buffer.from(`spring-sale/${to}`).toString('base64url');
    expect(head(message)).toContain(`List-Unsubscribe: <https://platform.example/u/${token}>\r\n`);
    expect(head(message)).toContain('Feedback-ID: spring-sale:acme:platform\r\n');
    expect(head(message)).toMatch(/^Date: /m);
    expect(head(message)).toMatch(/^Message-ID: <[0-9a-f]{32}@acme\.example>\r$/m);
    expect(head(message)).not.toMatch(/^(X-Tenant|X-Campaign|X-Tag-|Received)/m);
    expect(message.body).toMatch(/\r\n\r\nhello\r\n\r\nSent by acme with the platform\r\n$/);
  });

  test('text and HTML both get the footer, and 8-bit text is encoded', async () => {
    const to = 'html@one.example';
    const body = [
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'grüße',
      '--b',
      'Content-Type: text/html; charset=utf-8',
      '',
      '<html><body>hi</body></html>',
      '--b--',
    ].join('\r\n');
    await send({ to, headers: [...ACME, 'Content-Type: multipart/alternative; boundary=b'], body });
    const message = await arrival(relay, to);
    expect(message.body).toContain('gr=C3=BC=C3=9Fe\r\nSent by acme with the platform');
    expect(message.body).toContain('<body>hi\r\n<p>Sent by acme with the platform</p></body>');
  });

  test('without a campaign the queue is that of the tenant', async () => {
    const to = 'plain@two.example';
    await send({ from: 'x@bolt.test', to, headers: ['X-Tenant: bolt', 'From: x@mail.bolt.test'] });
    expect(await until('Delivery', to)).toMatchObject({
      queue: `bolt@two.example![127.0.0.1]:${relay.port}`,
      egress_pool: 'shared',
      egress_source: 'out3',
    });
  });

  test('is refused where it is not theirs', async () => {
    expect(await send({ headers: ['From: a@acme.example'] })).toBe('550 5.7.1 unknown tenant nil');
    expect(await send({ headers: ['X-Tenant: __proto__', 'From: a@acme.example'] })).toBe(
      '550 5.7.1 unknown tenant __proto__',
    );
    expect(await send({ headers: ['X-Tenant: acme', 'From: a@notacme.example'] })).toBe(
      '550 5.7.1 acme may not send as a@notacme.example',
    );
    expect(await send({ headers: ['X-Tenant: acme'] })).toBe('550 5.6.0 one author in From, please');
    expect(await send({ headers: [...ACME, 'no colon'] })).toBe(
      '550 5.6.0 Message has conformance issues: MISSING_COLON_VALUE',
    );
    expect(await send({ headers: ['X-Tenant: late-payer', 'From: a@late.example'] })).toBe(
      '450 4.7.1 the tenant is suspended, try later',
    );
    expect(await send({ headers: [...ACME, 'X-Schedule: {"first_atempt": 1}'] })).toBe(
      '550 5.6.0 X-Schedule is not as it should be',
    );
  });

  test('of a load test is taken, logged, and nothing else', async () => {
    const to = 'nobody@one.example';
    const headers = ['X-Tenant: loadtest', 'From: a@loadtest.example'];
    expect(await send({ from: 'a@loadtest.example', to, headers })).toMatch(/^250 OK/);
    expect(await until('Reception', to)).toMatchObject({ queue: 'null' });
  });
});

describe('time and pace', () => {
  test('a scheduled message is not sent before its time, and then soon', async () => {
    const to = 'later@one.example';
    const before = Date.now();
    const wanted = before + 3000;
    const schedule = JSON.stringify({ first_attempt: new Date(wanted).toISOString() });
    expect(await send({ to, headers: [...ACME, `X-Schedule: ${schedule}`] })).toMatch(/^250 OK/);
    const message = await arrival(relay, to);
    const arrived = performance.timeOrigin + message.at;
    expect(arrived).toBeGreaterThanOrEqual(wanted - 5);
    expect(head(message)).not.toContain('X-Schedule');
    const delivery = await until('Delivery', to);
    expect(delivery.num_attempts).toBe(0);
    expect(Number(delivery.timestamp)).toBeGreaterThanOrEqual(Math.floor(wanted / 1000));
  });

  test('a message of a tenant with a window waits for it: Delayed, with the time', async () => {
    const to = 'window@one.example';
    const headers = ['X-Tenant: nightly', 'From: a@nightly.example'];
    expect(await send({ from: 'a@nightly.example', to, headers })).toMatch(/^250/);
    const { response } = await until('Delayed', to);
    const due = /^Context: Received, ScheduledForLater\. Next due in .* at (\S+)$/.exec(
      response.content,
    )?.[1];
    // 02:00 to 04:00 in Berlin.
    expect(new Date(due!).getUTCHours()).toBeLessThan(3);
    expect(new Date(due!).getTime()).toBeGreaterThan(Date.now() + 86_400_000);
    expect(relay.messages.flatMap(({ recipients }) => recipients)).not.toContain(to);
  });

  test('beyond the rate of its tenant mail waits, without an attempt', async () => {
    const headers = ['X-Tenant: trial', 'From: a@trial.example'];
    const people = ['t1@one.example', 't2@two.example', 't3@three.example'];
    for (const to of people) {
      expect(await send({ from: 'a@trial.example', to, headers })).toMatch(/^250 OK/);
    }
    const records = await server.until((all) =>
      all.some(({ type, meta }) => type === 'Delayed' && meta.tenant === 'trial'),
    );
    const delayed = records.filter(({ type, meta }) => type === 'Delayed' && meta.tenant === 'trial');
    expect(delayed.map(({ num_attempts }) => num_attempts)).toEqual([0]);
    expect(delayed[0]!.response.content).toContain('ThrottledByThrottleInsertReadyQueue');
    const sent = records.filter(({ type, meta }) => type === 'Delivery' && meta.tenant === 'trial');
    expect(sent.length).toBeLessThanOrEqual(2);
  });

  test('what one relay blocks goes by the other, at once', async () => {
    const to = 'blocked@one.example';
    await send({ to, headers: [...ACME, 'X-Campaign: again'] });
    await arrival(backup, to);
    const transient = await until('TransientFailure', to);
    expect(transient.response).toMatchObject({ code: 451, content: 'your address is blocked for now' });
    expect(transient.queue).toBe(`again:acme@one.example![127.0.0.1]:${relay.port}`);
    const delivery = await until('Delivery', to);
    expect(delivery.queue).toBe(`again:acme@one.example![127.0.0.1]:${backup.port}`);
    expect(delivery.num_attempts).toBe(1);
    expect(server.errors).toContain('takes the other way after');
  });
});

describe('submission', () => {
  /** Each from an address of its own: failures slow down the address that they come from. */
  let client = 100;
  const mail = (user: string, pass: string, to: string, from = 'ann@bolt.example') =>
    createTransport({
      localAddress: `127.0.1.${client++}`,
      host: '127.0.0.1',
      port: submission,
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user, pass },
    }).sendMail({
      envelope: { from, to },
      raw: `From: ${from}\r\nTo: ${to}\r\nX-Tenant: acme\r\nSubject: x\r\n\r\nhi\r\n`,
    });

  test('the account says who the tenant is, and no header does', async () => {
    const to = 'sub@one.example';
    const sent = await mail('ann@bolt.example', 'secret', to);
    expect(sent.response).toMatch(/^250 OK/);
    expect(await until('Delivery', to)).toMatchObject({
      queue: `bolt@one.example![127.0.0.1]:${relay.port}`,
      meta: { tenant: 'bolt', role: 'submission', authn_id: 'ann@bolt.example' },
    });
    expect(head(await arrival(relay, to))).not.toContain('X-Tenant');
  });

  test.each([
    ['ann@bolt.example', 'wrong', '535 5.7.8 AUTH invalid'],
    ['nobody@bolt.example', 'secret', '535 5.7.8 AUTH invalid'],
    ["' OR 1=1 --", 'secret', '535 5.7.8 AUTH invalid'],
    ['old@bolt.example', 'secret', '535 5.7.13 the account is disabled'],
  ])('%s with %s is refused', async (user, pass, reply) => {
    await expect(mail(user, pass, 'sub@one.example')).rejects.toMatchObject({ response: reply });
  });

  test('another author than the own domains is refused', async () => {
    await expect(
      mail('ann@bolt.example', 'secret', 'sub@one.example', 'boss@acme.example'),
    ).rejects.toMatchObject({ response: '550 5.7.1 bolt may not send as boss@acme.example' });
  });

  test('nobody sends without AUTH', async () => {
    expect(await send({ port: submission })).toBe('530 5.7.0 Authentication required');
  });
});

describe('mail from the world', () => {
  const files = (to: string) => {
    const [user, domain] = to.split('@') as [string, string];
    const folder = join(directory, 'mail', domain, user, 'new');
    mkdirSync(folder, { recursive: true });
    return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  };

  test('reaches the mailboxes of hosted domains', async () => {
    const to = 'joe@Hosted.example';
    const reply = await send({
      port: mx,
      from: 'x@else.example',
      to,
      headers: ['Subject: hi', 'X-Tenant: acme'],
    });
    expect(reply).toMatch(/^250 OK/);
    const delivery = await until('Delivery', to);
    expect(delivery).toMatchObject({ queue: 'hosted.example', meta: { role: 'mx', zone: 'world' } });
    const [file] = files('joe@hosted.example').concat(files(to));
    expect(file).toContain('X-Platform-Zone: world (127.0.0.1)');
    expect(file).toContain('by mx.platform.example');
    expect(file).not.toContain('X-Tenant');
  });

  test('postmaster of any hosted domain is one mailbox', async () => {
    await send({ port: mx, from: '', to: 'PostMaster@sub.hosted.example', headers: ['Subject: hi'] });
    await until('Delivery', 'staff@hosted.example');
    expect(files('staff@hosted.example')).toHaveLength(1);
  });

  test('is refused where it has no business', async () => {
    expect(await send({ port: mx, to: 'nobody@hosted.example' })).toBe(
      '550 5.1.1 no mailbox nobody@hosted.example here',
    );
    expect(await send({ port: mx, to: 'joe@one.example' })).toMatch(/^550 5\.7\.1 relaying not permitted/);
    expect(await send({ port: mx, from: 'a@tempinator.example', to: 'joe@hosted.example' })).toBe(
      '550 5.1.8 tempinator.example: disposable',
    );
    expect(
      await send({ port: mx, from: 'x@else.example', to: 'x@bounce.platform.example', headers: ['A: b'] }),
    ).toMatch(/^550 5\.7\.1 relaying not permitted/);
    const talk = await SmtpTalk.open(mx);
    expect(await talk.reply()).toBe('220 mx.platform.example platform ready');
    expect(await talk.command('EHLO localhost')).toBe('550 5.7.1 localhost is not your name');
    expect(await talk.command('EHLO [127.0.0.1]')).toBe('550 5.7.1 [127.0.0.1] is not your name');
    await talk.command('EHLO real.example', '250');
    await talk.quit();
  });

  /** From another of the addresses of this machine. */
  const mailFrom = (localAddress: string, to: string, from: string, host = '127.0.0.1') =>
    createTransport({ host, port: mx, localAddress, name: 'client.example', ignoreTLS: true }).sendMail({
      envelope: { from, to },
      raw: `From: ${from}\r\nTo: ${to}\r\n\r\nhi\r\n`,
    });

  test('an address that we have had enough of is turned away', async () => {
    await expect(mailFrom('127.0.0.99', 'joe@hosted.example', 'x@else.example')).rejects.toMatchObject({
      message: expect.stringContaining('554 5.7.1 we have had enough of you'),
    });
  });

  test('peer: a partner sends from its domain and its network, and has its own zone', async () => {
    const to = 'partner@one.example';
    expect((await mailFrom('127.0.0.9', to, 'x@partner.example')).response).toMatch(/^250 OK/);
    expect(await until('Reception', to)).toMatchObject({ meta: { zone: 'partner' } });
    await expect(mailFrom('127.0.0.9', to, 'x@else.example')).rejects.toMatchObject({
      response: expect.stringContaining('550 5.7.1 relaying not permitted for 127.0.0.9:'),
    });
    await expect(mailFrom('127.0.0.20', to, 'x@partner.example')).rejects.toMatchObject({
      response: expect.stringContaining('550 5.7.1 relaying not permitted for 127.0.0.20:'),
    });
  });

  test('via: another address of the server is another name', async () => {
    const to = 'staff@hosted.example';
    await mailFrom('127.0.0.30', to, 'via@else.example', '127.0.0.2');
    const records = await server.until((all) =>
      all.some(({ type, sender }) => type === 'Delivery' && sender === 'via@else.example'),
    );
    expect(records.filter(({ sender }) => sender === 'via@else.example')).toHaveLength(2);
    expect(files(to).join()).toContain('by mx2.platform.example');
  });

  test('an out-of-band bounce of our mail is logged and dropped', async () => {
    const report = [
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      'Subject: failed',
      '',
      '--b',
      '',
      'sorry',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns;mx.else.example',
      '',
      'Final-Recipient: rfc822;joe@else.example',
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp;550 5.1.1 no such user',
      '--b--',
      '',
    ];
    const to = 'x@bounce.platform.example';
    expect(
      await send({ port: mx, from: '', to, headers: report.slice(0, 2), body: report.slice(3).join('\r\n') }),
    ).toMatch(/^250 OK/);
    const records = await server.until((all) => all.some(({ type }) => type === 'OOB'));
    expect(records.find(({ type }) => type === 'OOB')!.response).toMatchObject({ code: 550 });
  });
});

test('data files are read anew when they change, without a restart', async () => {
  const path = join(directory, 'data/tenants.toml');
  const tenants = readFileSync(path, 'utf8');
  const headers = ['X-Tenant: newcomer', 'From: a@newcomer.example'];
  const mail = { from: 'a@newcomer.example', to: 'first@one.example', headers };
  expect(await send(mail)).toBe('550 5.7.1 unknown tenant newcomer');
  writeFileSync(path, `${tenants}\n[newcomer]\nfrom_domains = ["newcomer.example"]\npool = "shared"\n`);
  let reply = '';
  const patience = Date.now() + 80_000;
  while (!reply.startsWith('250') && Date.now() < patience) reply = await send(mail);
  expect(reply).toMatch(/^250 OK/);
  expect(await until('Delivery', 'first@one.example')).toMatchObject({ meta: { tenant: 'newcomer' } });
});

test('nothing in all of this was an error of the policy', () => {
  expect(server.errors.match(/^.*(?:ERROR|traceback).*(?:\n\s.*)*/gm) ?? []).toEqual([]);
});
