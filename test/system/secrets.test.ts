import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { decompressFrames } from '../../src/io/delivery-log/index.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { ClosedError, SmtpTalk } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const MARK = 'S3CR3TMARK';

/** What handlers may be given a secret for, each failing in its own way. Lua that is run by the sender of that name. */
const FAILURES: Readonly<Record<string, string>> = {
  http_url: `kumo.http.build_client({}):get('http://user:${MARK}@127.0.0.1:1/x'):send()`,
  http_bad_url: `kumo.http.build_client({}):get('gopher://user:${MARK}@127.0.0.1:1/x'):send()`,
  http_header: `kumo.http.build_client({}):get('http://127.0.0.1:1/'):header('Authorization', 'Bearer ${MARK}'):send()`,
  http_bad_header: `kumo.http.build_client({}):get('http://127.0.0.1:1/'):header('Authorization', 'Bearer ${MARK}\\n'):send()`,
  http_basic: `kumo.http.build_client({}):get('http://127.0.0.1:1/'):basic_auth('user', '${MARK}'):send()`,
  redis_url: `require('redis').open({ node = 'redis://user:${MARK}@127.0.0.1:1/' }):query('GET', 'x')`,
  redis_bad_url: `require('redis').open({ node = 'redis://user:${MARK}@127.0.0.1:port/' }):query('GET', 'x')`,
  redis_password: `require('redis').open({ node = 'redis://127.0.0.1:1/', password = '${MARK}' }):query('GET', 'x')`,
  redis_number: `require('redis').open({ node = 'redis://127.0.0.1:1/', password = { '${MARK}' } })`,
  dkim: `kumo.dkim.rsa_sha256_signer { domain = 'd.example', selector = 's', headers = { 'From' }, key = { key_data = '${MARK}' } }
    :sign(kumo.make_message('a@b.example', 'c@d.example', 'From: a@b.example\\r\\n\\r\\n'))`,
  vault: `kumo.secrets.load { vault_mount = 'm', vault_path = 'p', vault_address = 'http://127.0.0.1:1', vault_token = '${MARK}' }`,
  key_of_file: `kumo.secrets.load { key_data = { '${MARK}' } }`,
  aes: `kumo.crypto.aes_encrypt_block('Cbc', 'text', { key = { key_data = '${MARK}' } })`,
  aws: `kumo.crypto.aws_sign_v4 { access_key = 'a', secret_key = { key_data = '${MARK}' } }`,
  path_option: `kumo.make_egress_path { smtp_auth_plain_password = { key_data = { '${MARK}' } } }`,
  source_option: `kumo.make_egress_source { name = 's', socks5_proxy_password = { key_data = { '${MARK}' } } }`,
};

const policy = (silent: number, sink: number): string => `
${initLua(`
  kumo.configure_redis_throttles { node = 'redis://user:${MARK}@127.0.0.1:${silent}/' }`)}
${relayLua(sink)}
kumo.on('pre_init', function() kumo.set_diagnostic_log_filter 'trace' end)
local failures = {
${Object.entries(FAILURES)
  .map(([name, lua]) => `  ${name} = function() ${lua} end,`)
  .join('\n')}
}
kumo.on('smtp_server_mail_from', function(sender)
  local failure = failures[sender.user]
  if failure then failure() error('it did not fail') end
end)
kumo.on('smtp_server_auth_plain', function(authz, authc, password)
  if authc == 'loud' then error('cannot look up password=' .. password) end
  return false
end)
`;

test('secrets that parts of the product are given stand in no diagnostic line, record or answer', async () => {
  const held = createServer((socket) => socket.on('error', () => {}).destroy()).listen(0, '127.0.0.1');
  await new Promise((bound) => held.once('listening', bound));
  const sink = await MailDrop.start();
  const { port: silent } = held.address() as { port: number };
  const env = { KUMOD_LOG: 'trace', VAULT_TOKEN: MARK };
  const server = await Moonpost.start({ policy: policy(silent, sink.port), env });
  const answers: string[] = [];
  for (const name of Object.keys(FAILURES)) {
    const talk = await SmtpTalk.greeted(server.smtp);
    answers.push(await talk.command(`MAIL FROM:<${name}@s.example>`).catch((error: Error) => error.message));
    talk.destroy();
    expect({ name, said: server.errors.includes('it did not fail') }).toEqual({ name, said: false });
  }
  held.close();

  const both = Buffer.from(`\0loud\0${MARK}`).toString('base64');
  const forms = [
    MARK,
    both,
    Buffer.from(MARK).toString('base64'),
    Buffer.from(`user:${MARK}`).toString('base64'),
  ];
  const talk = await SmtpTalk.greeted(server.smtp);
  for (const line of [
    `AUTH PLAIN ${both}`,
    'AUTH LOGIN',
    forms[2]!,

    `AUTH PLAIN ${MARK}=?`,
  ]) {
    try {
      answers.push(await talk.command(line));
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
      break;
    }
  }
  talk.destroy();
  const basic = `Basic ${forms[3]}`;
  for (const path of ['/metrics.json', '/api/inject/v1', `/api/admin/nothing?token=${MARK}`]) {
    const response = await fetch(`http://127.0.0.1:${server.http}${path}`, {
      headers: { authorization: basic },
    });
    answers.push(`${response.status}`, path.includes('?') ? '' : await response.text());
  }
  expect(await server.stop()).toBe(0);

  const directory = join(server.directory, 'log');
  const records = readdirSync(directory).map(
    (name) => decompressFrames(readFileSync(join(directory, name))).content,
  );
  const everything = [server.errors, ...records.map(String), ...answers].join('\n');
  for (const form of forms) {
    const at = everything.indexOf(form);
    expect(at === -1 ? '' : everything.slice(Math.max(0, at - 300), at + 100)).toBe('');
  }
  // They were not left out with what is said about them.
  for (const name of ['ECONNREFUSED', 'redis://', 'aes', 'rsa_sha256_signer', '127.0.0.1:1']) {
    expect(everything).toContain(name);
  }
});
