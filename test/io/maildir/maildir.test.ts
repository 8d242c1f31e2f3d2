import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deliverToMaildir } from '../../../src/io/maildir/index.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'maildir-'));
});
afterEach(() => rm(base, { recursive: true }));

const deliver = (path: string, body = 'hello\r\n'): Promise<string> =>
  deliverToMaildir({ path, dirMode: 0o700, fileMode: 0o600, body: Buffer.from(body) });

test('makes the maildir and leaves the message in new', async () => {
  const path = join(base, 'a/b/box');
  const file = await deliver(path);
  expect(await readdir(path)).toEqual(['cur', 'new', 'tmp']);
  expect(await readdir(join(path, 'tmp'))).toEqual([]);
  expect(await readdir(join(path, 'new'))).toEqual([file.slice(join(path, 'new/').length)]);
  expect(await readFile(file, 'utf8')).toBe('hello\r\n');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(path)).mode & 0o777).toBe(0o700);
});

test('names never meet', async () => {
  const path = join(base, 'box');
  const files = await Promise.all(Array.from({ length: 50 }, (_, index) => deliver(path, String(index))));
  expect(new Set(files).size).toBe(50);
  expect(await readdir(join(path, 'new'))).toHaveLength(50);
});

test('a maildir that went away is made again', async () => {
  const path = join(base, 'box');
  await deliver(path);
  await rm(path, { recursive: true });
  await deliver(path);
  expect(await readdir(join(path, 'new'))).toHaveLength(1);
});

test.each(['tmp', 'new', 'cur'])('a symbolic link in place of %s is refused', async (part) => {
  const path = join(base, 'box');
  await mkdir(path);
  await mkdir(join(base, 'elsewhere'));
  await symlink(join(base, 'elsewhere'), join(path, part));
  await expect(deliver(path)).rejects.toThrow('is not a directory');
  expect(await readdir(join(base, 'elsewhere'))).toEqual([]);
});

test('a file in the way is an error and leaves nothing behind', async () => {
  await writeFile(join(base, 'file'), '');
  await expect(deliver(join(base, 'file/box'))).rejects.toThrow('ENOTDIR');
});
