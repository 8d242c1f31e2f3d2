import { expect, test } from 'vitest';
import { ListenerDomain } from '../../../src/model/options/index.ts';
import { KeptTrace } from '../../kit/kept-trace.ts';
import { fails, rejects, returns, type SmtpSessionSetup, smtpSession } from '../../kit/smtp-session.ts';

const IGNORES = { relay_from: [] as string[], log_oob: 'Ignore', log_arf: 'Ignore', ttl: 60_000 } as const;
const MARK = 'M4rker-Secret';
const encode = (...parts: string[]): string => Buffer.from(parts.join('\0')).toString('base64');

function traced(setup: SmtpSessionSetup = {}) {
  const trace = new KeptTrace();
  return { trace, session: smtpSession({ ...setup, trace }) };
}

test('a session from its beginning to its end', async () => {
  const { trace, session } = traced({
    policy: { smtp_server_mail_from: () => returns(), smtp_server_data: () => fails },
  });
  await session.envelope();
  await session.command('DATA', '354');
  await session.send('Subject: ä\r\nhalf ');
  await session.send('a line\r\n.\r\nQUIT\r\n');
  await session.expect('421 4.3.0');
  session.transport.end();
  await session.advance(0);
  expect(trace.told).toEqual([
    'Connected',
    '<- 220 mx.test Moonpost\r\n',
    '-> EHLO client.example\r\n',
    expect.stringMatching(/^<- 250-mx\.test Hello client\.example\r\n250-.*\r\n250 SIZE \d+\r\n$/s),
    '-> MAIL FROM:<sender@example.org>\r\n',
    'smtp_server_mail_from: null',
    '<- 250 OK <sender@example.org>\r\n',
    '-> RCPT TO:<recipient@example.com>\r\n',
    '<- 250 OK <recipient@example.com>\r\n',
    '-> DATA\r\n',
    expect.stringMatching(/^<- 354 /),
    '-> Subject: ä\r\n',
    '-> half a line\r\n.\r\n',
    'smtp_server_data: policy.lua:7: attempt to index a nil value',
    expect.stringMatching(/^<- 421 4\.3\.0 /),
    'Closed',
  ]);
  expect(trace.metas[0]).toMatchObject({ reception_protocol: 'ESMTP', received_from: expect.any(String) });
  expect(trace.metas[0]).not.toHaveProperty('ehlo_domain');
  expect(trace.metas.at(-1)).toMatchObject({ ehlo_domain: 'client.example' });
});

test('what policy answers: values of any kind, rejections, and the domain that it was asked about', async () => {
  const { trace, session } = traced({
    relays: false,
    policy: {
      get_listener_domain: (domain) =>
        domain === 'example.org' ? returns() : returns(new ListenerDomain({ ...IGNORES, relay_to: true })),
      smtp_server_ehlo: () => returns(['SIZE 7']),
      smtp_server_rcpt_to: () => rejects(550, '5.1.1 no such user'),
    },
  });
  await session.expect('220');
  await session.ehlo();
  await session.mailFrom('sender@example.org');
  await session.rcptTo('recipient@example.com', '550');
  const callbacks = trace.payloads.filter((payload) => typeof payload === 'object' && 'Callback' in payload);
  expect(callbacks).toMatchObject([
    { Callback: { name: 'smtp_server_ehlo', result: ['SIZE 7'], error: null } },
    { Callback: { name: 'get_listener_domain domain=example.org', result: null, error: null } },
    { Callback: { name: 'get_listener_domain domain=example.com', result: { relay_to: true }, error: null } },
    { Callback: { name: 'smtp_server_rcpt_to', result: null, error: '550 5.1.1 no such user' } },
  ]);
});

test('BDAT, and a line that is too long', async () => {
  const { trace, session } = traced();
  await session.envelope();
  await session.send('BDAT 7 LAST\r\nhello\r\n');
  await session.send(`${'x'.repeat(2000)}\r\n`);
  expect(trace.told.slice(8)).toEqual([
    '-> BDAT 7 LAST\r\n',
    '-> hello\r\n',
    expect.stringMatching(/^<- /),
    '{"Diagnostic":{"level":"WARN","message":"a line that is too long was dropped"}}',
    expect.stringMatching(/^<- 500/),
  ]);
});

const account = `jörg-${MARK.slice(0, 2)}`;
const plainly = encode('', account, MARK);
const said = [
  ['AUTH PLAIN with its response', [`AUTH PLAIN ${plainly}`]],
  ['AUTH PLAIN, the response later', ['AUTH PLAIN', plainly]],
  ['AUTH LOGIN with the name', [`AUTH LOGIN ${encode(account)}`, encode(MARK)]],
  ['AUTH LOGIN', ['auth login', encode(account), encode(MARK)]],
  ['AUTH of another kind', [`AUTH CRAM-MD5 ${encode(MARK)}`, encode(MARK)]],
  ['after a refusal, all the same', [`AUTH PLAIN =`, plainly, encode(MARK)]],
  ['AUTH that is malformed', [`AUTH\tPLAIN ${plainly}`, ` AUTH ${plainly}`, `AUTH PLAIN ${plainly} ${MARK}`]],
] as const;

test.each(said)('%s: no credential is told, also not when policy repeats it', async (_, lines) => {
  const { trace, session } = traced({
    offersTls: true,
    policy: {
      smtp_server_auth_plain: (_authz, _authc, password) => rejects(535, `5.7.8 ${password} is wrong`),
    },
  });
  await session.expect('220');
  await session.command('STARTTLS', '220');
  await session.ehlo();
  for (const line of lines) {
    await session.send(`${line}\r\n`);
    await session.advance(1000);
  }
  expect(trace.text).toContain('***');
  for (const secret of [MARK, encode(MARK), plainly]) expect(trace.text).not.toContain(secret);
});

test('credentials in a message, in metadata and in errors of policy', async () => {
  const { trace, session } = traced({
    options: { meta: { redis: `redis://user:${MARK}@host`, authorization: MARK } },
    policy: { smtp_server_mail_from: () => ({ kind: 'error', message: `GET http://u:${MARK}@host failed` }) },
  });
  await session.expect('220');
  await session.ehlo();
  await session.mailFrom('sender@example.org', '421');
  const message = traced();
  await message.session.envelope();
  const half = MARK.length / 2;
  await message.session.command('DATA', '354');
  await message.session.send(`Authorization: Bearer ${MARK.slice(0, half)}`);
  await message.session.send(`${MARK.slice(half)}\r\n\r\nhttps://me:${MARK}@host/\r\n.\r\n`);
  await message.session.expect('250');
  expect(trace.text).toContain('redis://user:***@host');
  expect(message.trace.text).toContain('https://me:***@host/');
  for (const { text } of [trace, message.trace]) {
    expect(text).not.toContain(MARK);
    expect(text).not.toContain(MARK.slice(half));
  }
});

test('while nobody watches nothing is told; who comes later gets what happens then', async () => {
  const trace = new KeptTrace();
  trace.isWatched = false;
  const session = smtpSession({ trace, policy: { smtp_server_ehlo: () => returns() } });
  await session.expect('220');
  await session.ehlo();
  expect(trace.payloads).toEqual([]);
  trace.isWatched = true;
  await session.command('NOOP', '250');
  expect(trace.told).toEqual(['-> NOOP\r\n', expect.stringMatching(/^<- 250/)]);
});

test('a connection that is refused', async () => {
  const { trace, session } = traced({ refusal: () => 'load shedding' });
  await session.expect('421');
  expect(trace.told).toEqual(['Connected', '<- 421 4.3.2 mx.test load shedding\r\n', 'Closed']);
  expect(trace.metas[0]).toMatchObject({ received_from: expect.stringMatching(/:\d+$/) });
});
