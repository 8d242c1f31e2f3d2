import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileWatch, type Watched } from '../../../src/io/file-watch/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

let folder: string;
let clock: FakeClock;
let told: string[][];
let watch: FileWatch;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moonpost-watch-'));
  clock = new FakeClock();
  told = [];
});
afterEach(() => {
  watch.stop();
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => join(folder, name);
let writes = 0;

/** Writes a file; each time with a later time of change, as on a disk with coarse times. */
function write(name: string, text: string): void {
  writeFileSync(at(name), text);
  writes += 10;
  utimesSync(at(name), 1_700_000_000 + writes, 1_700_000_000 + writes);
}

async function watching(watched: Partial<Watched>): Promise<void> {
  watch = new FileWatch({
    clock,
    watched: () => ({ files: [], globs: [], except: [], ...watched }),
    changed: (paths) => told.push(paths.map((path) => path.slice(folder.length + 1))),
    trouble: (text) => {
      throw new Error(text);
    },
  });
  await watch.start();
}

/** Time goes on in small steps, each for as long as the look takes that begins then: a timer shows that it is over. */
async function pass(duration: number): Promise<void> {
  for (let passed = 0; passed < duration; passed += 50) {
    await clock.advance(50);
    while (clock.pending === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test('a file that changes is told of within two seconds, once', async () => {
  write('init.lua', 'one');
  await watching({ files: [at('init.lua')] });
  await pass(2000);
  expect(told).toEqual([]);
  write('init.lua', 'two');
  await pass(2000);
  expect(told).toEqual([['init.lua']]);
  await pass(2000);
  expect(told).toHaveLength(1);
});

test('files that match a glob are told of when they come, change and go', async () => {
  mkdirSync(at('sub'));
  await watching({ globs: [`${folder}/**/*.{lua,toml}`] });
  write('sub/a.toml', 'one');
  write('sub/a.txt', 'one');
  await pass(1500);
  write('sub/a.toml', 'two');
  await pass(1500);
  rmSync(at('sub/a.toml'));
  await pass(1500);
  expect(told).toEqual([['sub/a.toml'], ['sub/a.toml'], ['sub/a.toml']]);
});

test('a file that goes on changing is waited for', async () => {
  write('a.lua', '0');
  await watching({ globs: [`${folder}/*.lua`] });
  for (let i = 1; i <= 12; i++) {
    write('a.lua', 'x'.repeat(i));
    await pass(150);
  }
  expect(told).toEqual([]);
  await pass(1000);
  expect(told).toEqual([['a.lua']]);
});

test('a file that never rests does not keep the others from being told of', async () => {
  write('a.lua', 'one');
  write('counter.json', '0');
  await watching({ globs: [`${folder}/*.{lua,json}`] });
  write('a.lua', 'two');
  for (let i = 1; i <= 200 && told.length === 0; i++) {
    write('counter.json', 'x'.repeat(i));
    await pass(150);
  }
  expect(told).toEqual([['a.lua']]);
  await pass(1500);
  expect(told).toEqual([['a.lua'], ['counter.json']]);
});

test('the same content under a new time is no change; nor is what lies in an excepted directory', async () => {
  mkdirSync(at('var'));
  write('a.lua', 'same');
  await watching({ globs: [`${folder}/**/*.lua`], except: [at('var')] });
  write('a.lua', 'same');
  write('var/b.lua', 'new');
  await pass(2000);
  expect(told).toEqual([]);
});

test('a file that is put in place by renaming, as editors do, is one change', async () => {
  write('a.lua', 'one');
  await watching({ files: [at('a.lua')] });
  write('a.lua.new', 'two');
  renameSync(at('a.lua.new'), at('a.lua'));
  await pass(1500);
  expect(told).toEqual([['a.lua']]);
});

test('a file that joins later is no change by itself; its next one is', async () => {
  write('a.lua', 'one');
  const files = [at('a.lua')];
  await watching({ files });
  write('data.json', '{}');
  files.push(at('data.json'));
  await watch.join(at('data.json'));
  await pass(1500);
  expect(told).toEqual([]);
  write('data.json', '[]');
  await pass(1500);
  expect(told).toEqual([['data.json']]);
});

test('a file that was read before the start and has changed since is told of', async () => {
  const files = ['read', 'same', 'forgotten'].map(at);
  for (const name of ['read', 'same', 'forgotten']) write(name, 'one');
  watch = new FileWatch({
    clock,
    watched: () => ({ files: files.slice(0, 2), globs: [], except: [] }),
    changed: (paths) => told.push(paths),
    trouble: (text) => {
      throw new Error(text);
    },
  });
  await Promise.all(files.map((file) => watch.join(file)));
  write('read', 'two');
  write('forgotten', 'two');
  await watch.start();
  expect(told).toEqual([[at('read')]]);
});
