import { expect, test } from 'vitest';
import { type MailPath, mailPath, send } from './mail-path.ts';

/** The names of metadata that the server sets or reads (policy-api.md 7), as a policy sees them. */

const auth = Buffer.from('\0scott\0tiger').toString('base64');

const NAMES = [
  'reception_protocol',
  'received_from',
  'received_via',
  'hostname',
  'authn_id',
  'authz_id',
  'ehlo_domain',
  'tls_cipher',
  'tls_protocol_version',
  'orig_received_from',
];

const noteAll = `
  local function all(of)
    local found = {}
    for _, name in ipairs { ${NAMES.map((name) => `'${name}'`).join(', ')} } do found[name] = of:get_meta(name) end
    return found
  end`;

const session = `${noteAll}
  kumo.on('smtp_server_auth_plain', function(authz, authc, password) return password == 'tiger' end)
  kumo.on('smtp_server_connection_accepted', function(meta) note('accepted', all(meta)) end)
  kumo.on('smtp_server_mail_from', function(sender, meta)
    meta:set_meta('ours', { deep = { 1, 2 } })
    note('mail', all(meta), meta:auth_info().identities, meta:auth_info().peer_address)
  end)
  kumo.on('smtp_server_message_received', function(msg, meta)
    note('message', all(msg), msg:get_meta('ours'), meta:get_meta('ours'))
    meta:set_meta('ours', 'changed')
    note(msg:get_meta('ours').deep)
  end)`;

test('a connection in clear', async () => {
  const path = await mailPath(session.replaceAll('\n', ' '));
  await send(path);
  const facts = {
    reception_protocol: 'ESMTP',
    received_from: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    received_via: '127.0.0.1:2525',
    hostname: 'mx.test',
  };
  const greeted = { ...facts, ehlo_domain: 'client.example' };
  expect(path.noted[0]).toEqual(['accepted', facts]);
  expect(path.noted[1]!.slice(0, 2)).toEqual(['mail', greeted]);
  expect(path.noted[1]![3]).toBe('127.0.0.1');
  expect(path.noted[2]).toEqual(['message', greeted, { deep: [1, 2] }, { deep: [1, 2] }]);
  expect(path.noted[3]).toEqual([[1, 2]]);
});

test('TLS and AUTH', async () => {
  const path = await mailPath(session.replaceAll('\n', ' '), { offersTls: true, relays: false });
  const client = path.connect();
  await client.expect('220');
  await client.ehlo();
  await client.command('STARTTLS', '220');
  await client.ehlo('after.example');
  await client.command(`AUTH PLAIN ${auth}`, '235');
  await client.mailFrom('a@source.example');
  const [, facts, identities] = path.noted.at(-1)!;
  expect(facts).toMatchObject({
    reception_protocol: 'ESMTP',
    ehlo_domain: 'after.example',
    authn_id: 'scott',
    authz_id: 'scott',
    tls_cipher: 'TLS13_AES_256_GCM_SHA384',
    tls_protocol_version: 'TLSv1_3',
  });
  expect(identities).toContainEqual({ identity: 'scott', context: 'SmtpAuthPlainAuthentication' });
});

test('XCLIENT', async () => {
  const path = await mailPath(session.replaceAll('\n', ' '), {
    options: { allow_xclient: true, relay_hosts: ['127.0.0.1', '192.0.2.0/24'] },
  });
  const client = path.connect();
  await client.expect('220');
  await client.ehlo();
  await client.command('XCLIENT ADDR=192.0.2.7 PORT=4711', '220');
  await client.ehlo('real.example');
  await client.mailFrom('a@source.example');
  const [, facts] = path.noted.at(-1)!;
  expect(facts).toMatchObject({
    received_from: '192.0.2.7:4711',
    orig_received_from: expect.stringMatching(/^127\.0\.0\.1:/),
    ehlo_domain: 'real.example',
  });
});

const queueOf = async (statements: string): Promise<{ path: MailPath; names: string[] }> => {
  const path = await mailPath(
    `kumo.on('smtp_server_message_received', function(msg) ${statements} end)
     kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
       note(domain, tenant, campaign, routing_domain) return kumo.make_queue_config{} end)`.replaceAll(
      '\n',
      ' ',
    ),
  );
  await send(path, ['User@Dest.Example']);
  return { path, names: path.noted.flat().map(String) };
};

test.each([
  ['', ['dest.example', 'nil', 'nil', 'nil']],
  ["msg:set_meta('tenant', 't')", ['dest.example', 't', 'nil', 'nil']],
  // A campaign alone makes the queue `c:@dest.example`, whose tenant is empty.
  ["msg:set_meta('campaign', 'c')", ['dest.example', '', 'c', 'nil']],
  [
    "msg:set_meta('campaign', 'c') msg:set_meta('tenant', 't') msg:set_meta('routing_domain', 'r.example')",
    ['dest.example', 't', 'c', 'r.example'],
  ],
  ["msg:set_meta('queue', 'c:t@other.example!r.example')", ['other.example', 't', 'c', 'r.example']],
  [
    "msg:set_meta('tenant', 't') msg:set_meta('queue', 'other.example')",
    ['other.example', 'nil', 'nil', 'nil'],
  ],
])('the queue is named by metadata: %s', async (statements, expected) => {
  expect((await queueOf(statements)).names).toEqual(expected);
});

test('queue null discards', async () => {
  const { path, names } = await queueOf("msg:set_meta('queue', 'null')");
  expect(names).toEqual([]);
  expect(path.rooms.spool.content.size).toBe(0);
});
