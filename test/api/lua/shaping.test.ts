import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { notingHost, values } from './kit.ts';

test('the files that are read, or that are missing, are those whose change counts', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-shaping-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const [there, missing] = [join(directory, 'a.toml'), join(directory, 'missing.toml')];
  writeFileSync(there, '["default"]\nsmtp_port = 25');
  const used: string[] = [];
  const host = Object.assign(notingHost(), {
    fileUsed: (path: string, use: string) => void used.push(`${use} ${path}`),
  });
  const body = `local files, url = ...
    return #kumo.shaping.load({ files[1], files[2], url }, { skip_remote = true }):get_errors()`;
  expect(await values(body, [[there, missing], 'http://127.0.0.1:1/x'], host)).toEqual([1]);
  expect(used.filter((line) => line.includes(directory))).toEqual([`read ${there}`, `read ${missing}`]);
});

test('a URL that fails is told of when it begins to', async () => {
  const host = notingHost();
  const load = `return kumo.shaping.load({ 'http://127.0.0.1:1/x' }):get_errors()`;
  expect(await values(load, [], host)).toEqual([[]]);
  expect(await values(load, [], host)).toEqual([[]]);
  const told = host.told.filter(({ text }) =>
    text.includes('remote shaping source http://127.0.0.1:1/x error'),
  );
  expect(told).toHaveLength(1);
});
