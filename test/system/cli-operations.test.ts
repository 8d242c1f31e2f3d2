import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Ended, moonpost } from '../kit/command.ts';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Every command is a process of its own; on one slow core each takes seconds.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });

let server: Moonpost;
let drop: MailDrop;
let url: string;

beforeAll(async () => {
  drop = await MailDrop.start({ rcpt: () => '451 4.2.0 later' });
  const policy =
    initLua() +
    relayLua(drop.port, {
      queue: "retry_interval = '1h'",
      path: "smtp_auth_plain_username = 'me', smtp_auth_plain_password = { key_data = 'top-secret' }",
    });
  server = await Moonpost.start({ policy, shards: 2 });
  url = `http://127.0.0.1:${server.http}`;
  for (const domain of ['a', 'a', 'a', 'b', 'b', 'c']) await sendOne(server.smtp, `u@${domain}.test`);
  await server.untilCounts({ TransientFailure: 6 });
});

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const run = (...args: string[]): Promise<Ended> => moonpost(args, { KUMO_KCLI_ENDPOINT: url });

/** The output of a command that must succeed. */
async function said(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return stdout;
}

// biome-ignore lint/suspicious/noExplicitAny: the tests say what is in it.
const json = async (...args: string[]): Promise<any> => JSON.parse(await said(...args));

test('suspend: a dry run changes nothing; then list and cancel', async () => {
  const dry = await said('suspend', '--domain', 'a.test', '--reason', 'quiet', '--dry-run');
  expect(dry).toMatch(/^would hold 3 messages in 1 queue\n\nQUEUE +MESSAGES\na\.test +3\n\nMESSAGE +QUEUE\n/);
  expect(dry.match(/^[0-9a-f]{32} +a\.test$/gm)).toHaveLength(3);
  expect(await json('suspend-list', '--json')).toEqual([]);

  const { id } = await json('suspend', '--domain', 'a.test', '--reason', 'quiet', '--duration', '1h');
  expect(await said('suspend-list')).toMatch(
    new RegExp(`^ID +REASON +REMAIN +CRITERIA\n${id} +quiet +\\d.* +domain=a\\.test\n$`),
  );
  expect(await said('queue-summary')).toMatch(/^a\.test +3 +🛑suspend: quiet$/m);
  const about = await run('suspend-cancel', '--id', id, '--dry-run');
  expect(about.stdout).toMatch(/^would end an entry that is about 3 messages in 1 queue\n/);
  expect(about.stderr).toBe('Nothing was changed.\n');
  expect(await json('suspend-list', '--json')).toMatchObject([{ id, domain: 'a.test', tenant: null }]);
  expect(await said('suspend-cancel', '--id', id)).toBe(`removed ${id}\n`);
  expect(await json('suspend-list', '--json')).toEqual([]);
  const again = await run('suspend-cancel', '--id', id);
  expect(again).toEqual({
    code: 1,
    stdout: '',
    stderr: `Error: request status 404: Not Found. Response body: suspend entry ${id} not found\n`,
  });
  expect((await run('suspend-cancel', '--id', id, '--dry-run')).code).toBe(1);
});

test('suspend-ready-q, its list and its end', async () => {
  const name = 'unspecified->other.test@smtp_client';
  const flags = ['--name', name, '--reason', 'blocked'];
  expect(await said('suspend-ready-q', ...flags, '--dry-run')).toBe(
    'would look for another source for 0 messages in 0 queues\n',
  );
  const { id } = await json('suspend-ready-q', ...flags);
  const [entry] = await json('suspend-ready-q-list', '--json');
  expect(entry).toMatchObject({ id, name, reason: 'blocked' });
  expect(await said('suspend-ready-q-list')).toContain(`${id}  ${name}  blocked`);
  expect(await json('suspend-ready-q-cancel', '--id', id, '--json')).toEqual({ id, result: `removed ${id}` });
});

test('queues, messages and providers are shown', async () => {
  const summary = await said('queue-summary', '--by-volume', '--limit', '2');
  expect(summary).toMatch(
    new RegExp(
      `^SITE +SOURCE +PROTO +D +T +C +Q\nmx_list:127\\.0\\.0\\.1:${drop.port} +unspecified +smtp_client +0 +6 +\\d+ +0\n\nSCHEDULED QUEUE +COUNT\na\\.test +3\nb\\.test +2\n$`,
    ),
  );
  expect(await json('queue-summary', '--json', '--domain', 'b.test')).toMatchObject({
    ready: [{ site: `mx_list:127.0.0.1:${drop.port}` }],
    scheduled: [{ queue: 'b.test', count: 2, status: [] }],
  });
  expect(await said('provider-summary')).toMatch(/^PROVIDER +D +T +F +C +Q\nmx_list:\S+ +\S+ +6 /);
  expect(await said('provider-summary', '--by-pool')).toMatch(
    /^PROVIDER +POOL +D.*\nmx_list:\S+ +unspecified +/,
  );

  expect(await said('provider-summary', '--show-domains')).toMatch(
    /^PROVIDER +D +T +F +C +Q +DOMAINS\nmx_list:.* a\.test, b\.test, c\.test\n/,
  );

  const queue = await json('inspect-sched-q', 'b.test', '--limit', '1');
  expect(queue).toMatchObject({ queue_name: 'b.test', num_scheduled: 2 });
  expect(queue.messages).toHaveLength(1);
  const all = await json('inspect-sched-q', 'b.test', '--no-limit');
  expect(all.messages).toHaveLength(2);
  const { id } = queue.messages[0];
  const message = await json('inspect-message', id, '--want-body');
  expect(message).toMatchObject({ id, message: { recipient: 'u@b.test' } });
  expect(message.message.data).toContain('Received:');
  expect(await run('inspect-sched-q', 'no.test')).toMatchObject({
    code: 1,
    stderr: 'Error: request status 404: Not Found. Response body: Error: no such queue no.test\n',
  });
});

test('a ready queue is shown with its connections, its path and what feeds it', async () => {
  const name = `unspecified->mx_list:127.0.0.1:${drop.port}@smtp_client`;
  const text = await said('inspect-ready-q', name, '--connections', '--config', '--sched-q');
  expect(text).toMatch(/^queue +unspecified->mx_list:\S+\nsource +unspecified\n/);
  expect(text).toMatch(/^SESSION +PHASE +FOR +AGE +D +T +F/m);
  expect(text).toMatch(/^SCHEDULED QUEUE$/m);
  expect(text).toMatch(/^max_ready = \d+$/m);
  expect(await json('inspect-ready-q', name, '--json')).toMatchObject({
    queue_name: name,
    state: { ready_count: 0, suspended: null },
  });
  expect(text).not.toContain('top-secret');
  expect(await said('inspect-ready-q', name, '--json')).not.toContain('top-secret');
  expect((await run('inspect-ready-q', name, '--json', '--config')).code).toBe(2);
  expect(await run('inspect-ready-q', 'none')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('404'),
  });
});

test('how mail would go is said by the policy that serves', async () => {
  const site = `mx_list:127.0.0.1:${drop.port}`;
  expect(await said('resolve-egress-path', 'x.test')).toMatch(
    new RegExp(`^queue +x\\.test\ndomain +x\\.test\nsource +unspecified\nsite +${site}\n`),
  );
  const answer = await json('resolve-egress-path', 'tenant@x.test', 'one', '--json');
  expect(answer).toMatchObject({
    domain: 'x.test',
    source: 'one',
    mx: null,
    site_name: site,
    queue_name: 'tenant@x.test',
    queue_config: { retry_interval: '1h' },
    path_config: { prohibited_hosts: [], smtp_auth_plain_password: { key_data: '(not shown)' } },
  });
  expect(await said('resolve-egress-path', 'x.test', '--config')).toMatch(/^\[path\]$/m);
  expect(await said('resolve-egress-path', 'x.test', '--constraints')).toContain('Connections at one time');
  expect((await run('resolve-egress-path', 'x.test', '--json', '--config')).code).toBe(2);
});

test('set-log-filter changes what every thread writes, unless the filter is wrong', async () => {
  expect(await run('set-log-filter', 'sometimes')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/status 500.*'sometimes' is no diagnostic filter/),
  });
  expect(await said('set-log-filter', 'off', '--dry-run')).toContain('nothing was changed');
  expect(await said('set-log-filter', 'info,scheduled-queue=off')).toBe('OK\n');
  const before = server.errors;
  // Said by a shard, of a target that is off now.
  await said('rebind', '--domain', 'none.test', '--reason', 'silent', '--set', 'a=b');
  expect(await said('set-log-filter', 'info')).toBe('OK\n');
  await said('rebind', '--domain', 'none.test', '--reason', 'spoken', '--set', 'a=b');
  await server.waitFor('rebind (spoken)');
  expect(server.errors.slice(before.length)).not.toContain('rebind (silent)');
});

test('spool-compact keeps what is queued', async () => {
  for (const args of [
    ['--name', 'data'],
    ['--name', 'meta', '--dry-run'],
  ]) {
    expect(await run('spool-compact', ...args)).toMatchObject({ code: 0, stdout: '' });
  }
  expect(await run('spool-compact', '--name', 'other')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no such spool other'),
  });
  expect(await json('inspect-sched-q', 'b.test', '--no-limit', '--want-body')).toMatchObject({
    num_scheduled: 2,
    messages: [
      { message: { data: expect.stringContaining('Received:') } },
      { message: { data: expect.stringContaining('Received:') } },
    ],
  });
});

test('completion prints a script that knows the commands', async () => {
  for (const shell of ['bash', 'zsh']) {
    const script = await said('completion', shell);
    expect(script).toContain("'suspend-cancel') words='--endpoint --json --id --dry-run --help' ;;");
    expect(script).toContain('complete -F _moonpost moonpost');
  }
  expect((await run('completion', 'fish')).code).toBe(2);
});

test('top prints one frame for scripts', async () => {
  const frame = await said('top', '--once', '--update-interval', '100ms');
  expect(frame).toMatch(/^moonpost top {2}\d\d:\d\d:\d\dZ {2}http:\S+ {2}policy 1\n/);
  expect(frame).toContain('messages 6  scheduled 6 ');
  expect(frame).toMatch(/^SCHEDULED QUEUE +COUNT\na\.test +3\n/m);
  const view = await json('top', '--json', '--update-interval', '100ms');
  expect(view).toMatchObject({ messages: 6, generation: 1, policyFailed: false });
  expect(Object.keys(view.per_second)).toEqual(['received', 'delivered', 'deferred', 'failed', 'rejected']);
  expect(await run('top')).toMatchObject({ code: 2, stderr: expect.stringContaining('--once') });
});

test('rebind moves the messages of named queues', async () => {
  const flags = [
    'rebind',
    '--queue',
    'c.test',
    '--reason',
    'move',
    '--data',
    '{"queue":"no"}',
    '--set',
    'queue=d.test',
  ];
  expect(await json(...flags, '--dry-run', '--json')).toMatchObject({
    dry_run: true,
    messages: 1,
    queues: 1,
    sample_queues: [{ queue: 'c.test', messages: 1 }],
  });
  expect(server.counts().AdminRebind ?? 0).toBe(0);
  const { code, stdout, stderr } = await run(...flags);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toContain('in the background');
  await server.untilCounts({ AdminRebind: 1 });
  expect(await json('queue-summary', '--json')).toMatchObject({
    scheduled: [{ queue: 'a.test' }, { queue: 'b.test' }, { queue: 'd.test', count: 1 }],
  });
});

test('bounce: a dry run, then the messages are gone, then list and cancel', async () => {
  const everything = await said('bounce', '--everything', '--reason', 'gone', '--dry-run');
  expect(everything).toMatch(
    /^would bounce 6 messages in 3 queues\n\nQUEUE +MESSAGES\na\.test +3\nb\.test +2\n/,
  );
  expect(await json('bounce-list', '--json')).toEqual([]);
  expect(server.counts().AdminBounce ?? 0).toBe(0);
  const { stdout, stderr } = await run(
    'bounce',
    '--queue',
    'a.test',
    '--queue',
    'd.test',
    '--reason',
    'gone',
  );
  const id = stdout.trim();
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(stderr).toContain('bounce-list');
  await server.untilCounts({ AdminBounce: 4 });
  await eventually(async () =>
    /^\S+ +gone +\d.* +4 +queue=a\.test, queue=d\.test$/m.test(await said('bounce-list')) ? true : undefined,
  );
  expect(await said('bounce-cancel', '--id', id)).toBe(`removed ${id}\n`);
});

test('what is wrong with a command line is said with exit code 2, what goes wrong with 1', async () => {
  const usage: [string[], RegExp][] = [
    [['bounce', '--reason', 'x'], /say which queues/],
    [['bounce', '--everything'], /--reason/],
    [['bounce', '--everything', '--domain', 'x', '--reason', 'x'], /--everything.*cannot be used/],
    [['suspend', '--queue', 'q', '--tenant', 't', '--reason', 'x'], /--queue.*cannot be used/],
    [['suspend', '--domain', 'x', '--reason', 'x', '--duration', 'soon'], /duration/],
    [['rebind', '--domain', 'x', '--reason', 'x', '--data', '{"a":1}'], /strings/],
    [['rebind', '--domain', 'x', '--reason', 'x', '--set', 'novalue'], /KEY=VALUE/],
    [['suspend-cancel'], /--id/],
    [['inspect-sched-q'], /queue/],
    [['inspect-sched-q', 'x', '--limit', 'many'], /whole number/],
    [['--endpoint', 'ftp://x', 'bounce-list'], /must be a URL/],
    [['no-such-command'], /unknown command/],
  ];
  for (const [args, why] of usage) {
    const { code, stdout, stderr } = await run(...args);
    expect({ args, code, stdout, stderr }).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(why),
    });
  }
  for (const args of [
    ['--endpoint', 'http://127.0.0.1:1', 'bounce-list'],
    ['bounce-list', '--endpoint', 'http://127.0.0.1:1'],
  ]) {
    const { code, stderr } = await run(...args);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Error: cannot reach http:\/\/127\.0\.0\.1:1: /),
    });
  }
  expect(await run('inspect-message', 'zzz')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('400'),
  });
});
