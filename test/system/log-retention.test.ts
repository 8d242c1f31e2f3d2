import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, readRecords, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const units = resolve(import.meta.dirname, '../../packaging/systemd');

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const isFinished = (path: string): boolean => (statSync(path).mode & 0o222) === 0;

/** The command of the unit, on a directory of ours. Nothing in it needs a shell but the quotes. */
function deleteOld(logDir: string): void {
  const unit = readFileSync(join(units, 'moonpost-log-retention.service'), 'utf8');
  const command = /^ExecStart=(.*)$/m.exec(unit)![1]!.replaceAll('"', '').split(' ');
  expect(command[1]).toBe('/var/log/moonpost');
  command[1] = logDir;
  const { status, stderr } = spawnSync('find', command.slice(1), { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
}

test('old finished segments go; young ones, and an open one of any age, stay', async () => {
  const drop = await MailDrop.start();
  const policy = (initLua() + relayLua(drop.port)).replace(
    "log_dir = 'DIR/log',",
    "log_dir = 'DIR/log', max_segment_duration = '1s',",
  );
  const server = await Moonpost.start({ policy });
  const logDir = join(server.directory, 'log');
  const segments = (): string[] =>
    readdirSync(logDir)
      .filter((name) => !name.startsWith('.'))
      .sort();
  // Two that are finished; then one more file, open or not, by a server that is still there.
  for (const wanted of [1, 2]) {
    await sendOne(server.smtp);
    await server.untilCounts({ Delivery: wanted });
    await eventually(() =>
      segments().length >= wanted && segments().every((name) => isFinished(join(logDir, name)))
        ? true
        : undefined,
    );
  }
  const [old, young] = [segments()[0]!, segments().at(-1)!];
  // As a server leaves it that writes to it still, or that was killed.
  const open = '20200101-000000.000001';
  writeFileSync(join(logDir, open), '');
  writeFileSync(join(logDir, '.tailer-checkpoint'), '{}', { mode: 0o444 });
  const longAgo = new Date('2020-01-01');
  for (const name of [old, open, '.tailer-checkpoint']) utimesSync(join(logDir, name), longAgo, longAgo);

  deleteOld(logDir);
  const left = segments();
  expect(left).not.toContain(old);
  expect(left).toContain(young);
  expect(left).toContain(open);
  expect(readdirSync(logDir)).toContain('.tailer-checkpoint');
  expect(readRecords(logDir).length).toBeGreaterThan(0);

  // The server goes on with what it writes.
  await sendOne(server.smtp);
  await server.untilCounts({ Delivery: 3 });
  expect(await server.stop()).toBe(0);
  // The next start finishes what was left open, which is when its age counts.
  const again = await Moonpost.start({ policy, directory: server.directory });
  expect(await again.stop()).toBe(0);
  expect(isFinished(join(logDir, open))).toBe(true);
});

test('the places of the units are those of the service and of each other', () => {
  const [service, retention, timer] = [
    'moonpost.service',
    'moonpost-log-retention.service',
    'moonpost-log-retention.timer',
  ].map((name) => readFileSync(join(units, name), 'utf8'));
  expect(service).toContain('LogsDirectory=moonpost\n');
  expect(retention).toContain('ReadWritePaths=/var/log/moonpost\n');
  for (const line of [
    'User=moonpost',
    'ProtectSystem=strict',
    'NoNewPrivileges=true',
    'PrivateDevices=true',
  ]) {
    expect(service).toContain(`\n${line}\n`);
    expect(retention).toContain(`\n${line}\n`);
  }
  for (const line of ['TimeoutStopSec=300', 'Restart=always', 'AmbientCapabilities=CAP_NET_BIND_SERVICE']) {
    expect(service).toContain(`\n${line}\n`);
  }
  expect(timer).toContain('OnCalendar=daily\n');
});
