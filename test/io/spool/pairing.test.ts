import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pairSpoolDirectories, SpoolPairError } from '../../../src/io/spool/index.ts';

let root: string;
const path = (name: string): string => join(root, name);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moonpost-pair-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('new directories are tied together and stay so', () => {
  pairSpoolDirectories(path('meta'), path('data'));
  pairSpoolDirectories(path('meta'), path('data'));
});

test('a directory whose disk is not mounted stops the start, whichever it is', () => {
  pairSpoolDirectories(path('meta'), path('data'));
  for (const missing of ['meta', 'data']) {
    mkdirSync(path('mount'));
    const [meta, data] = missing === 'meta' ? [path('mount'), path('data')] : [path('meta'), path('mount')];
    expect(() => pairSpoolDirectories(meta, data)).toThrow(SpoolPairError);
    expect(() => pairSpoolDirectories(meta, data)).toThrow('/mount has no spool.id. Is its disk mounted?');
    rmSync(path('mount'), { recursive: true });
  }
});

test('directories of two spools do not pair', () => {
  pairSpoolDirectories(path('meta'), path('data'));
  pairSpoolDirectories(path('meta2'), path('data2'));
  expect(() => pairSpoolDirectories(path('meta'), path('data2'))).toThrow('has another spool.id');
});

test('one directory for both needs no id', () => {
  pairSpoolDirectories(path('both'), path('both'));
});
