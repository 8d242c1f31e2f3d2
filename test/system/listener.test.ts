import { createTransport } from 'nodemailer';
import { afterEach, expect, test, vi } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

test('STARTTLS with a self-signed certificate, AUTH, options from policy, split by policy', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({
    policy: `${initLua('', "relay_hosts = {}, peer = { ['127.0.0.0/8'] = { meta = { tenant = 'blue' } } }")}${relayLua(drop.port)}
kumo.on('smtp_server_get_dynamic_parameters', function(listener, meta)
  return { banner = 'from policy', via = { ['127.0.0.1'] = { meta = { via = listener } } } }
end)
kumo.on('smtp_server_auth_plain', function(authz, authc, password, meta)
  return password == 'tiger' and authc == 'scott'
end)
kumo.on('get_listener_domain', function(domain, listener, meta)
  if meta:get_meta 'authn_id' then
    return kumo.make_listener_domain { relay_to = true }
  end
end)
kumo.on('smtp_server_split_transaction', function(msg, meta)
  return { msg:recipient_list() }
end)`,
  });
  const talk = await SmtpTalk.open(server.smtp);
  expect(await talk.reply()).toContain('from policy');
  talk.destroy();
  const transport = createTransport({
    host: '127.0.0.1',
    port: server.smtp,
    requireTLS: true,
    tls: { rejectUnauthorized: false },
    name: 'client.example',
    auth: { user: 'scott', pass: 'tiger' },
  });
  const to = ['a@dest.example', 'b@dest.example'];
  await transport.sendMail({ from: 'sender@example.org', to, subject: 's', text: 'hello' });
  transport.close();
  const records = await server.untilCounts({ Delivery: 1 });
  expect(records[0]).toMatchObject({
    type: 'Reception',
    recipient: to,
    tls_protocol_version: 'TLSv1_3',
    tls_cipher: expect.stringMatching(/^TLS13_/),
  });
  expect(drop.messages).toHaveLength(1);
  expect(drop.messages[0]!.body).toMatch(/with ESMTPSA \(TLSv1_3:TLS13_\w+\) id/);
  expect(await server.stop()).toBe(0);
});
