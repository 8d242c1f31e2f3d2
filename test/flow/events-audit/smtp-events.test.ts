import { describe, expect, test } from 'vitest';
import type { TestClient } from '../../kit/smtp-session.ts';
import { type MailPath, mailPath } from './mail-path.ts';

/**
 * Every event of a session (policy-api.md 1.5) under the real engine: what it is told, what its answer does, and what
 * kumo.reject, kumo.disconnect and any other error do (1.4). Replies of single commands in all their forms are in
 * test/conversation/policy-*.txt; AUTH in full is in smtp-server/auth.test.ts, splitting in split.test.ts, parameters
 * in session-options.test.ts.
 */
interface Step {
  /** Brings a client to where the next thing it says fires the event. */
  before: (client: TestClient) => Promise<void>;
  /** That thing; nothing for what happens when the client connects. */
  says: string;
  /** What a refusal ends: the command, the transaction or the connection. */
  ends: 'command' | 'transaction' | 'connection';
  /** Arguments as the audit notes them. */
  args: unknown[];
  /** Of the good answer, when the handler returns nothing. */
  good: string;
  /** Returned by the handler so that nothing is refused. */
  returns?: string;
}

const BODY = 'Subject: x\r\n\r\nhello\r\n.';
const encode = (...parts: string[]): string => Buffer.from(parts.join('\0')).toString('base64');

const greeted = async (client: TestClient): Promise<void> => client.expect('220');
const withSender = async (client: TestClient): Promise<void> => {
  await greeted(client);
  await client.ehlo();
  await client.mailFrom('Sender@Source.Example');
};
const inData = async (client: TestClient): Promise<void> => {
  await withSender(client);
  await client.rcptTo('user@dest.example');
  await client.command('DATA', '354');
};

const STEPS: Record<string, Step> = {
  smtp_server_get_dynamic_parameters: {
    before: async () => {},
    says: '',
    ends: 'connection',
    args: ['127.0.0.1:2525', 'connection ESMTP'],
    good: '220',
    returns: '{}',
  },
  smtp_server_connection_accepted: {
    before: async () => {},
    says: '',
    ends: 'connection',
    args: ['connection ESMTP'],
    good: '220',
  },
  smtp_server_ehlo: {
    before: greeted,
    says: 'EHLO client.example',
    ends: 'command',
    args: [
      'client.example',
      'connection ESMTP',
      ['PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', 'CHUNKING', 'SIZE 20971520', 'STARTTLS'],
    ],
    good: '250',
  },
  smtp_server_auth_plain: {
    before: async (client) => {
      await greeted(client);
      await client.command('STARTTLS', '220');
      await client.ehlo();
    },
    says: `AUTH PLAIN ${encode('', 'scott', 'tiger')}`,
    ends: 'command',
    args: ['scott', 'scott', 'tiger', 'connection ESMTP'],
    good: '235',
    returns: 'true',
  },
  smtp_server_mail_from: {
    before: greeted,
    says: 'MAIL FROM:<Sender@Source.Example> SIZE=100',
    ends: 'command',
    args: ['Sender@Source.Example', 'connection ESMTP'],
    good: '250 OK <Sender@Source.Example>',
  },
  smtp_server_rcpt_to: {
    before: withSender,
    says: 'RCPT TO:<User@Dest.Example>',
    ends: 'command',
    args: ['User@Dest.Example', 'connection ESMTP'],
    good: '250 OK <User@Dest.Example>',
  },
  smtp_server_data: {
    before: inData,
    says: BODY,
    ends: 'transaction',
    args: ['message to user@dest.example', 'connection ESMTP'],
    good: '250 OK ids=',
  },
  smtp_server_split_transaction: {
    before: inData,
    says: BODY,
    ends: 'transaction',
    args: ['message to user@dest.example', 'connection ESMTP'],
    good: '250 OK ids=',
  },
  smtp_server_message_received: {
    before: inData,
    says: BODY,
    ends: 'transaction',
    args: ['message to user@dest.example', 'connection ESMTP'],
    good: '250 OK ids=',
  },
};

async function play(
  event: string,
  body: string,
): Promise<{ path: MailPath; client: TestClient; said: string[] }> {
  const step = STEPS[event]!;
  const path = await mailPath(`kumo.on('${event}', function(...) ${body} end)`, { offersTls: true });
  const client = path.connect();
  await step.before(client);
  if (step.says !== '') await client.send(`${step.says}\r\n`);
  else await client.send('');
  const said: string[] = [];
  for (let reply = client.reply(); reply !== undefined; reply = client.reply()) said.push(reply);
  return { path, client, said };
}

async function goesOn({ client }: { client: TestClient }, step: Step): Promise<void> {
  expect(client.closed).toBe(false);
  await client.command('NOOP', '250');
  // The transaction of a refused message is over; that of a refused recipient is not.
  if (step.ends === 'transaction') await client.mailFrom('again@source.example');
}

describe.each(Object.entries(STEPS))('%s', (event, step) => {
  test('is told', async () => {
    const { path, said } = await play(event, `note(...) return ${step.returns ?? ''}`);
    expect(path.noted).toEqual([step.args]);
    expect(said[0]!.startsWith(step.good), said[0]).toBe(true);
  });

  test.each([
    ['kumo.reject', `kumo.reject(550, '5.7.1 no')`],
    ['kumo.reject after pcall and error', `local ok, e = pcall(kumo.reject, 550, '5.7.1 no') error(e)`],
    ['kumo.disconnect If421', `kumo.disconnect(550, '5.7.1 no', 'If421')`],
  ])('%s', async (_how, body) => {
    const played = await play(event, body);
    expect(played.said).toEqual(['550 5.7.1 no']);
    if (step.ends === 'connection') expect(played.client.closed).toBe(true);
    else await goesOn(played, step);
    expect(played.path.rooms.spool.content.size).toBe(0);
  });

  test('kumo.reject with 421 closes', async () => {
    const { client, said } = await play(event, `kumo.reject(421, '4.7.0 away')`);
    expect(said).toEqual(['421 4.7.0 away']);
    expect(client.closed).toBe(true);
  });

  test('several lines', async () => {
    const { said } = await play(event, `kumo.reject(451, '4.7.1 one\\ntwo')`);
    expect(said).toEqual(['451-4.7.1 one\n451 4.7.1 two']);
  });

  test.each([
    ['closes', `kumo.disconnect(550, 'no')`],
    ['after pcall and error closes', `local ok, e = pcall(kumo.disconnect, 550, 'no') error(e, 0)`],
    ['ForceDisconnect', `kumo.disconnect(550, 'no', 'ForceDisconnect')`],
  ])('kumo.disconnect %s', async (_how, body) => {
    const { client, said, path } = await play(event, body);
    expect(said).toEqual(['550 no']);
    expect(client.closed).toBe(true);
    expect(path.rooms.spool.content.size).toBe(0);
  });

  test('kumo.disconnect FollowWith421', async () => {
    const { client, said } = await play(event, `kumo.disconnect(550, 'no', 'FollowWith421')`);
    expect(said).toEqual(['550 no', '421 mx.test disconnecting due to previous error']);
    expect(client.closed).toBe(true);
    const again = await play(event, `kumo.disconnect(421, 'no', 'FollowWith421')`);
    expect(again.said).toEqual(['421 no']);
  });

  test('any other error', async () => {
    const { client, said, path } = await play(event, `local x = nil; return x.field`);
    expect(said).toEqual(['421 4.3.0 mx.test technical difficulties']);
    expect(client.closed).toBe(true);
    expect(path.said()).toMatch(/policy\.lua:1: attempt to index a nil value/);
    expect(path.rooms.spool.content.size).toBe(0);
  });

  test('a rejection that was made a text is any other error', async () => {
    const { said } = await play(event, `local ok, e = pcall(kumo.reject, 550, 'no') error(tostring(e))`);
    expect(said).toEqual(['421 4.3.0 mx.test technical difficulties']);
  });
});

/** A handler that is stopped for being over its budget is answered 451, and the session goes on. */
describe('over budget', () => {
  const endless = `while true do end`;
  test.each<[string, string]>([
    ...Object.keys(STEPS).map((event): [string, string] => [event, STEPS[event]!.says]),
    ['get_queue_config', BODY],
    ['throttle_insert_ready_queue', BODY],
  ])('%s', async (event, says) => {
    const path = await mailPath(
      `kumo.policy.set_budget{instructions = 20000} kumo.on('${event}', function() ${endless} end)`,
      { offersTls: true },
    );
    const client = path.connect();
    const step = STEPS[event];
    await (step?.before ?? inData)(client);
    await client.send(says === '' ? '' : `${says}\r\n`);
    await path.advance(1);
    const said = client.reply();
    expect(said).toBe('451 4.3.0 policy took too long. Try again later');
    expect(path.rooms.spool.content.size).toBe(0);
    expect(client.closed).toBe(step?.ends === 'connection');
  });
});

/** Where an absent handler differs from one that returns nothing, or an answer counts. */
describe('answers', () => {
  test.each<[string, string, string]>([
    ['smtp_server_get_dynamic_parameters', `return {banner = 'hi there'}`, '220 mx.test hi there'],
    ['smtp_server_get_dynamic_parameters', `return nil`, '421 4.3.0'],
    ['smtp_server_get_dynamic_parameters', ``, '421 4.3.0'],
    ['smtp_server_get_dynamic_parameters', `return {listen = '127.0.0.1:9'}`, '421 4.3.0'],
    ['smtp_server_ehlo', `return {'ONE', 'TWO 2'}`, '250-mx.test'],
    ['smtp_server_auth_plain', `return false`, '535 5.7.8 AUTH invalid'],
    ['smtp_server_auth_plain', `return nil`, '421 4.3.0'],
    ['smtp_server_auth_plain', ``, '421 4.3.0'],
    [
      'smtp_server_auth_plain',
      `return {identities = {{identity = 'x', context = 'SmtpAuthPlainAuthentication'}}, groups = {}}`,
      '235',
    ],
    ['smtp_server_auth_plain', `return {identities = {}, groups = {}}`, '421 4.3.0'],
    ['smtp_server_split_transaction', `return {}`, '550 5.7.1 relaying not permitted'],
    ['smtp_server_split_transaction', `return {{'a@dest.example'}, {'b@dest.example'}}`, '250 OK ids='],
    ['smtp_server_split_transaction', `return 'x'`, '421 4.3.0'],
    ['smtp_server_split_transaction', `return nil`, '250 OK ids='],
    ['smtp_server_mail_from', `return false`, '250'],
    ['smtp_server_data', `return 'ignored'`, '250 OK ids='],
    ['smtp_server_message_received', `return false`, '250 OK ids='],
  ])('%s: %s', async (event, body, start) => {
    const { said } = await play(event, body);
    expect(said[0]!.slice(0, start.length)).toBe(start);
  });

  test('without any handler: the default extensions, nobody proves who he is, everybody may send', async () => {
    const path = await mailPath('', { offersTls: true });
    const client = path.connect();
    await client.expect('220 mx.test Moonpost');
    await client.ehlo('client.example', '250-mx.test');
    await client.command('STARTTLS', '220');
    await client.ehlo('client.example', '250-mx.test');
    await client.command(STEPS.smtp_server_auth_plain!.says, '535 5.7.8');
    await client.mailFrom('a@source.example');
    await client.rcptTo('b@dest.example');
    await client.data('x\r\n', '250 OK ids=');
  });

  test('HELO has no list of extensions', async () => {
    const path = await mailPath(`kumo.on('smtp_server_ehlo', function(...) note(...) return {'X'} end)`);
    const client = path.connect();
    await client.expect('220');
    await client.command('HELO client.example', '250 mx.test');
    expect(path.noted).toEqual([['client.example', 'connection ESMTP']]);
  });

  test('ehlo_domain is set once the handler let it pass', async () => {
    const path = await mailPath(
      `kumo.on('smtp_server_ehlo', function(domain, meta)
      note(meta:get_meta('ehlo_domain'))
      if domain == 'bad.example' then kumo.reject(550, 'no') end
    end)`.replaceAll('\n', ' '),
    );
    const client = path.connect();
    await client.expect('220');
    await client.ehlo('one.example');
    await client.ehlo('bad.example', '550');
    await client.ehlo('two.example');
    expect(path.noted).toEqual([['nil'], ['one.example'], ['one.example']]);
  });
});

describe('what a message takes along', () => {
  test('connection metadata up to DATA; what smtp_server_data sets is in every message', async () => {
    const path = await mailPath(
      `
      kumo.on('smtp_server_rcpt_to', function(_, meta) meta:set_meta('before', 'yes') end)
      kumo.on('smtp_server_data', function(msg, meta)
        meta:set_meta('late', 'yes')
        msg:set_meta('tenant', 'acme')
        msg:append_header('X-Seen', 'data')
      end)
      kumo.on('smtp_server_message_received', function(msg)
        note(msg, msg:get_meta('before'), msg:get_meta('late'), msg:get_meta('tenant'),
          msg:get_first_named_header_value('x-seen'), msg:get_all_headers()[1][1])
      end)`.replaceAll('\n', ' '),
    );
    const client = path.connect();
    await client.envelope();
    await client.rcptTo('second@dest.example');
    await client.data('Subject: x\r\n\r\nhello\r\n');
    expect(path.noted).toEqual([
      ['message to recipient@example.com', 'yes', 'nil', 'acme', 'data', 'Received'],
      ['message to second@dest.example', 'yes', 'nil', 'acme', 'data', 'Received'],
    ]);
    expect(path.rooms.events[0]!.queue).toBe('acme@example.com');
  });
});

describe('smtp_server_rewrite_response', () => {
  test('is told status, text, and the command of errors and of the end of data', async () => {
    const path = await mailPath(`kumo.on('smtp_server_rewrite_response', note)`);
    const client = path.connect();
    await client.envelope();
    await client.command('FOO bar', '502');
    await client.data('x\r\n');
    await client.command('QUIT', '221');
    expect(path.noted.map(([status, , command, meta]) => [status, command, meta])).toEqual([
      [220, 'nil', 'connection ESMTP'],
      [250, 'nil', 'connection ESMTP'],
      [250, 'nil', 'connection ESMTP'],
      [250, 'nil', 'connection ESMTP'],
      [502, 'FOO bar', 'connection ESMTP'],
      [354, 'nil', 'connection ESMTP'],
      [250, 'DATA', 'connection ESMTP'],
      [221, 'nil', 'connection ESMTP'],
    ]);
    expect(path.noted[4]![1]).toBe('5.5.1 Command unimplemented');
    // The text of EHLO has its lines.
    expect(path.noted[1]![1]).toContain('\nPIPELINING\n');
  });

  test.each<[string, string, boolean]>([
    [`return 550, '5.0.0 other'`, '550 5.0.0 other', false],
    [`return nil, 'two\\nlines'`, '502-two\n502 lines', false],
    [`return 421, nil`, '421 5.5.1 Command unimplemented', true],
    [`return nil, nil`, '502 5.5.1', false],
    [``, '502 5.5.1', false],
    [`return '504'`, '504 5.5.1', false],
    [`return 99, 'x'`, '502 5.5.1', false],
    [`return {}, 'x'`, '502 5.5.1', false],
    [`kumo.reject(550, 'no')`, '502 5.5.1', false],
    [`kumo.disconnect(550, 'no')`, '502 5.5.1', false],
    [`error('oops')`, '502 5.5.1', false],
  ])('%s', async (body, start, closes) => {
    const path = await mailPath(
      `kumo.on('smtp_server_rewrite_response', function(status) if status == 502 then ${body} end end)`,
    );
    const client = path.connect();
    await client.expect('220');
    await client.command('FOO', start);
    expect(client.closed).toBe(closes);
    if (/reject|disconnect|error|99|\{\}/.test(body)) expect(path.said()).toMatch(/rewrite_response/);
  });
});

describe('get_listener_domain', () => {
  const on = (body: string): string => `kumo.on('get_listener_domain', function(...) ${body} end)`;

  async function rcpt(
    source: string,
    relays: boolean,
  ): Promise<{ path: MailPath; client: TestClient; reply: string }> {
    const path = await mailPath(source, { relays });
    const client = path.connect();
    await withSender(client);
    await client.send('RCPT TO:<user@Dest.Example>\r\n');
    return { path, client, reply: client.reply()! };
  }

  test('is told the domain as sent, the listener and the connection: first of the sender, then the recipient', async () => {
    const { path, reply } = await rcpt(on('note(...)'), false);
    expect(path.noted).toEqual([
      ['Source.Example', '127.0.0.1:2525', 'connection ESMTP'],
      ['Dest.Example', '127.0.0.1:2525', 'connection ESMTP'],
    ]);
    expect(reply).toMatch(/^550 5\.7\.1 relaying not permitted for 127\.0\.0\.1:\d+$/);
  });

  test.each<[string, string]>([
    [`return kumo.make_listener_domain{relay_to = true}`, '250'],
    [`return kumo.make_listener_domain{relay_from = {'127.0.0.0/8'}}`, '250'],
    [`return kumo.make_listener_domain{relay_from = {'10.0.0.0/8'}}`, '550'],
    [`return kumo.make_listener_domain{log_oob = true}`, '250'],
    [`return nil`, '550'],
    [`return {relay_to = true}`, '421 4.3.0 mx.test technical difficulties'],
    [`kumo.reject(550, 'no')`, '421 4.3.0 mx.test technical difficulties'],
    [`kumo.disconnect(550, 'no')`, '421 4.3.0 mx.test technical difficulties'],
    [`error('oops')`, '421 4.3.0 mx.test technical difficulties'],
  ])('%s', async (body, start) => {
    const { client, reply } = await rcpt(on(body), false);
    expect(reply.slice(0, start.length)).toBe(start);
    expect(client.closed).toBe(start.startsWith('421'));
  });

  test('is asked about the recipient again after reception, for the domain that policy put there', async () => {
    const source = `${on(`note(...) if ... == 'Dest.Example' then return kumo.make_listener_domain{relay_to = true} end`)}
      kumo.on('smtp_server_message_received', function(msg) msg:set_recipient('x@moved.example') end)`;
    const { path, client } = await rcpt(source.replaceAll('\n', ' '), false);
    await client.data('x\r\n', '550 5.7.1 relaying not permitted');
    expect(path.noted.map(([domain]) => domain)).toEqual(['Source.Example', 'Dest.Example', 'moved.example']);
  });
});
