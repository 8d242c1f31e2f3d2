import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test, vi } from 'vitest';
import { moonpost } from '../kit/command.ts';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 400_000, hookTimeout: 400_000 });

afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const fetchText = async (server: Moonpost, path: string): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://127.0.0.1:${server.http}${path}`, {
    headers: { connection: 'close' },
  });
  return { status: response.status, text: await response.text() };
};

test('machine-info, memory/stats and task-dump tell what is there, and what waits for what', async () => {
  const drop = await MailDrop.start({ greeting: '421 4.3.2 not now' });
  const policy = `${initLua()}${relayLua(drop.port)}
kumo.on('smtp_server_ehlo', function(domain)
  if domain == 'slow.test' then
    kumo.sleep(600)
  end
end)`;
  const server = await Moonpost.start({ policy, shards: 2 });
  const machine = await eventually(
    async () => {
      const { status, text } = await fetchText(server, '/api/machine-info');
      return status === 200 ? (JSON.parse(text) as Record<string, unknown>) : undefined;
    },
    { patience: 60_000, what: () => 'no machine info' },
  );
  expect(machine).toMatchObject({
    node_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    process_kind: 'kumod',
    version: expect.any(String),
    num_cores: expect.any(Number),
    total_memory_bytes: expect.any(Number),
  });

  expect(await sendOne(server.smtp, 'u@waiting.test')).toMatch(/^250/);
  await server.untilCounts({ TransientFailure: 1 });
  const talk = await SmtpTalk.greeted(server.smtp);
  void talk.command('EHLO slow.test').catch(() => {});
  const line =
    policy
      .replaceAll('DIR', server.directory)
      .split('\n')
      .findIndex((text) => text.includes('kumo.sleep')) + 1;
  const dump = await eventually(
    async () => {
      const { text } = await fetchText(server, '/api/admin/task-dump?timeout=30');
      return text.includes('smtp_server_ehlo') ? text : undefined;
    },
    { patience: 60_000, what: () => 'no handler waits' },
  );
  expect(dump).toContain(`smtp_server_ehlo at ${server.directory}/init.lua:${line}\n`);
  expect(dump).toMatch(/^shard 0\n {2}scheduled queues: /);
  expect(dump).toMatch(/^shard 1$/m);
  expect(dump).toMatch(/^ {4}waiting\.test: 1 messages, 0 due$/m);
  expect(dump).toMatch(/^ {2}SMTP sessions of 127\.0\.0\.1:\d+: 1$/m);
  expect(dump).toMatch(/^ {2}waiting for: .*Timeout/m);
  expect((await fetchText(server, '/api/admin/task-dump?timeout=x')).status).toBe(400);

  const memory = await fetchText(server, '/api/admin/memory/stats');
  expect(memory.text).toMatch(/^resident: \d+ bytes$/m);
  expect(memory.text).toMatch(/^shard 1\n {2}heap: \d/m);
});

test('abort-ready-q-conn ends the connection that a message hangs in', async () => {
  let isHolding = true;
  const drop = await MailDrop.start({ hold: () => (isHolding ? new Promise(() => {}) : Promise.resolve()) });
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port), shards: 2 });
  const run = (...args: string[]) =>
    moonpost(args, { KUMO_KCLI_ENDPOINT: `http://127.0.0.1:${server.http}` });
  expect(await sendOne(server.smtp, 'u@held.test')).toMatch(/^250/);
  const name = `unspecified->mx_list:127.0.0.1:${drop.port}@smtp_client`;
  const session = await eventually(
    async () => {
      const { status, text } = await fetchText(
        server,
        `/api/admin/inspect-ready-q/v1?queue_name=${encodeURIComponent(name)}`,
      );
      if (status !== 200) return undefined;
      const { dispatchers } = JSON.parse(text) as { dispatchers: { session_id: string | null }[] };
      return dispatchers[0]?.session_id ?? undefined;
    },
    { patience: 60_000, what: () => `no connection of ${name}` },
  );
  const missing = '00000000-0000-4000-8000-000000000000';
  expect(await run('abort-ready-q-conn', name, missing)).toEqual({
    code: 1,
    stdout: '',
    stderr: `Error: request status 404: Not Found. Response body: Error: ${name} has no connection with session ${missing}\n`,
  });
  expect((await run('abort-ready-q-conn', 'nowhere', missing)).stderr).toContain('no such queue nowhere');
  expect((await run('abort-ready-q-conn', name, session, '--dry-run')).stdout).toBe(
    `would abort ${session}\n`,
  );
  isHolding = false;
  expect(await run('abort-ready-q-conn', name, session)).toEqual({
    code: 0,
    stdout: `aborted ${session}\n`,
    stderr: '',
  });
  const records = await server.untilCounts({ Delayed: 1 });
  expect(records.find(({ type }) => type === 'Delayed')).toMatchObject({
    num_attempts: 0,
    response: { code: 451, content: 'KumoMTA internal: the connection was aborted by an administrator' },
  });
  // It would go on by itself within a minute.
  expect((await run('rebind', '--everything', '--reason', 'now', '--always-flush')).code).toBe(0);
  await server.untilCounts({ Delivery: 1 });
});

test('accounting totals count recipients once, over all shards and restarts, whatever loggers there are', async () => {
  const drop = await MailDrop.start();
  const extra = `
  kumo.configure_local_logs { log_dir = 'DIR/second' }
  kumo.configure_accounting_db_path 'DIR/totals/accounting.db'`;
  const policy = initLua(extra) + relayLua(drop.port);
  let server = await Moonpost.start({ policy, shards: 2 });
  const { directory } = server;
  for (let index = 0; index < 6; index++) await sendOne(server.smtp, `u${index}@d.test`);
  await server.untilCounts({ Delivery: 6 });
  expect(await server.stop()).toBe(0);
  server = await Moonpost.start({ policy, shards: 2, directory });
  for (let index = 0; index < 4; index++) await sendOne(server.smtp, `u${index}@d.test`);
  await server.untilCounts({ Delivery: 10 });
  expect(await server.stop()).toBe(0);
  const database = new DatabaseSync(`${directory}/totals/accounting.db`);
  const rows = database.prepare('SELECT * FROM accounting').all() as {
    event_time: string;
    received: number;
    delivered: number;
  }[];
  database.close();
  // The month may end while the test runs.
  expect(rows.every(({ event_time }) => /^\d{4}-\d\d-01 00:00:00$/.test(event_time))).toBe(true);
  expect(rows.reduce((sum, { received }) => sum + received, 0)).toBe(10);
  expect(rows.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(10);
});

test('a broken accounting database stops no mail', async () => {
  const drop = await MailDrop.start();
  const policy = initLua("kumo.configure_accounting_db_path 'DIR/init.lua'") + relayLua(drop.port);
  const server = await Moonpost.start({ policy });
  expect(await sendOne(server.smtp, 'u@d.test')).toMatch(/^250/);
  await server.untilCounts({ Delivery: 1 });
  expect(await server.stop()).toBe(0);
  expect(server.errors.match(/accounting totals: .*init\.lua: file is not a database/g)).toHaveLength(1);
});
