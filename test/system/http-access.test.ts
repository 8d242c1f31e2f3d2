import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import { decompressFrames } from '../../src/io/delivery-log/index.ts';
import type { AuditRecord } from '../../src/model/access/index.ts';
import { issue } from '../kit/certificates.ts';
import { eventually } from '../kit/eventually.ts';
import { type AskOptions, ask } from '../kit/http-client.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** What the audit log of the server holds so far. */
function audited(directory: string): AuditRecord[] {
  return readdirSync(directory)
    .sort()
    .flatMap((name) => {
      const { content } = decompressFrames(readFileSync(join(directory, name)));
      const lines = content.toString().split('\n');
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditRecord);
    });
}

const SECRET = 'correct-horse-battery';
const TOKEN = 'tok.en-of_prometheus';

const ACCESS = `
local token_acl = { criteria = { Identity = { Individual = 'prometheus' } }, privilege = 'GET', access = 'Allow' }
local denied = { criteria = { Identity = { Individual = 'mallory' } }, privilege = 'GET', access = 'Deny' }
kumo.on('http_server_validate_auth_basic', function(user, password)
  if user == 'broken' then error 'the directory is down' end
  return password == '${SECRET}'
end)
kumo.on('http_server_validate_auth_bearer', function(token)
  if token ~= '${TOKEN}' then return false end
  return { identities = { { identity = 'prometheus', context = 'BearerToken' } }, groups = { 'monitoring' } }
end)
kumo.on('get_acl_definition', function(resource)
  if resource == 'http_listener/*/metrics' then return kumo.aaa.make_access_control_list { denied, token_acl } end
end)
kumo.on('http_message_generated', function(message, auth)
  message:set_meta('who', auth.identities[1].identity .. ' ' .. auth.identities[1].context)
end)
`;

test('passwords, tokens, rules, HTTPS and the audit log, on two shards; secrets are nowhere', async () => {
  const drop = await MailDrop.start();
  const init = initLua(`
  kumo.start_http_listener { listen = '127.0.0.1:0', use_tls = true, hostname = 'localhost', trusted_hosts = {} }
  kumo.aaa.configure_acct_log { log_dir = 'DIR/acct', min_free_space = 0, min_free_inodes = 0 }`);
  const server = await Moonpost.start({ policy: init + ACCESS + relayLua(drop.port), shards: 2 });
  const [port] = server.ports.https;
  const https = `https://localhost:${port}`;
  const listener = `http_listener/127.0.0.1:${port}`;
  const [alice, mallory] = [`alice:${SECRET}`, `mallory:${SECRET}`];
  const bearer = { headers: { authorization: `Bearer ${TOKEN}` } };

  expect(await ask(`${https}/api/check-liveness/v1`)).toEqual([200, 'OK']);
  const nobody = `<Unauthenticated>@ ip=127.0.0.1 not permitted GET on ${listener}/metrics`;
  expect(await ask(`${https}/metrics`)).toEqual([401, nobody]);
  expect(await ask(`${https}/metrics`, { user: mallory })).toEqual([
    401,
    `id=[mallory]@ ip=127.0.0.1 denied GET on ${listener}/metrics`,
  ]);
  expect(await ask(`${https}/metrics`, bearer)).toEqual([
    200,
    expect.stringContaining('# TYPE scheduled_count_total gauge'),
  ]);
  const plain = `http://127.0.0.1:${server.http}/metrics.json`;
  expect(await ask(plain, { user: `alice:not-${SECRET}` })).toEqual([
    401,
    'HttpBasicAuth Authentication Failed for alice',
  ]);
  expect(await ask(`${https}/metrics`, { user: `broken:${SECRET}` })).toEqual([500, 'try again later']);
  const digest = { headers: { authorization: `Digest ${SECRET}` } };
  expect((await ask(`${https}/metrics`, digest))[0]).toBe(400);
  expect((await ask(plain))[0]).toBe(200);

  const body = {
    envelope_sender: 'sender@source.example',
    recipients: [{ email: 'rcpt@dest.example' }],
    content: 'Subject: by alice\r\n\r\nhello\r\n',
  };
  expect((await ask(`${https}/api/inject/v1`, { body }))[0]).toBe(401);
  expect((await ask(`${https}/api/inject/v1`, { body, user: alice }))[0]).toBe(200);
  const [reception] = await server.untilCounts({ Reception: 1, Delivery: 1 });
  expect(reception!.meta).toMatchObject({ http_auth: 'alice', who: 'alice HttpBasicAuth' });

  expect(await server.stop()).toBe(0);
  const records = audited(join(server.directory, 'acct'));
  const authorizations = records.filter((record) => record.type === 'Authorization');
  const on = (path: string, access: string) =>
    authorizations.filter((record) => record.target_resource.endsWith(path) && record.access === access)
      .length;
  expect([on('/metrics', 'Allow'), on('/metrics', 'Deny')]).toEqual([1, 2]);
  expect([on('/api/inject/v1', 'Allow'), on('/api/inject/v1', 'Deny')]).toEqual([1, 1]);
  const authentications = records.filter((record) => record.type === 'Authentication');
  expect(authentications.map((record) => [record.attempted_identity.context, record.success]).sort()).toEqual(
    [
      ['BearerToken', true],
      ['HttpBasicAuth', false],
      ['HttpBasicAuth', true],
      ['HttpBasicAuth', true],
    ],
  );
  expect(authorizations.find(({ rule }) => rule?.access === 'Deny')).toMatchObject({
    matching_resource: 'http_listener/*/metrics',
    auth_info: { identities: [{ identity: 'mallory', context: 'HttpBasicAuth' }] },
  });

  const everything = JSON.stringify([records, server.records(), server.errors, drop.messages]);
  for (const secret of [SECRET, TOKEN, Buffer.from(alice).toString('base64')]) {
    expect(everything).not.toContain(secret);
  }
});

test('the policy of docs/http-access.md', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/http-access.md'), 'utf8');
  const shown = /^```lua\n(.*?)^```$/ms.exec(page)![1]!;
  // Two handlers of init would be an error: what the page leaves out goes where it says so.
  const init = /kumo\.on\('init', function\(\)\n(.*)^end\)$/ms.exec(initLua())![1]!;
  const policy = shown
    .replace(/^ *-- Spools.*$/m, init)
    .replace(`'/var/log/moonpost-access'`, `'DIR/access', min_free_space = 0, min_free_inodes = 0`);
  const server = await Moonpost.start({ policy });
  const https = `https://localhost:${server.ports.https[0]}`;
  const status = async (path: string, options: AskOptions = {}): Promise<number> =>
    (await ask(`${https}${path}`, options))[0];
  const body = { envelope_sender: '', recipients: [], content: 'Subject: x\r\n\r\nx\r\n' };
  const token = { headers: { authorization: 'Bearer scrape-me' } };
  expect(await status('/api-docs/openapi.json')).toBe(200);
  expect(await status('/api/inject/v1', { body })).toBe(401);
  expect(await status('/api/inject/v1', { body, user: 'shop:open sesame' })).toBe(200);
  expect(await status('/api/inject/v1', { body, user: 'shop:guess' })).toBe(401);
  expect(await status('/metrics', { user: 'shop:open sesame' })).toBe(401);
  expect(await status('/metrics', token)).toBe(200);
  expect(await status('/api/admin/policy-status/v1', token)).toBe(401);
  expect((await ask(`http://127.0.0.1:${server.http}/metrics`))[0]).toBe(401);
  expect((await ask(`http://127.0.0.1:${server.http}/metrics.json`))[0]).toBe(200);
  expect(await server.stop()).toBe(0);
  expect(audited(join(server.directory, 'access')).length).toBeGreaterThan(8);
});

test('a certificate of files, which is renewed; a policy that changes is asked anew', async () => {
  const authority = await issue({ name: 'authority', isAuthority: true });
  const files = async (name: string): Promise<Record<string, string>> => {
    const { cert, key } = await issue({ name: 'localhost', dns: ['localhost', name], by: authority });
    return { 'cert.pem': cert, 'key.pem': key };
  };
  const policy = (password: string) => `${initLua(`
  kumo.start_http_listener {
    listen = '127.0.0.1:0', use_tls = true,
    tls_certificate = 'DIR/cert.pem', tls_private_key = { event_name = 'give_key', event_args = {} },
  }`)}
kumo.on('give_key', function() return io.open('DIR/key.pem'):read '*a' end)
kumo.on('http_server_validate_auth_basic', function(_, password) return password == '${password}' end)`;
  const server = await Moonpost.start({ policy: policy('old'), files: await files('first.example') });
  const { directory } = server;
  const status = async (name: string, password: string): Promise<number> => {
    const at = { host: '127.0.0.1', port: server.ports.https[0]! };
    const [code] = await ask(`https://${name}/metrics.json`, {
      at,
      ca: authority.cert,
      user: `a:${password}`,
    });
    return code;
  };
  expect(await status('first.example', 'old')).toBe(200);
  expect(await status('first.example', 'new')).toBe(401);
  for (const [name, text] of Object.entries(await files('second.example'))) {
    writeFileSync(join(directory, name), text);
  }
  writeFileSync(join(directory, 'init.lua'), policy('new').replaceAll('DIR', directory));
  await eventually(
    async () => {
      const answer = await status('second.example', 'new').catch(() => undefined);
      return answer === 200 ? true : undefined;
    },
    { patience: 120_000, what: () => server.errors },
  );
  expect(await status('second.example', 'old')).toBe(401);
  await expect(status('first.example', 'new')).rejects.toThrow(/first\.example/);
});

test('a certificate that cannot be used fails the start, with the line that names it', async () => {
  const policy = initLua(`
  kumo.start_http_listener { listen = '127.0.0.1:0', use_tls = true, tls_certificate = 'DIR/none', tls_private_key = 'DIR/none' }`);
  const server = Moonpost.spawn({ policy });
  expect(await server.ended()).toBe(1);
  expect(server.errors).toMatch(
    /^Error: .*init\.lua:\d+: https listener on 127\.0\.0\.1:\d+: tls_certificate: /m,
  );
});
