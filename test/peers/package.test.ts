import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand, runPeer } from '../kit/peer.ts';
import { sendOne } from '../kit/smtp-talk.ts';

const root = resolve(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'moonpost-pack-'));
afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  rmSync(directory, { recursive: true, force: true });
});

test('the packed product installs elsewhere, and runs from node_modules', async () => {
  const npm = requireCommand('npm', 'apt-get install npm');
  // Packed from a copy, so that the build leaves nothing in the checkout.
  const copy = join(directory, 'copy');
  const left = new Set(['node_modules', '.git', 'var', 'dist', '.vitest']);
  for (const name of readdirSync(root)) {
    if (!left.has(name)) cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  runPeer('ln', ['-s', join(root, 'node_modules'), join(copy, 'node_modules')]);
  const packed = runPeer(npm, ['pack', '--json', '--pack-destination', directory], { cwd: copy });
  expect(packed.code, packed.output + packed.errors).toBe(0);
  const tarball = readdirSync(directory).find((name) => name.endsWith('.tgz'))!;

  const home = join(directory, 'home');
  runPeer('mkdir', [home]);
  writeFileSync(join(home, 'package.json'), '{ "private": true }');
  const installed = runPeer(npm, ['install', '--no-audit', '--no-fund', join(directory, tarball)], {
    cwd: home,
  });
  expect(installed.code, installed.errors).toBe(0);
  const product = join(home, 'node_modules/moonpost');
  expect(existsSync(join(product, 'src'))).toBe(false);
  expect(existsSync(join(product, 'test'))).toBe(false);

  const command = join(home, 'node_modules/.bin/moonpost');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(runPeer(process.execPath, [command, '--version'])).toEqual({
    code: 0,
    output: `${version}\n`,
    errors: '',
  });
  const api = runPeer(process.execPath, [command, 'api', '--json']);
  expect(api.code).toBe(0);
  const drop = await MailDrop.start();
  const policy = `${initLua() + relayLua(drop.port)}`;
  const server = await Moonpost.start({ policy, shards: 2, launcher: command });
  expect(await sendOne(server.smtp)).toMatch(/^250 OK/);
  await server.untilCounts({ Delivery: 1 });
  expect(await server.stop()).toBe(0);
});
