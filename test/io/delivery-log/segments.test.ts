import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createZstdCompress, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { tail } from '../../../src/cli/tail.ts';
import {
  createSegmentWriter,
  DeliveryLogWriters,
  decompressFrames,
  FrameSplitter,
  frameLength,
  SegmentReader,
  type SegmentWriterOptions,
} from '../../../src/io/delivery-log/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { Diagnostics } from '../../../src/model/index.ts';
import { localLogsOptions } from '../../../src/model/options/index.ts';
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
  await tail(
    directory,
    { pattern: '*', follow: false },
    (text) => lines.push(...linesOf(text)),
    new AbortController().signal,
  );
  return lines;
}

function linesOf(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

function storedBytes(): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

/** Waits for real file I/O under the fake clock, for as long as a busy disk may take. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
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

describe('FrameSplitter', () => {
  test('cut anywhere, the pieces are the frames', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (contents, steps) => {
        const whole = contents.map((content) => zstdCompressSync(content));
        const skipped = Buffer.from('502a4d1803000000aabbcc', 'hex');
        const bytes = Buffer.concat([...whole.slice(0, 1), skipped, ...whole.slice(1)]);
        const splitter = new FrameSplitter();
        const seen: Buffer[][] = [[]];
        for (let at = 0, n = 0; at < bytes.length; n++) {
          const step = steps[n % steps.length]!;
          for (const piece of splitter.push(bytes.subarray(at, at + step))) {
            if (piece.isContent) seen.at(-1)!.push(piece.bytes);
            if (piece.isContent && piece.ends) seen.push([]);
          }
          at += step;
        }
        expect(splitter.isInside).toBe(false);
        expect(seen.slice(0, -1).map((pieces) => Buffer.concat(pieces))).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  test('what is no frame is an error', () => {
    expect(() => new FrameSplitter().push(Buffer.from('plain text'))).toThrow('no zstd frame begins here');
  });
});

describe('tail', () => {
  /** A segment as KumoMTA writes it: one frame for all. */
  function kumoSegment(path: string) {
    const stream = createZstdCompress();
    stream.on('data', (bytes: Buffer) => appendFileSync(path, bytes));
    return {
      write: (text: string) =>
        new Promise<void>((resolve) => {
          stream.write(text);
          stream.flush(() => resolve());
        }),
      end: () => new Promise<void>((resolve) => stream.once('end', resolve).end()),
    };
  }

  test('one frame that grows is read as far as it goes', async () => {
    const path = join(directory, 'one-frame');
    const segment = kumoSegment(path);
    await segment.write('first\nsec');
    const reader = new SegmentReader(path);
    const more = async (): Promise<string[]> => (await Array.fromAsync(reader.lines())).flat();
    expect(await more()).toEqual(['first']);
    expect(await more()).toEqual([]);
    await segment.write('ond\n');
    expect(await more()).toEqual(['second']);
    expect(reader.unfinished).toBe('ends within a zstd frame');
    await segment.write('gr\u00fc\u00dfe');
    await segment.end();
    expect(await more()).toEqual([]);
    expect(reader.unfinished).toBe('ends within a line');
    await reader.close();
  });

  test('segments of several megabytes come whole', async () => {
    const lines = Array.from(
      { length: 100_000 },
      (_, n) => `{"line":${n},"random":"${(n * 2_654_435_761) % 4_294_967_296}"}`,
    );
    const content = `${lines.join('\n')}\n`;
    writeFileSync(join(directory, '1-one-frame'), zstdCompressSync(content));
    writeFileSync(
      join(directory, '2-many-frames'),
      Buffer.concat([content, content].map((part) => zstdCompressSync(part))),
    );
    expect(await readAll()).toEqual([...lines, ...lines, ...lines]);
  });

  test('follows lines, segments that are begun later, and skips what is no zstd', async () => {
    writeFileSync(join(directory, '0-not-zstd'), 'plain text');
    writeFileSync(join(directory, '.hidden'), 'plain text');
    writeFileSync(join(directory, '1'), zstdCompressSync('one\n'));
    const stop = new AbortController();
    const lines: string[] = [];
    const errors = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const add = (text: string): void => {
      expect(linesOf(text)).toHaveLength(1);
      const [line] = linesOf(text);
      lines.push(line!);
      if (line === 'one') appendFileSync(join(directory, '1'), zstdCompressSync('two\n'));
      if (line === 'two') writeFileSync(join(directory, '2'), zstdCompressSync('three\n'));
      if (line === 'three') stop.abort();
    };
    await tail(directory, { pattern: '*', follow: true }, add, stop.signal);
    expect(lines).toEqual(['one', 'two', 'three']);
    expect(errors.mock.calls.flat().join('')).toContain('0-not-zstd: no zstd frame');
    errors.mockRestore();
  });

  test('a pattern picks segments', async () => {
    writeFileSync(join(directory, 'a.log'), zstdCompressSync('a\n'));
    writeFileSync(join(directory, 'b.txt'), zstdCompressSync('b\n'));
    const lines: string[] = [];
    const never = new AbortController().signal;
    await tail(directory, { pattern: '*.log', follow: false }, (text) => lines.push(...linesOf(text)), never);
    expect(lines).toEqual(['a']);
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
    await until(
      () =>
        readdirSync(directory).length === 1 && statSync(join(directory, readdirSync(directory)[0]!)).size > 0,
    );
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

  test('a second writer on the directory leaves the open segment of the first alone', async () => {
    const first = writer();
    await first.append('x\n');
    await clock.advance(1000);
    await until(() => storedBytes() > 0);
    const [name] = readdirSync(directory);
    const second = writer({ suffix: '.other' });
    expect(statSync(join(directory, name!)).mode & 0o200).toBe(0o200);
    await first.close();
    await second.close();
    expect(statSync(join(directory, name!)).mode & 0o222).toBe(0);
  });

  test('rotates by size and by age, and keeps every line in order', async () => {
    const log = writer({ maxFileSize: 200, maxSegmentDuration: 5000 });
    const wanted: string[] = [];
    for (let index = 0; index < 40; index++) {
      wanted.push(`{"line":${index},"pad":"${'x'.repeat(20)}"}`);
      await log.append(`${wanted.at(-1)}\n`);
      if (index % 5 === 4) {
        const before = storedBytes();
        // A flush joins one that is still finishing its segment, so it may take another second.
        while (storedBytes() <= before) await clock.advance(1000);
      }
    }
    await log.close();
    expect(readdirSync(directory).length).toBeGreaterThan(2);
    expect(await readAll()).toEqual(wanted);
  });

  test('max_file_size counts lines, however many come at once; none is cut', async () => {
    const log = writer({ maxFileSize: 50, header: 'head' });
    const lines = Array.from(
      { length: 20 },
      (_, index) => `{"line":${index},"t":"${'é'.repeat(index % 4)}"}\n`,
    );
    await log.append(lines.slice(0, 7).join(''));
    await log.append(`${lines.slice(7, 19).join('')}${'x'.repeat(200)}\n`);
    await log.append(lines[19]!);
    await log.close();
    const texts = readTexts();
    const ofLines = texts.map((text) => text.slice('head\n'.length));
    expect(texts.every((text) => text.startsWith('head\n'))).toBe(true);
    expect(ofLines.join('')).toBe(`${lines.slice(0, 19).join('')}${'x'.repeat(200)}\n${lines[19]}`);
    for (const text of texts.slice(0, -1)) {
      // With its last line it has the size, without it it had not.
      expect(Buffer.byteLength(text)).toBeGreaterThanOrEqual(50);
      const before = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1);
      expect(Buffer.byteLength(before)).toBeLessThan(50);
    }
  });

  test('many small segments of one large batch take no time that grows with its square', async () => {
    const log = writer({ maxFileSize: 100_000 });
    const line = `${'x'.repeat(99)}\n`;
    await log.append(line.repeat(100_000));
    await log.close();
    expect(readdirSync(directory)).toHaveLength(100);
    expect(readTexts().join('')).toHaveLength(10_000_000);
  });

  test('segments that memory has no room for are finished, and the next line begins another', async () => {
    const log = writer();
    await log.append('1\n');
    await clock.advance(1000);
    await until(() => storedBytes() > 0);
    await log.append('2\n');
    await log.finishSegment();
    expect(readdirSync(directory).map((name) => statSync(join(directory, name)).mode & 0o222)).toEqual([0]);
    await log.finishSegment();
    await log.append('3\n');
    await log.close();
    expect(readTexts()).toEqual(['1\n2\n', '3\n']);
  });

  test('names go on when the clock is set back by a day', async () => {
    let shift = 0;
    const now = (): number => clock.now() + shift;
    const moved = { now, monotonic: now, after: clock.after.bind(clock) };
    const log = writer({ clock: moved });
    await log.append('1\n');
    await log.finishSegment();
    shift = -86_400_000;
    await log.append('2\n');
    await log.finishSegment();
    expect(readdirSync(directory).sort()).toEqual(['20260101-000000.000', '20260101-000000.001']);
    expect(readTexts()).toEqual(['1\n', '2\n']);
    await log.close();
  });

  test('compression_level is used', async () => {
    const text = Array.from({ length: 3000 }, (_, n) => `{"id":${(n * 2_654_435_761) % 100_003}}\n`).join('');
    const sizes: number[] = [];
    for (const level of [1, 19]) {
      const log = writer({ compressionLevel: level, suffix: `.${level}` });
      await log.append(text);
      await log.close();
      const name = readdirSync(directory).find((one) => one.endsWith(`.${level}`))!;
      sizes.push(statSync(join(directory, name)).size);
    }
    expect(sizes[1]).toBeLessThan(sizes[0]!);
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

describe('per_record (operations.md 10.1)', () => {
  test('segment_header begins every segment, and only those', async () => {
    const log = writer({ header: 'type,id', maxFileSize: 20 });
    for (const line of ['Delivery,1\n', 'Delivery,2\n', 'Delivery,3\n']) {
      await log.append(line);
      while (!readTexts().join('').includes(line)) await clock.advance(1000);
    }
    await log.close();
    expect(readTexts()).toEqual(['type,id\nDelivery,1\nDelivery,2\n', 'type,id\nDelivery,3\n']);
  });

  test('log_dir and suffix choose the file; the same of both share it', async () => {
    const options = parseOptions(localLogsOptions, {
      log_dir: join(directory, 'main'),
      per_record: {
        Bounce: { log_dir: join(directory, 'bounces'), suffix: '.csv' },
        Expiration: { log_dir: `${directory}/bounces/`, suffix: '.csv', segment_header: 'head' },
      },
    });
    const writers = new DeliveryLogWriters([options], clock, diagnostics);
    const written = writers.append([
      { logger: 0, directory: join(directory, 'main'), suffix: '', lines: 'a\n', records: 1 },
      { logger: 0, directory: join(directory, 'bounces'), suffix: '.csv', lines: 'b\n', records: 1 },
      { logger: 0, directory: `${directory}/bounces/`, suffix: '.csv', lines: 'c\n', records: 1 },
    ]);
    await Promise.all([written, writers.close()]);
    expect(readTexts(join(directory, 'main'))).toEqual(['a\n']);
    expect(readdirSync(join(directory, 'bounces'))).toEqual([expect.stringMatching(/\.csv$/)]);
    expect(readTexts(join(directory, 'bounces'))).toEqual(['head\nb\nc\n']);
  });
});

/** The text of every segment, oldest first. */
function readTexts(from = directory): string[] {
  const names = readdirSync(from).sort();
  return names.map((name) => decompressFrames(readFileSync(join(from, name))).content.toString());
}
