import { expect, test } from 'vitest';
import { KeptKeys } from '../../../src/io/secrets/index.ts';
import type { KeySource } from '../../../src/model/define/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const file = (path: string): KeySource => ({ from: 'file', path });

function keptKeys(files: Record<string, string>) {
  const clock = new FakeClock();
  const reads: string[] = [];
  const keys = new KeptKeys(clock, async (source) => {
    const path = source.from === 'file' ? source.path : 'inline';
    reads.push(path);
    if (files[path] === undefined) throw new Error('no such file');
    return Buffer.from(files[path]);
  });
  return {
    clock,
    reads,
    keys,
    read: async (path: string) => Buffer.from(await keys.read(file(path))).toString(),
  };
}

test('a key is kept 5 minutes, or until the policy changes', async () => {
  const files: Record<string, string> = { a: 'one', b: 'other' };
  const { clock, reads, keys, read } = keptKeys(files);
  expect([await read('a'), await read('a'), await read('b')]).toEqual(['one', 'one', 'other']);
  expect(reads).toEqual(['a', 'b']);
  files.a = 'two';
  await clock.advance(299_000);
  expect(await read('a')).toBe('one');
  await clock.advance(2000);
  expect(await read('a')).toBe('two');
  files.a = 'three';
  keys.refresh();
  expect(await read('a')).toBe('three');
});

test('a failure is not kept', async () => {
  const files: Record<string, string> = {};
  const { read } = keptKeys(files);
  await expect(read('a')).rejects.toThrow('no such file');
  files.a = 'one';
  expect(await read('a')).toBe('one');
});
