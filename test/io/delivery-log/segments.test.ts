import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tail } from '../../../src/cli/tail.ts';
import {
  createSegmentWriter,
  decompressFrames,
  frameLength,
  type SegmentWriterOptions,
} from '../../../src/io/delivery-log/index.ts';
import type { Diagnostics } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

let directory: string;
let clock: FakeClock;
let said: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'moonpost-log-'));
  clock = new FakeClock();
  said = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const diagnostics: Diagnostics = {
  error: (_target, text) => said.push(text),
  warn: () => {},
  info: (_target, text) => said.push(text),
  debug: () => {},
};

function writer(options: Partial<SegmentWriterOptions> = {}) {
  return createSegmentWriter({
    logDir: directory,
    suffix: '',
    maxFileSize: 1e9,
    maxSegmentDuration: undefined,
    compressionLevel: 0,
    clock,
    diagnostics,
    ...options,
  });
}

async function readAll(): Promise<string[]> {
  const lines: string[] = [];
  await tail(directory, { pattern: '*', follow: false }, (line) => lines.push(line), new AbortController().signal);
  return lines;
}

function storedBytes(): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

/** Waits for real file I/O under the fake clock. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !condition(); turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(condition()).toBe(true);
}

describe('zstd frames', () => {
  test('any cut of any frames is found complete exactly when it is', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(frames, fc.nat(), (contents, seed) => {
        const bytes = Buffer.concat(contents.map((content) => zstdCompressSync(content)));
        const whole = decompressFrames(bytes);
        expect(whole.consumed).toBe(bytes.length);
        expect(whole.content.equals(Buffer.concat(contents))).toBe(true);
        const cut = bytes.subarray(0, seed % bytes.length);
        expect(decompressFrames(cut).consumed).toBeLessThanOrEqual(cut.length);
        const first = zstdCompressSync(contents[0]!);
        expect(frameLength(first.subarray(0, first.length - 1), 0)).toBeUndefined();
        expect(frameLength(first, 0)).toBe(first.length);
      }),
      { numRuns: 60 },
    );
  });

  test('what is no frame is an error that names the place', () => {
    expect(() => frameLength(Buffer.from('plain text'), 0)).toThrow('no zstd frame at byte 0');
  });
});

describe('segments (operations.md 10)', () => {
  test('nothing is created before the first record', async () => {
    const log = writer();
    await log.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('lines are readable a second later, and the name is the time of opening', async () => {
    const log = writer({ suffix: '.jsonl' });
    await log.append('{"a":1}\n');
    await clock.advance(1000);
    await until(() => readdirSync(directory).length === 1 && statSync(join(directory, readdirSync(directory)[0]!)).size > 0);
    expect(readdirSync(directory)).toEqual(['20260101-000001.000.jsonl']);
    expect(await readAll()).toEqual(['{"a":1}']);
    await log.close();
  });

  test('a finished segment loses its write permission; a growing one has it', async () => {
    const log = writer({ maxFileSize: 10 });
    await log.append('0123456789abcdef\n');
    await log.close();
    const [name] = readdirSync(directory);
    expect(statSync(join(directory, name!)).mode & 0o222).toBe(0);
  });

  test('segments of an earlier run are marked as finished at the start', () => {
    const old = join(directory, '20250101-000000.000');
    writeFileSync(old, zstdCompressSync('x\n'));
    chmodSync(old, 0o644);
    writer();
    expect(statSync(old).mode & 0o222).toBe(0);
  });

  test('rotates by size and by age, and keeps every line in order', async () => {
    const log = writer({ maxFileSize: 200, maxSegmentDuration: 5000 });
    const wanted: string[] = [];
    for (let index = 0; index < 40; index++) {
      wanted.push(`{"line":${index},"pad":"${'x'.repeat(20)}"}`);
      await log.append(`${wanted.at(-1)}\n`);
      if (index % 5 === 4) {
        const before = storedBytes();
        await clock.advance(1000);
        await until(() => storedBytes() > before);
      }
    }
    await log.close();
    expect(readdirSync(directory).length).toBeGreaterThan(2);
    expect(await readAll()).toEqual(wanted);
  });

  test('a disk that refuses loses nothing once it takes again', async () => {
    const log = writer();
    rmSync(directory, { recursive: true });
    await log.append('first\n');
    await clock.advance(1000);
    await until(() => said.some((text) => text.includes('cannot write log lines')));
    writer();
    await log.append('second\n');
    await log.close();
    expect(await readAll()).toEqual(['first', 'second']);
  });
});
