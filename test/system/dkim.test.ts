import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { afterAll, expect, test, vi } from 'vitest';
import type { PolicyStatus } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

// Seconds on a machine with cores to spare; on one slow core, under load, minutes.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 240_000 });

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const newKey = (): KeyObject => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const record = (key: KeyObject): string => {
  const spki = createPublicKey(pem(key)).export({ type: 'spki', format: 'der' });
  return `v=DKIM1; k=rsa; p=${spki.toString('base64')}`;
};

const MESSAGE = [
  'From: Joe <joe@example.com>',
  'To: b@dest.example',
  'Subject: two  words,',
  '\tfolded',
  '',
  'text  with spaces \t',
  '.a dot',
  '',
  '',
].join('\r\n');

test('helper, keys and data files from reception to the receiver, while they are edited', async () => {
  const keys = { first: newKey(), second: newKey(), platform: newKey() };
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-'));
  const toml = (selector: string): string => `
[base]
selector = "${selector}"
headers = ["From", "To", "Subject", "Date"]
over_sign = true
expiration = 3600
additional_signatures = ["platform"]
[domain."example.com"]
filename = "${directory}/example.key"
[signature.platform]
domain = "platform.example"
selector = "p1"
filename = "${directory}/platform.key"
body_canonicalization = "Simple"
`;
  const drop = await MailDrop.start();
  const server = await Moonpost.start({
    policy: `${initLua()}${relayLua(drop.port)}
local sign = require('policy-extras.dkim_sign'):setup { 'DIR/dkim.toml' }
kumo.on('smtp_server_message_received', function(msg)
  msg:prepend_header('X-Tenant', 'one')
  sign(msg)
end)`,
    files: { 'dkim.toml': toml('s1'), 'example.key': pem(keys.first), 'platform.key': pem(keys.platform) },
    directory,
    shards: 2,
  });
  const save = (name: string, text: string): void => {
    const path = join(directory, name);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const until = (condition: (status: PolicyStatus) => boolean): Promise<PolicyStatus> =>
    eventually(
      async () => {
        const answer = await fetch(`http://127.0.0.1:${server.http}/api/admin/policy-status/v1`);
        const status = (await answer.json()) as PolicyStatus;
        return condition(status) ? status : undefined;
      },
      { what: () => `the policy did not come to it\n${server.errors}` },
    );

  /** Sends a message; gives the verdict and selector of each of its signatures, as its receiver sees them. */
  async function deliver(key: KeyObject): Promise<string[]> {
    const before = drop.messages.length;
    const talk = await SmtpTalk.greeted(server.smtp);
    expect(await talk.send('a@example.com', ['b@dest.example'], MESSAGE)).toMatch(/^250 /);
    await talk.quit();
    await drop.until(before + 1);
    const received = Buffer.from(drop.messages[before]!.body, 'latin1');
    const { results } = await dkimVerify(received, {
      resolver: async (name: string) => [[record(name.startsWith('p1.') ? keys.platform : key)]],
    });
    return results.map(
      ({ status, selector, signingDomain }) => `${signingDomain} ${selector} ${status.result}`,
    );
  }

  const good = (selector: string) => ['platform.example p1 pass', `example.com ${selector} pass`];
  // Several connections, so that both shards sign.
  for (let count = 0; count < 6; count++) expect(await deliver(keys.first)).toEqual(good('s1'));

  save('example.key', pem(keys.second));
  const { generation } = await until(({ generation }) => generation > 1);
  for (let count = 0; count < 6; count++) expect(await deliver(keys.second)).toEqual(good('s1'));

  rmSync(join(directory, 'example.key'));
  const { failure } = await until((status) => status.failure !== null);
  expect(failure!.error).toContain(`${directory}/example.key: there is no such file`);
  expect(await deliver(keys.second)).toEqual(good('s1'));

  save('example.key', pem(keys.first));
  save('dkim.toml', toml('s2'));
  await until((status) => status.generation > generation && status.failure === null && !status.is_building);
  await eventually(async () => {
    const seen = await deliver(keys.first);
    return seen[1] === good('s2')[1] ? true : undefined;
  });
});
