import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { initLua, launcher, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

/** A command of ours that runs until it is told to stop. */
class Running {
  readonly child: ChildProcess;
  output = '';
  errors = '';

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    running.push(this);
  }

  waitFor(look: () => boolean): Promise<true> {
    return eventually(() => (look() ? true : undefined), { what: () => `${this.output}\n${this.errors}` });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const closed = once(this.child, 'close');
    this.child.kill(signal);
    await closed;
    return this.child.exitCode;
  }
}

let running: Running[] = [];
afterEach(async () => {
  for (const command of running) await command.stop('SIGKILL');
  running = [];
  await Moonpost.disposeAll();
});

test('moonpost api --json: everything that is declared, as one JSON document', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, 'api', '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const text = JSON.stringify(JSON.parse(stdout));
  for (const name of [
    'start_esmtp_listener',
    'smtp_server_message_received',
    'max_message_rate',
    'make_queue_config',
  ]) {
    expect(text).toContain(name);
  }
});

test('moonpost sink and moonpost tail beside a server: counts on exit, records as they come', async () => {
  const maildir = mkdtempSync(join(tmpdir(), 'moonpost-sink-'));
  const rules = ['--fail', 'gone@*:550', '--fail', 'busy@*:451'];
  const sink = new Running(['sink', '--listen', '127.0.0.1:0', ...rules, '--maildir', maildir, '--json']);
  await sink.waitFor(() => sink.errors.includes('\n'));
  const port = Number(/sink listener on 127\.0\.0\.1:(\d+)/.exec(sink.errors)![1]);
  const server = await Moonpost.start({ policy: initLua() + relayLua(port) });
  await inject(server.smtp, { count: 30 });
  await server.untilCounts({ Delivery: 30 });

  const tail = new Running(['tail', join(server.directory, 'log')]);
  const lines = (): LogRecord[] =>
    tail.output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogRecord);
  await tail.waitFor(() => lines().length >= 60);
  expect(await sendOne(server.smtp, 'gone@dest.example')).toMatch(/^250 OK/);
  expect(await sendOne(server.smtp, 'busy@dest.example')).toMatch(/^250 OK/);
  await tail.waitFor(() => lines().length >= 64);
  expect(lines()).toEqual(server.records());
  expect(
    lines()
      .map(({ type }) => type)
      .slice(60)
      .sort(),
  ).toEqual(['Bounce', 'Reception', 'Reception', 'TransientFailure']);
  expect(await tail.stop('SIGINT')).toBe(0);

  // Stopped, the segment is finished, and `--no-follow` ends with it.
  expect(await server.stop()).toBe(0);
  const all = spawnSync(process.execPath, [launcher, 'tail', '--no-follow', join(server.directory, 'log')], {
    encoding: 'utf8',
  });
  expect(all.status).toBe(0);
  expect(all.stdout.split('\n')).toHaveLength(65);

  expect(await sink.stop()).toBe(0);
  expect(JSON.parse(sink.output)).toMatchObject({
    messages: 30,
    recipients: 30,
    rejected: { 550: 1, 451: 1 },
  });
  expect(readdirSync(join(maildir, 'new'))).toHaveLength(30);
  rmSync(maildir, { recursive: true });
});

test('a log directory that is not there is an error', () => {
  const { status, stderr } = spawnSync(process.execPath, [launcher, 'tail', '--no-follow', '/nowhere/log'], {
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^Error: .*\/nowhere\/log/);
});
