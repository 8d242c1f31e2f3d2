import { spawnSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import type { PolicyStatus } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, launcher, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

// Seconds on a machine with cores to spare; on one slow core, under load, minutes.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** A policy whose refusal of the recipient `which@…` names it. */
const named = (name: string, more = ''): string => `${initLua()}
kumo.on('smtp_server_rcpt_to', function(recipient)
  if recipient.user == 'which' then kumo.reject(550, '${name}') end
end)
${more}`;

/** Saves a file as editors do, so that nobody reads half of it, however slow the machine is. */
function save(server: Moonpost, policy: string, file = 'init.lua'): void {
  const path = join(server.directory, file);
  writeFileSync(`${path}.new`, policy.replaceAll('DIR', server.directory));
  renameSync(`${path}.new`, path);
}

async function status(server: Moonpost): Promise<PolicyStatus> {
  return (
    await fetch(`http://127.0.0.1:${server.http}/api/admin/policy-status/v1`)
  ).json() as Promise<PolicyStatus>;
}

function until(server: Moonpost, condition: (status: PolicyStatus) => boolean): Promise<PolicyStatus> {
  return eventually(
    async () => {
      const now = await status(server);
      return condition(now) ? now : undefined;
    },
    { patience: 120_000, what: () => `the policy did not come to it\n${server.errors}` },
  );
}

/** Reads the policy that is on disk now, without waiting for the look at the files. */
async function bump(server: Moonpost): Promise<void> {
  const { status } = await fetch(`http://127.0.0.1:${server.http}/api/admin/bump-config-epoch`, {
    method: 'POST',
  });
  expect(status).toBe(200);
}

/** What the policy of the session's shard says at each of several new connections. */
async function answers(server: Moonpost, connections = 12): Promise<Set<string>> {
  const heard = new Set<string>();
  for (let i = 0; i < connections; i++) {
    const talk = await SmtpTalk.greeted(server.smtp);
    await talk.command('MAIL FROM:<a@example.org>', '250');
    heard.add(await talk.command('RCPT TO:<which@dest.example>', '550'));
    await talk.quit();
  }
  return heard;
}

test('an edit takes effect on every shard; a broken one changes nothing but the status', async () => {
  const server = await Moonpost.start({ policy: named('one'), shards: 2 });
  expect(await answers(server)).toEqual(new Set(['550 one']));
  save(server, named('two'));
  await until(server, ({ generation }) => generation === 2);
  expect(await answers(server)).toEqual(new Set(['550 two']));
  save(server, `${named('three')}\nkumo.on('smtp_server_ehlo', function( end)\n`);
  const { failure, generation } = await until(server, ({ failure }) => failure !== null);
  expect(generation).toBe(2);
  const line = named('three').split('\n').length + 1;
  expect(failure!.error).toContain(`${server.directory}/init.lua:${line}:`);
  expect(failure!.cause).toEqual([`${server.directory}/init.lua`]);
  expect(await answers(server)).toEqual(new Set(['550 two']));
  save(server, named('four'));
  expect(await until(server, ({ generation }) => generation === 3)).toMatchObject({ failure: null });
  expect(await answers(server)).toEqual(new Set(['550 four']));
  expect(server.errors).toMatch(
    /ERROR main policy: not taken: .*init\.lua:\d+: .*; generation 2 goes on serving/,
  );
});

test('a session sees the new policy from its next command on; a handler that waits finishes in the old one', async () => {
  // The handler waits until it is told to go on, so that nothing depends on how long a reload takes.
  const waiting = `kumo.on('smtp_server_data', function(message)
    while not io.open('DIR/go.flag') do kumo.time.sleep(0.05) end
    kumo.reject(550, 'NAME')
  end)`;
  const server = await Moonpost.start({ policy: named('one', waiting.replace('NAME', 'data one')) });
  const slow = await SmtpTalk.greeted(server.smtp);
  const quick = await SmtpTalk.greeted(server.smtp);
  await slow.command('MAIL FROM:<a@example.org>', '250');
  await slow.command('RCPT TO:<b@dest.example>', '250');
  await slow.command('DATA', '354');
  slow.write('Subject: hi\r\n\r\nhi\r\n.\r\n');
  save(server, named('two', waiting.replace('NAME', 'data two')));
  await bump(server);
  const isDue = ({ generation, old_generations }: PolicyStatus): boolean =>
    generation >= 2 && old_generations.length > 0;
  const during = await until(server, isDue);
  expect(during.old_generations).toEqual([{ generation: 1, running: 1 }]);
  await quick.command('MAIL FROM:<a@example.org>', '250');
  expect(await quick.command('RCPT TO:<which@dest.example>', '550')).toBe('550 two');
  save(server, '', 'go.flag');
  expect(await slow.reply()).toBe('550 data one');
  await until(server, ({ old_generations }) => old_generations.length === 0);
});

/** Sends until it is ended; every transaction must be accepted. `end` gives how many there were. */
function underLoad(server: Moonpost): { end(): Promise<number> } {
  let isDone = false;
  let sent = 0;
  const run = async (): Promise<void> => {
    while (!isDone) {
      const { accepted, refused } = await inject(server.smtp, { count: 200, first: sent, sessions: 4 });
      sent += 200;
      expect(refused).toEqual(new Map());
      expect(accepted.size).toBe(200);
    }
  };
  const running = run();
  return {
    end: async () => {
      isDone = true;
      await running;
      return sent;
    },
  };
}

/** Policies that must not come into service, the number in each. */
const BROKEN: readonly ((number: number) => string)[] = [
  (number) => `${named('never')}\nthis is not Lua ${number}`,
  (number) => `${named('never')}\nerror('broken ${number}')`,
  (number) => `${named('never')}\nkumo.on('pre_init', function() error('broken ${number}') end)`,
  (number) => `${named('never')}\nkumo.no_such_function_${number}()`,
  (number) => `${named('never')}\nkumo.on('validate_config', function() error('broken ${number}') end)`,
  (number) => `-- ${number}, and nothing else`,
  (number) => `${initLua()} -- ${number}`,
  (number) => named('never').replace('hostname =', `host_name_${number} =`),
  (number) => named('never').slice(0, 200 + number),
  (number) => `${named('never')}\nrequire 'no_such_module_${number}'`,
];

test('a hundred broken policies, saved one after the other under load, fail no transaction', async () => {
  const drop = await MailDrop.start();
  const relay = relayLua(drop.port);
  const server = await Moonpost.start({ policy: named('good', relay), shards: 2 });
  const load = underLoad(server);
  const failures = new Set<string>();
  for (let number = 0; number < 100; number++) {
    const before = (await status(server)).failure?.at;
    save(server, BROKEN[number % BROKEN.length]!(number));
    // Most are read at once; a few are left for the look at the files to find.
    if (number % 25 !== 24) await bump(server);
    const { failure, generation } = await until(server, (now) => (now.failure?.at ?? before) !== before);
    expect(generation).toBe(1);
    failures.add(failure!.error);
  }
  const sent = await load.end();
  expect(failures.size).toBeGreaterThan(60);
  expect(sent).toBeGreaterThan(0);
  const counts = await server.untilCounts({ Reception: sent, Delivery: sent });
  expect(counts.filter(({ type }) => type === 'Delivery')).toHaveLength(sent);
  // On a machine that is slow enough something waits or is tried again, which is in order.
  const others = new Set<string>(counts.map(({ type }) => type));
  for (const type of ['Reception', 'Delivery', 'Delayed', 'TransientFailure']) others.delete(type);
  expect(others).toEqual(new Set());
  save(server, named('mended', relay));
  await until(server, ({ generation }) => generation === 2);
  expect(await answers(server, 4)).toEqual(new Set(['550 mended']));
});

test('good policies in a row under load: nothing is lost or refused, and each takes effect', async () => {
  const drop = await MailDrop.start();
  const relay = relayLua(drop.port);
  const server = await Moonpost.start({ policy: named('generation 1', relay), shards: 2 });
  const load = underLoad(server);
  for (let number = 2; number <= 12; number++) {
    save(server, named(`generation ${number}`, relay));
    await bump(server);
    // Not told by its number: on a slow machine the look at the files and the bump make two of one edit.
    await vi.waitUntil(async () => (await answers(server, 1)).has(`550 generation ${number}`), {
      timeout: 60_000,
      interval: 20,
    });
    expect(await answers(server, 2)).toEqual(new Set([`550 generation ${number}`]));
  }
  const sent = await load.end();
  await server.untilCounts({ Delivery: sent });
  expect(server.counts()).toMatchObject({ Reception: sent, Delivery: sent });
});

test('a data file that the policy reads late, outside the monitored folders, is followed', async () => {
  const policy = named(
    'unused',
    `local read = kumo.memoize(function() return kumo.serde.json_load('DIR/data/answer.json').text end,
       { name = 'answer', ttl = '1h', capacity = 1, invalidate_with_epoch = true })
     kumo.on('pre_init', function() kumo.set_config_monitor_globs { 'DIR/nothing/*.lua' } end)
     kumo.on('smtp_server_mail_from', function() kumo.reject(550, read()) end)`,
  );
  const server = await Moonpost.start({ policy, files: { 'data/answer.json': '{"text": "before"}' } });
  const said = async (): Promise<string> => {
    const talk = await SmtpTalk.greeted(server.smtp);
    const reply = await talk.command('MAIL FROM:<a@example.org>', '550');
    await talk.quit();
    return reply;
  };
  expect(await said()).toBe('550 before');
  await until(server, ({ files }) => files.includes(`${server.directory}/data/answer.json`));
  save(server, '{"text": "after"}', 'data/answer.json');
  expect((await until(server, ({ generation }) => generation === 2)).monitored_globs).toEqual([
    `${server.directory}/nothing/*.lua`,
  ]);
  expect(await said()).toBe('550 after');
});

test('a candidate that waits without end holds up neither mail nor the end of the server', async () => {
  const server = await Moonpost.start({ policy: named('one') });
  save(server, `${named('two')}\nkumo.on('pre_init', function() kumo.time.sleep(1000000) end)`);
  await bump(server);
  await until(server, (now) => now.is_building);
  expect(await answers(server, 2)).toEqual(new Set(['550 one']));
  expect(await server.stop()).toBe(0);
  expect(server.errors).not.toContain('ERROR');
});

test('policy status and policy reload say what serves, what failed and what takes a restart', async () => {
  const server = await Moonpost.start({ policy: named('one') });
  const policy = (...args: string[]) =>
    spawnSync(process.execPath, [launcher, 'policy', ...args], {
      encoding: 'utf8',
      env: { ...process.env, KUMO_KCLI_ENDPOINT: `http://127.0.0.1:${server.http}` },
    });
  const first = policy('status');
  expect(first.status).toBe(0);
  expect(first.stdout).toContain('generation   1, since ');
  expect(first.stdout).toContain('what is on disk serves');
  const two = named('two').replace("hostname = 'mx.moonpost.test'", "hostname = 'other.moonpost.test'");
  const line = two.split('\n').findIndex((text) => text.includes('start_esmtp_listener')) + 1;
  save(server, two);
  const second = policy('reload', '--json');
  expect(JSON.parse(second.stdout)).toMatchObject({
    failure: null,
    needs_restart: [
      {
        change: 'changed',
        declaration: 'start_esmtp_listener 127.0.0.1:0',
        options: ['hostname'],
        where: `${server.directory}/init.lua:${line}`,
      },
    ],
  });
  expect(second.status).toBe(0);
  save(server, `${named('three')}\nerror('no')`);
  const third = policy('reload');
  expect(third.status).toBe(1);
  expect(third.stdout).toMatch(/init\.lua:\d+: no/);
  expect(third.stdout).toMatch(/generation \d+ goes on serving/);
  const metrics = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
  expect(metrics).toMatch(/^policy_reload_count\{result="failed"\} [1-9]/m);
  await server.stop();
  const gone = policy('status');
  expect(gone.status).toBe(1);
  expect(gone.stderr).toContain('cannot reach http://127.0.0.1:');
});
