import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type KeptPolicy, PolicyFiles } from '../../../src/io/mta-sts/index.ts';

const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true });
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'mta-sts-'));
  made.push(path);
  return path;
}

const kept = (domain: string, fetched = 1000, id = '1'): KeptPolicy => ({
  domain,
  id,
  policy: { mode: 'enforce', mx: [`mx.${domain}`, '*.example'], maxAge: 600 },
  fetched,
  expires: fetched + 600_000,
});

test('what was kept is there again, whichever shard kept it; the newest counts', async () => {
  const path = directory();
  expect(await new PolicyFiles(path, 0).load()).toEqual([]);
  await new PolicyFiles(path, 0).save([kept('a.example', 1000), kept('b.example')]);
  await new PolicyFiles(path, 3).save([kept('a.example', 2000, '2'), kept('c.example')]);
  const found = await new PolicyFiles(path, 1).load();
  expect(found.toSorted((a, b) => a.domain.localeCompare(b.domain))).toEqual([
    kept('a.example', 2000, '2'),
    kept('b.example'),
    kept('c.example'),
  ]);
  expect(readdirSync(path).sort()).toEqual(['mta-sts-0.jsonl', 'mta-sts-3.jsonl']);
  expect(statSync(join(path, 'mta-sts-0.jsonl')).mode & 0o777).toBe(0o600);
});

test('a new file takes the place of the old one', async () => {
  const files = new PolicyFiles(directory(), 0);
  await files.save([kept('a.example')]);
  await files.save([kept('b.example')]);
  expect((await files.load()).map(({ domain }) => domain)).toEqual(['b.example']);
});

test('lines that make no sense are left out', async () => {
  const path = directory();
  const files = new PolicyFiles(path, 0);
  await files.save([kept('a.example')]);
  const [line] = readFileSync(join(path, 'mta-sts-0.jsonl'), 'utf8').split('\n');
  const odd = [
    line!.slice(0, 40),
    'null',
    '{}',
    line!.replace('enforce', 'enforced'),
    line!.replace('"fetched":1000', '"fetched":"x"'),
    '\0\0\0',
  ];
  appendFileSync(join(path, 'mta-sts-0.jsonl'), odd.join('\n'));
  writeFileSync(join(path, 'spool.id'), 'something else');
  expect(await files.load()).toEqual([kept('a.example')]);
});

test('the file does not outgrow its bound: the first are kept', async () => {
  const path = directory();
  const files = new PolicyFiles(path, 0, 2000);
  await files.save(Array.from({ length: 100 }, (_, n) => kept(`d${n}.example`)));
  expect(statSync(join(path, 'mta-sts-0.jsonl')).size).toBeLessThanOrEqual(2000);
  const names = (await files.load()).map(({ domain }) => domain);
  expect(names.length).toBeGreaterThan(5);
  expect(names).toEqual(names.map((_, n) => `d${n}.example`));
});

test('without the directory there is nothing to read, and writing fails', async () => {
  const files = new PolicyFiles(join(directory(), 'gone'), 0);
  expect(await files.load()).toEqual([]);
  await expect(files.save([kept('a.example')])).rejects.toThrow('ENOENT');
});
