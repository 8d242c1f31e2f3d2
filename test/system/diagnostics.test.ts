import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { initLua, launcher, Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterAll(() => Moonpost.disposeAll());

/** Says hello to the server, whichever shard answers, and leaves. */
async function greet(port: number, name: string): Promise<void> {
  const talk = await SmtpTalk.open(port);
  await talk.expect('220');
  await talk.command(`EHLO ${name}`, '250');
  await talk.quit();
}

test('kumo.set_diagnostic_log_filter holds for every thread, in init and from any handler', async () => {
  const policy = `${initLua("kumo.set_diagnostic_log_filter 'info,lua=off'")}
kumo.on('smtp_server_ehlo', function(domain)
  if domain == 'loud.example' then
    kumo.set_diagnostic_log_filter 'info,lua=debug'
  end
  kumo.log_debug('greeted by ' .. domain)
  kumo.log_error('an error, too')
end)
`;
  const server = await Moonpost.start({ policy, shards: 2 });
  for (let n = 0; n < 8; n++) await greet(server.smtp, 'quiet.example');
  expect(server.errors).not.toContain('greeted by');
  expect(server.errors).not.toContain('an error, too');
  await greet(server.smtp, 'loud.example');
  await eventually(
    async () => {
      await greet(server.smtp, 'any.example');
      const spoke = (shard: number): boolean => server.errors.includes(` shard-${shard} lua: `);
      return spoke(0) && spoke(1) ? true : undefined;
    },
    { what: () => server.errors },
  );
  expect(server.errors).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z DEBUG shard-\d lua: \S*init\.lua:\d+: greeted by /m,
  );
  expect(await server.stop()).toBe(0);
});

test('another filter of init takes effect with the next generation of the policy', async () => {
  const policy = (filter: string): string => `${initLua(`kumo.set_diagnostic_log_filter '${filter}'`)}
kumo.on('smtp_server_ehlo', function(domain) kumo.log_debug('greeted by ' .. domain) end)
`;
  const server = await Moonpost.start({ policy: policy('info') });
  await greet(server.smtp, 'first.example');
  const file = join(server.directory, 'init.lua');
  writeFileSync(file, policy('info,lua=debug').replaceAll('DIR', server.directory));
  await server.waitFor('generation 2 serves');
  await eventually(
    async () => {
      await greet(server.smtp, 'second.example');
      return server.errors.includes('greeted by second.example') ? true : undefined;
    },
    { what: () => server.errors },
  );
  expect(server.errors).not.toContain('greeted by first.example');
  expect(server.errors).not.toContain('takes a restart');
});

test('a filter that is wrong names the place; --validate changes nothing and tells it too', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-filter-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'init.lua');
  writeFileSync(
    file,
    `local kumo = require 'kumo'\nkumo.on('init', function() kumo.set_diagnostic_log_filter 'lua=loud' end)`,
  );
  const { status, stderr } = spawnSync(process.execPath, [launcher, '--validate', '--policy', file], {
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain(`${file}:2: `);
  expect(stderr).toContain("'lua=loud' is no diagnostic filter: use LEVEL or TARGET=LEVEL");
  const env = { ...process.env, KUMOD_LOG: 'quiet' };
  const wrong = spawnSync(process.execPath, [launcher, '--policy', file], { encoding: 'utf8', env });
  expect([wrong.status, wrong.stderr]).toEqual([
    1,
    "Error: KUMOD_LOG: 'quiet' is no diagnostic filter: use LEVEL or TARGET=LEVEL, with LEVEL of off, error, warn, info, debug, trace\n",
  ]);
});

test('--diag-format json in hourly files of --diag-log-dir, by all threads', async () => {
  const policy = `${initLua()}kumo.log_warn('the policy is loaded')`;
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-diag-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const logs = join(directory, 'made/diag');
  const args = ['--diag-format', 'json', '--diag-log-dir', logs];
  const server = Moonpost.spawn({ policy, shards: 2, args });
  const lines = (): { level: string; target: string; threadName: string; fields: { message: string } }[] =>
    (existsSync(logs) ? readdirSync(logs) : [])
      .flatMap((name) => readFileSync(join(logs, name), 'utf8').split('\n').slice(0, -1))
      .map((line) => JSON.parse(line));
  await eventually(
    () => lines().some(({ fields }) => fields.message === 'initialization complete') || undefined,
    {
      patience: 120_000,
      what: () => server.errors,
    },
  );
  expect(await server.stop()).toBe(0);
  expect(server.errors).toBe('');
  for (const name of readdirSync(logs)) expect(name).toMatch(/^log\.\d{4}-\d\d-\d\d-\d\d$/);
  const warned = lines().filter(({ level, target }) => level === 'WARN' && target === 'lua');
  expect(new Set(warned.map(({ threadName }) => threadName))).toEqual(
    new Set(['main', 'shard-0', 'shard-1']),
  );
});

test('errors of the sockets of clients are shown to who asks for the target peer', async () => {
  const env = { KUMOD_LOG: 'info,peer=debug' };
  const server = await Moonpost.start({ policy: initLua(), env });
  const socket = connect(server.smtp, '127.0.0.1');
  await new Promise((greeted) => socket.once('data', greeted));
  socket.resetAndDestroy();
  await eventually(
    () => (/DEBUG shard-0 peer: 127\.0\.0\.1: .*ECONNRESET/.test(server.errors) ? true : undefined),
    {
      what: () => server.errors,
    },
  );
});

test('stderr that nobody reads holds up no mail', async () => {
  const policy = `${initLua()}
kumo.on('smtp_server_mail_from', function() for i = 1, 20 do kumo.log_error(i .. ('x'):rep(10000)) end end)
`;
  const server = await Moonpost.start({ policy });
  server.child.stderr!.pause();
  const { accepted } = await inject(server.smtp, { count: 40 });
  expect(accepted.size).toBe(40);
  await server.untilCounts({ Reception: 40 });
  server.child.stderr!.resume();
  expect(await sendOne(server.smtp)).toMatch(/^250/);
  expect(await server.stop()).toBe(0);
});
