import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { failure, values } from './kit.ts';

const folder = () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-jsonl-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
};

test('two holders of one writer fill one finished segment', async () => {
  const directory = folder();
  // What another shard is writing is left alone.
  writeFileSync(join(directory, '20260101-000000.000-999.log'), '');
  await values(
    `local options = {log_dir = ..., suffix = '.log'}
     local one, two = kumo.jsonl.new_writer(options), kumo.jsonl.new_writer(options)
     one:write_record{a = {1, 2}}
     one:close()
     two:write_line '{"b":1}'
     two:close()
     two:close()`,
    [directory],
  );
  const names = readdirSync(directory).sort();
  expect(names).toHaveLength(2);
  const [mine] = names.filter((name) => !name.includes('-999'));
  expect(mine).toMatch(/^20260101-000000\.\d{3}-\d+\.log$/);
  expect(zstdDecompressSync(readFileSync(join(directory, mine!))).toString()).toBe('{"a":[1,2]}\n{"b":1}\n');
  expect(statSync(join(directory, mine!)).mode & 0o222).toBe(0);
  expect(statSync(join(directory, '20260101-000000.000-999.log')).mode & 0o200).toBe(0o200);
});

test('what a writer does not take', async () => {
  const directory = folder();
  const writer = 'local w = kumo.jsonl.new_writer{log_dir = ...}';
  expect(await failure(`${writer}; w:write_line('a\\nb')`, [directory])).toContain('no line break');
  expect(await failure(`${writer}; w:close(); w:write_line('{}')`, [directory])).toContain('is closed');
  expect(await failure('kumo.jsonl.new_writer{}')).toContain('missing field `log_dir`');
});
