import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { requireCommand, runPeer } from '../kit/peer.ts';

const units = resolve(import.meta.dirname, '../../packaging/systemd');
const directory = mkdtempSync(join(tmpdir(), 'moonpost-units-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('systemd finds nothing wrong with the units, and the service well shielded', () => {
  const systemd = requireCommand('systemd-analyze', 'apt-get install systemd');
  const names = readdirSync(units);
  expect(names).toHaveLength(3);
  for (const name of names) {
    // The product is not installed here; the command must be one that is.
    const text = readFileSync(join(units, name), 'utf8').replaceAll(
      '/opt/moonpost/node_modules/.bin/moonpost',
      '/bin/true',
    );
    writeFileSync(join(directory, name), text);
  }
  const paths = names.map((name) => join(directory, name));
  expect(runPeer(systemd, ['verify', '--man=no', ...paths])).toEqual({ code: 0, output: '', errors: '' });
  // One unknown word in a unit, and it says so: the check above can fail.
  const wrong = join(directory, 'wrong.service');
  writeFileSync(wrong, '[Service]\nExecStart=/bin/true\nProtectSytem=strict\n');
  expect(runPeer(systemd, ['verify', '--man=no', wrong]).errors).toContain('ProtectSytem');

  const service = join(directory, 'moonpost.service');
  const shielded = runPeer(systemd, ['security', '--offline=true', '--no-pager', '--threshold=30', service]);
  expect(shielded.code, shielded.output).toBe(0);
});
