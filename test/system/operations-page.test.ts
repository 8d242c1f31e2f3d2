import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test, vi } from 'vitest';
import { shellCommands } from '../kit/console-blocks.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, launcher, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 900_000, hookTimeout: 240_000 });
const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
/**
 * Commands of other products, those that would need an installed service, and traces, which go on until they are
 * ended. That their options exist sees test/documents-commands.test.ts.
 */
const ELSEWHERE = /^(?:sudo (?:systemctl|npm|rsync)|npm run|node_modules\/|moonpost trace-)/;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

async function bash(script: string, env: Record<string, string>): Promise<[number, string, string]> {
  const prelude = `set -o pipefail\nmoonpost() { '${process.execPath}' '${launcher}' "$@"; }\n`;
  const child = spawn('bash', ['-c', prelude + script], {
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'moonpost-compile-cache'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return [code as number, output, errors];
}

test('every command of the operations page works, in order, with mail that is stuck', async () => {
  const drop = await MailDrop.start({ rcpt: () => '451 4.7.1 you send too much' });
  const policy = initLua() + relayLua(drop.port, { queue: "retry_interval = '1h'" });
  const files = { 'shaping.toml': '["example.com"]\nmax_message_rate = "10/s"\n' };
  const server = await Moonpost.start({ policy, files, shards: 2 });
  const accepted = await sendOne(server.smtp, 'joe@example.com');
  const id = /ids=(\w+)/.exec(accepted)![1]!;
  await server.untilCounts({ TransientFailure: 1 });

  let lastId = '';
  let ran = 0;
  for (const { text: command, line } of shellCommands(page)) {
    if (ELSEWHERE.test(command)) continue;
    expect(command, `line ${line}`).toMatch(/^(?:moonpost|curl|df) /);
    const real = command
      .replaceAll('c3229ca0e5db11f18001cf9c19102472', id)
      .replaceAll('/etc/moonpost/policy', server.directory)
      .replaceAll('/var/log/moonpost', `${server.directory}/log`)
      .replaceAll('/var/lib/moonpost', server.directory)
      .replaceAll('127.0.0.1:8000', `127.0.0.1:${server.http}`)
      .replace(UUID, () => lastId);
    const [code, output, errors] = await bash(real, {
      KUMO_KCLI_ENDPOINT: `http://127.0.0.1:${server.http}`,
    });
    expect(code, `line ${line}: ${real}\n${output}${errors}`).toBe(0);
    // What an entry is cancelled by was printed by the commands before.
    lastId = output.match(UUID)?.at(-1) ?? lastId;
    ran++;
    if (command.startsWith('moonpost explain c3')) expect(output).toContain('you send too much');
    if (command.includes('--always-flush')) await server.untilCounts({ TransientFailure: 2 });
    if (command.includes('-cancel')) expect(output).toMatch(/removed|OK/);
  }
  expect(ran).toBeGreaterThan(30);
  // All of it left the message where it was.
  expect(
    (await bash('moonpost queue-summary', { KUMO_KCLI_ENDPOINT: `http://127.0.0.1:${server.http}` }))[1],
  ).toMatch(/example\.com +1$/m);
  expect(await server.stop()).toBe(0);
});

test('the queries for alerts name metrics that are there', async () => {
  const metrics = readFileSync(resolve(import.meta.dirname, '../../policy/reference/metrics.md'), 'utf8');
  const rows = /\| Worth an alert[\s\S]*?\n\n/.exec(page)![0];
  const names = [...rows.matchAll(/`([a-z_]+)(?:\{[^}]*\})?`/g)].map(([, name]) => name!);
  const named = names.filter((name) => name.includes('_') && name !== 'min_free_space');
  expect(named.length).toBeGreaterThan(6);
  for (const name of named) expect(metrics).toContain(`\`${name}\``);
});
