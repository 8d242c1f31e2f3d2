import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { afterAll, expect, test, vi } from 'vitest';
import { DkimSigner, SentForm, SigningKey } from '../../src/protocol/dkim/index.ts';
import { parseAuthenticationResults } from '../../src/protocol/mime/index.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

// Seconds on a machine with cores to spare; on one slow core, under load, minutes.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 240_000 });

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' }).toString('base64');
/** A string of a TXT record has at most 255 octets (RFC 1035 §3.3). */
const strings = `v=DKIM1; k=rsa; p=${spki}`.match(/.{1,200}/g)!.map((part) => `"${part}"`);

const ZONE = `
s1._domainkey.example.com. 30 TXT ${strings.join(' ')}
example.com. 30 TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.example.com. 30 TXT "v=DMARC1; p=reject"
bank.example. 30 TXT "v=spf1 -all"
_dmarc.bank.example. 30 TXT "v=DMARC1; p=reject"
`;

async function signed(text: string): Promise<string> {
  const signer = new DkimSigner(
    {
      domain: 'example.com',
      selector: 's1',
      headers: ['From', 'To', 'Subject'],
      headerCanonicalization: 'relaxed',
      bodyCanonicalization: 'relaxed',
      expiration: undefined,
      overSign: true,
    },
    new SigningKey(Buffer.from(pem)),
  );
  return `${await signer.sign(SentForm.of(Buffer.from(text)), Date.now())}${text}`;
}

const mail = (from: string): string =>
  `From: <${from}>\r\nTo: b@dest.example\r\nSubject: hi\r\n\r\ntext  with spaces\r\n`;

test('mail is checked when it comes, told of in a header, sealed, and forged mail is refused', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({
    policy: `${initLua()}${relayLua(drop.port)}
local mail_auth = require 'policy-extras.mail_auth'
kumo.on('pre_init', function()
  kumo.dns.define_resolver('zone', { Test = { [[${ZONE}]] } })
end)
kumo.on('smtp_server_message_received', function(msg)
  local auth = mail_auth.check(msg, { resolver = 'zone', iprev = false })
  if auth.dmarc.props['policy.published-domain-policy'] == 'reject' then
    kumo.reject(550, '5.7.1 this is not of ' .. auth.dmarc.props['header.from'])
  end
  local signer = kumo.dkim.rsa_sha256_signer {
    domain = 'example.com', selector = 's1', headers = { 'From', 'Subject' }, key = 'DIR/s1.key',
  }
  msg:arc_seal(signer, 'mx.moonpost.test', auth.auth_results, 'zone')
  msg:append_header('X-Arc', msg:arc_verify('zone').result)
end)`,
    files: { 's1.key': pem },
    shards: 2,
  });

  async function send(from: string, text: string): Promise<string> {
    const talk = await SmtpTalk.greeted(server.smtp);
    const reply = await talk.send(from, ['b@dest.example'], text);
    await talk.quit();
    return reply;
  }

  /** What the header of ours says of the next message that comes. */
  async function told(from: string, text: string): Promise<Record<string, string>> {
    const before = drop.messages.length;
    expect(await send(from, text)).toMatch(/^250 /);
    await drop.until(before + 1);
    const { body } = drop.messages[before]!;
    expect(body).toMatch(/^X-Arc: pass\r?$/m);
    const [, value] = /^Authentication-Results:((?:.*\r\n[ \t])*.*)\r\n/m.exec(body)!;
    const { serv_id, results } = parseAuthenticationResults(value!);
    expect(serv_id).toBe('mx.moonpost.test');
    return Object.fromEntries(results.map(({ method, result }) => [method, result]));
  }

  const message = await signed(mail('joe@example.com'));
  const good = { dkim: 'pass', spf: 'pass', auth: 'none', dmarc: 'pass', arc: 'none' };
  for (let count = 0; count < 4; count++) expect(await told('joe@example.com', message)).toEqual(good);
  const changed = message.replace('text', 'TEXT');
  expect(await told('joe@example.com', changed)).toEqual({ ...good, dkim: 'fail' });
  expect(await told('', message)).toEqual({ ...good, spf: 'none' });
  expect(await send('joe@example.com', mail('boss@bank.example'))).toMatch(
    /^550 5\.7\.1 this is not of bank\.example/,
  );
});
