import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test as oneByOne, vi } from 'vitest';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, launcher, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const isRoot = process.geteuid?.() === 0;

function moonpost(
  args: readonly string[],
  cwd?: string,
): { code: number | null; errors: string; output: string } {
  const { status, stderr, stdout } = spawnSync(process.execPath, [launcher, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    ...(cwd === undefined ? {} : { cwd }),
  });
  return { code: status, errors: stderr, output: stdout };
}

const LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z +(ERROR|WARN|INFO) \S+ \S+: .+$/;
const INFO = (target: string, text: string): RegExp =>
  new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z  INFO main ${target}: ${text}$`);

test('the lines that others wait for, in order, on stderr', async () => {
  const server = await Moonpost.start({ policy: initLua(), shards: 2 });
  const lines = server.errors.trimEnd().split('\n');
  for (const line of lines) expect(line).toMatch(LINE);
  const wanted = [
    INFO('kumod', 'Version is \\d+\\.\\d+\\.\\d+\\S*'),
    INFO('kumod', 'NodeId is [0-9a-f-]{36}'),
    INFO('kumod', 'available_parallelism=2'),
    INFO('kumod', 'smtp listener on 127\\.0\\.0\\.1:[1-9]\\d*'),
    INFO('kumod', 'http listener on 127\\.0\\.0\\.1:[1-9]\\d*'),
    INFO('spool', 'start_spool: enumeration done, spooled in 0 msgs over \\d+\\.\\d+s \\d+/s'),
    INFO('kumod', 'initialization complete'),
  ];
  const told = lines.filter((line) => !line.includes(' WARN '));
  expect(told).toHaveLength(wanted.length);
  wanted.forEach((pattern, index) => {
    expect(told[index]).toMatch(pattern);
  });
  const warnings = lines.filter((line) => line.includes(' WARN '));
  if (isRoot) expect(warnings).toEqual([expect.stringMatching(/running as root/)]);
  else expect(warnings).toEqual([]);
  // Port 0 became a real one, and somebody is there.
  const talk = await SmtpTalk.open(server.smtp);
  expect(await talk.reply()).toMatch(/^220 mx\.moonpost\.test Moonpost/);
  await talk.quit();
  expect((await fetch(`http://127.0.0.1:${server.http}/api/check-liveness/v1`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
  const last = server.errors
    .slice(server.errors.indexOf('initialization complete'))
    .trimEnd()
    .split('\n')
    .slice(1);
  expect(last[0]).toMatch(INFO('kumod', 'SIGTERM received, shutting down'));
  expect(last[1]).toMatch(INFO('kumod', `smtp listener on 127\\.0\\.0\\.1:${server.smtp} -> stopping`));
  expect(last.at(-1)).toMatch(INFO('kumod', 'Shutdown completed OK!'));
});

test('the node id stays, and the environment overrides it', async () => {
  const first = await Moonpost.start({ policy: initLua() });
  expect(await first.stop()).toBe(0);
  const id = (server: Moonpost): string => /NodeId is (\S+)/.exec(server.errors)![1]!;
  const second = await Moonpost.start({ policy: initLua(), directory: first.directory });
  expect(id(second)).toBe(id(first));
  expect(await second.stop()).toBe(0);
  const own = '6f9619ff-8b86-4011-b42d-00cf4fc964ff';
  const third = await Moonpost.start({
    policy: initLua(),
    directory: first.directory,
    env: { KUMO_NODE_ID: own },
  });
  expect(id(third)).toBe(own);
  const bad = Moonpost.spawn({ policy: initLua(), env: { KUMO_NODE_ID: 'nonsense' } });
  expect(await bad.ended()).toBe(1);
  expect(bad.errors).toContain('nonsense');
});

describe('two servers', () => {
  test('on one port: the second fails loudly, the first goes on', async () => {
    const drop = await MailDrop.start();
    const first = await Moonpost.start({ policy: initLua() + relayLua(drop.port), shards: 2 });
    const policy = initLua().replace("'127.0.0.1:0', hostname", `'127.0.0.1:${first.smtp}', hostname`);
    const second = Moonpost.spawn({ policy, shards: 2 });
    expect(await second.ended()).toBe(1);
    expect(second.errors).toMatch(
      new RegExp(`^Error: .*init\\.lua:\\d+: .*127\\.0\\.0\\.1:${first.smtp}`, 'm'),
    );
    expect(second.errors).toContain('another process listens there');
    expect(second.errors).not.toContain('initialization complete');
    expect(existsSync(join(second.directory, 'log'))).toBe(false);
    await inject(first.smtp, { count: 50, sessions: 16 });
    await first.untilCounts({ Delivery: 50 });
  });

  test('on one HTTP port: likewise', async () => {
    const first = await Moonpost.start({ policy: initLua() });
    const policy = initLua().replace(
      "start_http_listener { listen = '127.0.0.1:0'",
      `start_http_listener { listen = '127.0.0.1:${first.http}'`,
    );
    const second = Moonpost.spawn({ policy });
    expect(await second.ended()).toBe(1);
    expect(second.errors).toMatch(/^Error: .*init\.lua:\d+: /m);
  });

  test('on one spool: the second fails and names the path and the first', async () => {
    const drop = await MailDrop.start();
    const first = await Moonpost.start({ policy: initLua() + relayLua(drop.port) });
    const spool = join(first.directory, 'spool');
    const second = Moonpost.spawn({ policy: initLua().replaceAll('DIR/spool', spool) });
    expect(await second.ended()).toBe(1);
    expect(second.errors).toMatch(/^Error: .*in use by another Moonpost/m);
    expect(second.errors).toContain(spool);
    expect(second.errors).toContain(String(first.child.pid));
    expect(await sendOne(first.smtp)).toMatch(/^250 OK/);
    await first.untilCounts({ Delivery: 1 });
    await first.kill();
    // A lock does not outlive its holder.
    const third = await Moonpost.start({ policy: initLua(), directory: first.directory });
    expect(await third.stop()).toBe(0);
  });
});

describe('exit codes', () => {
  test('2 for a bad command line', () => {
    for (const args of [
      ['--bogus'],
      ['--shards', '0'],
      ['--shards', 'two'],
      ['--development-recipient', 'nobody'],
      ['frobnicate'],
      ['tail'],
      ['sink'],
    ]) {
      const { code, errors } = moonpost(args);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(errors).not.toBe('');
    }
  });

  test('0 for --help and --version', () => {
    expect(moonpost(['--help'])).toMatchObject({ code: 0, errors: '' });
    expect(moonpost(['--version']).output).toMatch(/^(moonpost )?\d+\.\d+\.\d+\n$/);
  });

  test('1 for a policy that is not there', () => {
    const { code, errors } = moonpost(['--policy', '/nowhere/init.lua']);
    expect(code).toBe(1);
    expect(errors).toMatch(/^Error: .*\/nowhere\/init\.lua/);
    const empty = mkdtempSync(join(tmpdir(), 'moonpost-'));
    if (!existsSync('/etc/moonpost/policy/init.lua')) {
      expect(moonpost([], empty).errors).toMatch(/^Error: no policy/);
    }
    expect(moonpost(['--policy', empty]).code).toBe(1);
  });

  test('1 for a user that is not there, before any mail is taken', async () => {
    const server = Moonpost.spawn({ policy: initLua(), args: ['--user', 'no-such-user'] });
    expect(await server.ended()).toBe(1);
    expect(server.errors).toMatch(/^Error: .*no-such-user/m);
    expect(server.errors).not.toContain('initialization complete');
  });

  test('1 for a spool that cannot be written', async () => {
    const policy = initLua().replaceAll('DIR/spool', 'DIR/init.lua/spool');
    const server = Moonpost.spawn({ policy });
    expect(await server.ended()).toBe(1);
    expect(server.errors).toMatch(/^Error: .*init\.lua\/spool/m);
  });
});

test('./policy/init.lua is the default policy', async () => {
  const server = await Moonpost.start({ policy: initLua(), files: { 'policy/init.lua': '' } });
  expect(await server.stop()).toBe(0);
  const { code, errors } = moonpost([], server.directory);
  expect(code).toBe(1);
  expect(errors).toContain('policy/init.lua: No spools have been defined');
});

test('free space below its floor is a WARN that names path and percent, and no mail is taken', async () => {
  const policy = initLua().replace(
    "path = 'DIR/spool/data', min_free_space = 0",
    "path = 'DIR/spool/data', min_free_space = '100%'",
  );
  const server = await Moonpost.start({ policy });
  expect(server.errors).toMatch(/ WARN .*\/spool\/data .*\d+\.\d%/);
  const talk = await SmtpTalk.open(server.smtp);
  expect(await talk.reply()).toBe('421 4.3.2 mx.moonpost.test disk is too full. Try later');
  const response = await fetch(`http://127.0.0.1:${server.http}/api/check-liveness/v1`);
  expect({ status: response.status, text: await response.text() }).toEqual({
    status: 503,
    text: 'storage is too full',
  });
});

// Needs root, as the feature does; without it, that only root can become somebody else is what is to be seen.
test('--user: the whole process runs as that user once the ports are bound', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-'));
  mkdirSync(join(directory, 'open'));
  chmodSync(directory, 0o755);
  chmodSync(join(directory, 'open'), 0o777);
  const policy = initLua().replaceAll('DIR/', 'DIR/open/');
  const options = { policy, directory, shards: 2, args: ['--user', 'nobody'] };
  if (!isRoot) {
    const refused = Moonpost.spawn(options);
    expect(await refused.ended()).toBe(1);
    expect(refused.errors).toContain('only root can become another user');
    return;
  }
  const server = await Moonpost.start(options);
  expect(server.errors).not.toContain('running as root');
  const nobody = Number(spawnSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).stdout);
  const tasks = readdirSync(`/proc/${server.child.pid}/task`);
  expect(tasks.map((task) => statSync(`/proc/${server.child.pid}/task/${task}`).uid)).toEqual(
    tasks.map(() => nobody),
  );
  expect(await sendOne(server.smtp, 'rcpt@null.example')).toMatch(/^250 OK/);
  await server.stop();
  for (const name of readdirSync(join(directory, 'open'), { recursive: true })) {
    expect(statSync(join(directory, 'open', String(name))).uid).toBe(nobody);
  }
});
