import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { afterAll, expect, test, vi } from 'vitest';
import type { LogRecord, PolicyStatus } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { launcher, Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

/** The example data-files, as it is but for ports and the directory of its log. */

// Seconds on a machine with cores to spare; on one slow core, under load, minutes.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 240_000 });
const EXAMPLE = resolve(import.meta.dirname, '../../examples/data-files');
const PLACE = 'examples/data-files/data';

const receivers: Server[] = [];
const directories: string[] = [];
afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  for (const receiver of receivers) {
    receiver.closeAllConnections();
    receiver.close();
  }
  for (const directory of directories) rmSync(directory, { recursive: true });
});

const keys = {
  acme: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  platform: generateKeyPairSync('ed25519').privateKey,
};
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

function publicRecord(name: keyof typeof keys): string {
  const spki = createPublicKey(pem(keys[name])).export({ type: 'spki', format: 'der' });
  // RFC 8463 §4: of an Ed25519 key the record has the 32 octets alone.
  return name === 'acme'
    ? `v=DKIM1; k=rsa; p=${spki.toString('base64')}`
    : `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString('base64')}`;
}

/** Replaces a text that must be there exactly once. */
function changed(content: string, from: string, to: string): string {
  expect(content.split(from), from).toHaveLength(2);
  return content.replace(from, to);
}

/** All files of the example, by their names below the working directory, and its policy. */
function exampleFiles(): { policy: string; files: Record<string, string> } {
  const files: Record<string, string> = {
    'var/data-files/keys/acme.key': pem(keys.acme),
    'var/data-files/keys/platform.key': pem(keys.platform),
  };
  for (const name of readdirSync(join(EXAMPLE, 'data'))) {
    files[`${PLACE}/${name}`] = readFileSync(join(EXAMPLE, 'data', name), 'utf8');
  }
  return { policy: readFileSync(join(EXAMPLE, 'init.lua'), 'utf8'), files };
}

/** A web server that keeps the lists of records that are posted to it, by path. */
async function webhookReceiver(): Promise<{ port: number; records: (path: string) => LogRecord[] }> {
  const posted: { path: string; records: LogRecord[] }[] = [];
  const receiver = createServer(async (request, response) => {
    posted.push({ path: request.url!, records: JSON.parse(await text(request)) as LogRecord[] });
    response.end('so be it');
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  receivers.push(receiver);
  return {
    port: (receiver.address() as AddressInfo).port,
    records: (path) => posted.flatMap((post) => (post.path === path ? post.records : [])),
  };
}

test('signed, shaped, through two pools, told to the web hook; an edit of each file counts live', async () => {
  const drop = await MailDrop.start();
  // Domains with the same mx_list share their ready queues; this one is shaped by itself.
  const large = await MailDrop.start();
  const web = await webhookReceiver();
  const { policy, files } = exampleFiles();
  const name = (file: string): string => `${PLACE}/${file}.toml`;
  files[name('queues')] = changed(files[name('queues')]!, '127.0.0.1:2526', `127.0.0.1:${drop.port}`);
  files[name('queues')] = changed(
    files[name('queues')]!,
    'max_age = "1 day"',
    `protocol = { smtp = { mx_list = [{ name = "mx.bigmail.example", addr = "127.0.0.1:${large.port}" }] } }`,
  );
  files[name('webhook')] = changed(files[name('webhook')]!, '127.0.0.1:4242', `127.0.0.1:${web.port}`);
  const elsewhere = [
    ["'127.0.0.1:2525'", "'127.0.0.1:0', relay_hosts = {}"],
    ["'127.0.0.1:8000'", "'127.0.0.1:0'"],
    ['./var/data-files/log', 'DIR/log'],
  ] as const;
  const server = await Moonpost.start({
    policy: elsewhere.reduce((text, [from, to]) => changed(text, from, to), policy),
    files,
    shards: 2,
  });

  /** Saves a change of a file, and waits until it is in service. */
  async function edit(file: string, from: string, to: string): Promise<void> {
    const status = async (): Promise<PolicyStatus> =>
      (await (
        await fetch(`http://127.0.0.1:${server.http}/api/admin/policy-status/v1`)
      ).json()) as PolicyStatus;
    const { generation } = await status();
    files[name(file)] = changed(files[name(file)]!, from, to);
    const path = join(server.directory, name(file));
    writeFileSync(`${path}.new`, files[name(file)]!);
    renameSync(`${path}.new`, path);
    await eventually(async () => ((await status()).generation > generation ? true : undefined), {
      what: () => `the edit of ${file} does not serve\n${server.errors}`,
    });
  }

  let count = 0;
  /** Sends a message; gives the reply, and once it is delivered its record and the verdicts on its signatures. */
  async function send(from: string, domain: string, headers = '') {
    const recipient = `user-${++count}@${domain}`;
    const content = `From: <${from}>\r\nTo: <${recipient}>\r\nSubject: hello\r\n${headers}\r\nbody\r\n`;
    const talk = await SmtpTalk.greeted(server.smtp);
    const reply = await talk.send(from, [recipient], content);
    await talk.quit();
    if (!reply.startsWith('250')) return { reply };
    const isIt = (record: LogRecord): boolean =>
      record.type === 'Delivery' && String(record.recipient) === recipient;
    const record = (await server.until((records) => records.some(isIt))).find(isIt)!;
    const received = [...drop.messages, ...large.messages].find(({ recipients }) =>
      recipients.includes(recipient),
    )!;
    const { results } = await dkimVerify(Buffer.from(received.body, 'latin1'), {
      resolver: async (query: string) => [[publicRecord(query.includes('acme') ? 'acme' : 'platform')]],
    });
    const signatures = results.map(({ signingDomain, status }) => `${signingDomain} ${status.result}`).sort();
    return { reply, record, signatures, body: received.body };
  }

  expect((await send('news@acme.example', 'any.example')).reply).toMatch(/^550 5\.7\.1 relaying/);
  const premium = await send('news@acme.example', 'hosted.example', 'X-Tenant: acme\r\nX-Campaign: news\r\n');
  expect(premium.record).toMatchObject({ egress_pool: 'premium', queue: 'news:acme@hosted.example' });
  expect(premium.signatures).toEqual(['acme.example pass', 'platform.example pass']);
  expect(premium.body).not.toMatch(/^X-(Tenant|Campaign)/m);
  const shared = await send('me@bolt.example', 'hosted.example');
  expect(shared.record).toMatchObject({
    egress_pool: 'shared',
    egress_source: 'ip-3',
    meta: { tenant: 'bolt' },
  });
  expect(shared.signatures).toEqual(['platform.example pass']);
  await eventually(() =>
    web.records('/log').filter(({ type }) => type === 'Delivery').length >= 2 ? true : undefined,
  );
  const told = web.records('/log').filter(({ type }) => type === 'Delivery');
  expect(told.map(({ id }) => id).sort()).toEqual([premium.record!.id, shared.record!.id].sort());

  await edit('listener_domains', '"hosted.example"', '"bigmail.example"');
  const shaped = await send('me@bolt.example', 'bigmail.example');
  expect(shaped.record).toMatchObject({ provider_name: 'bigmail' });
  expect((await send('me@bolt.example', 'hosted.example')).reply).toMatch(/^550/);
  await edit('shaping', '[provider.bigmail]', '[provider.large]');
  expect((await send('me@bolt.example', 'bigmail.example')).record).toMatchObject({ provider_name: 'large' });
  await edit('sources', '[pool.shared.ip-3]', '[pool.shared.ip-2]');
  expect((await send('me@bolt.example', 'bigmail.example')).record).toMatchObject({ egress_source: 'ip-2' });
  await edit('queues', 'egress_pool = "shared"', 'egress_pool = "premium"');
  expect((await send('me@bolt.example', 'bigmail.example')).record).toMatchObject({ egress_pool: 'premium' });
  await edit('dkim', 'domain = "platform.example"', 'domain = "other.example"');
  await edit('webhook', '/log"', '/elsewhere"');
  expect((await send('news@acme.example', 'bigmail.example')).signatures).toEqual([
    'acme.example pass',
    'other.example pass',
  ]);
  await eventually(() => (web.records('/elsewhere').length > 0 ? true : undefined));
  expect(server.errors).not.toContain('not taken');
  expect(await server.stop()).toBe(0);
});

/** Writes the example with changes into a directory of its own; gives what a CI script would see of a command. */
function inCi(
  changes: readonly (readonly [file: string, from: string, to: string])[],
  args: readonly string[],
) {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-'));
  directories.push(directory);
  const { policy, files } = exampleFiles();
  for (const [file, from, to] of changes) files[file] = changed(files[file]!, from, to);
  for (const [file, content] of Object.entries({ ...files, 'init.lua': policy })) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), content);
  }
  const { status, stderr } = spawnSync(process.execPath, [launcher, ...args], {
    cwd: directory,
    encoding: 'utf8',
  });
  return { status, lines: stderr.trimEnd().split('\n') };
}

const VALIDATE = ['--validate', '--policy', 'init.lua'];

test('as it is, the example is in order', () => {
  expect(inCi([], VALIDATE)).toEqual({ status: 0, lines: [''] });
});

test('a mistake in each file: each is told once, by file and line', () => {
  const mistakes = [
    [`${PLACE}/sources.toml`, 'weight = 3', 'wieght = 3'],
    [`${PLACE}/queues.toml`, 'max_age = "2 days"', 'max_age = "2 dayz"'],
    [`${PLACE}/listener_domains.toml`, 'relay_to = true', 'relay_too = true'],
    [`${PLACE}/shaping.toml`, 'connection_limit = 10', 'connection_limit = "many"'],
    [`${PLACE}/dkim.toml`, 'keys/acme.key', 'keys/acmee.key'],
    [`${PLACE}/webhook.toml`, 'batch_size', 'batchsize'],
  ] as const;
  const { status, lines } = inCi(mistakes, VALIDATE);
  expect(status).toBe(1);
  const [head, ...found] = lines;
  expect(head).toBe('Error: Initialization raised an error: Validation failed:');
  const expected = [
    'dkim.toml:13:1: [domain."acme.example"] var/data-files/keys/acmee.key: there is no such file',
    'listener_domains.toml:10:1: ["hosted.example"] unknown field `relay_too`, did you mean `relay_to`?',
    "queues.toml:24:1: [queue.default] max_age: '2 dayz' is no duration such as '5 minutes' or '1h 30m'",
    "shaping.toml:7:1: bad-value: connection_limit: a limit is a whole number from 1 up, or a text such as 'local:10'",
    'sources.toml:16:1: [pool.premium.ip-1] unknown field `wieght`, did you mean `weight`?',
    "webhook.toml:6:1: unknown option 'batchsize', did you mean 'batch_size'?",
  ];
  expect(found.sort()).toEqual(expected.map((line) => `${PLACE}/${line}`));
  const shaping = inCi(mistakes.slice(3, 4), ['validate-shaping', `${PLACE}/shaping.toml`]);
  expect(shaping).toEqual({ status: 1, lines: [`ERROR: ${PLACE}/${expected[3]}`] });
});
