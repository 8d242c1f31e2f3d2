import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  DeliveryLogWriters,
  type OutputStream,
  PlainFile,
  StandardOutput,
} from '../../../src/io/delivery-log/index.ts';
import type { Diagnostics } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

let directory: string;
let clock: FakeClock;
let said: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'moonpost-output-'));
  clock = new FakeClock();
  said = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const say = (_target: string, text: string): void => void said.push(text);
const diagnostics: Diagnostics = { error: say, warn: say, info: say, debug: say };

/** Takes what it is given when it is told to. */
class SlowStream implements OutputStream {
  writableLength = 0;
  readonly texts: string[] = [];
  readonly #waiting: { text: string; done: (error?: Error) => void }[] = [];
  #heard: (error: NodeJS.ErrnoException) => void = () => {};

  write(text: string, done: (error?: Error | null) => void): boolean {
    this.writableLength += text.length;
    this.#waiting.push({ text, done });
    return false;
  }

  on(_event: 'error', heard: (error: NodeJS.ErrnoException) => void): void {
    this.#heard = heard;
  }

  read(): void {
    for (const { text, done } of this.#waiting.splice(0)) {
      this.texts.push(text);
      this.writableLength -= text.length;
      done();
    }
  }

  fail(code: string): void {
    const error = Object.assign(new Error(`write ${code}`), { code });
    for (const { done } of this.#waiting.splice(0)) done(error);
    this.#heard(error);
  }
}

describe('standard output', () => {
  test('a reader who stands still makes nobody wait; what it missed is counted', async () => {
    const stream = new SlowStream();
    const output = new StandardOutput(stream, clock, diagnostics);
    const line = `${'x'.repeat(1024 * 1024 - 1)}\n`;
    for (let n = 0; n < 12; n++) await output.append(line);
    expect(said).toEqual(['standard output is not read fast enough: records are dropped']);
    stream.read();
    expect(said.at(-1)).toBe('4 lines were not written to standard output');
    await output.append('again\n');
    stream.read();
    expect(stream.texts.at(-1)).toBe('again\n');
    expect(stream.texts).toHaveLength(9);
  });

  test('a reader who has gone is told of once, and nothing more is written', async () => {
    const stream = new SlowStream();
    const output = new StandardOutput(stream, clock, diagnostics);
    await output.append('a\n');
    stream.fail('EPIPE');
    stream.fail('EPIPE');
    await output.append('b\n');
    await output.close();
    expect(stream.writableLength).toBe(2);
    expect(said).toEqual(['standard output: write EPIPE; no more is written there']);
  });

  test('a full disk behind it is an error, and it goes on', async () => {
    const stream = new SlowStream();
    const output = new StandardOutput(stream, clock, diagnostics);
    await output.append('a\n');
    stream.fail('ENOSPC');
    await output.append('b\n');
    stream.read();
    expect(stream.texts).toEqual(['b\n']);
    expect(said).toEqual(['standard output: write ENOSPC']);
  });

  test('the end waits for the reader, but not for ever', async () => {
    const stream = new SlowStream();
    const output = new StandardOutput(stream, clock, diagnostics);
    await output.append('a\n');
    const closing = output.close();
    await clock.advance(2000);
    await closing;
    expect(stream.texts).toEqual([]);
  });
});

describe('a plain file', () => {
  test('is appended to as it stands, and begun anew when it was moved away', async () => {
    const path = join(directory, 'logs', 'mail.jsonl');
    const file = new PlainFile(path, clock, diagnostics);
    await file.append('{"a":1}\n');
    await file.append('{"a":2}\n');
    await file.close();
    const again = new PlainFile(path, clock, diagnostics);
    await again.append('{"a":3}\n');
    await again.close();
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"a":2}\n{"a":3}\n');
    const third = new PlainFile(path, clock, diagnostics);
    await third.append('{"a":4}\n');
    while (!readFileSync(path, 'utf8').includes('4')) await new Promise((resolve) => setImmediate(resolve));
    renameSync(path, `${path}.1`);
    await third.append('{"a":5}\n');
    await third.close();
    expect(readFileSync(`${path}.1`, 'utf8')).toMatch(/\{"a":4\}\n$/);
    expect(readFileSync(path, 'utf8')).toBe('{"a":5}\n');
  });

  test('what cannot be written is kept, and written when it can be', async () => {
    const path = join(directory, 'logs', 'mail.jsonl');
    const file = new PlainFile(path, clock, diagnostics);
    rmSync(join(directory, 'logs'), { recursive: true });
    await file.append('1\n');
    while (said.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(said[0]).toContain('mail.jsonl: cannot write log lines: ENOENT');
    const other = new PlainFile(path, clock, diagnostics);
    await file.append('2\n');
    await file.close();
    await other.close();
    expect(readFileSync(path, 'utf8')).toBe('1\n2\n');
  });

  test('what is no regular file fails the start', () => {
    expect(() => new PlainFile('/dev/null', clock, diagnostics)).toThrow(
      "/dev/null: not a regular file; 'stdout' is standard output",
    );
  });

  test('two loggers of one file share it', async () => {
    const output = join(directory, 'mail.jsonl');
    const writers = new DeliveryLogWriters([{ output }, { output }], clock, diagnostics);
    await writers.append([
      { logger: 0, directory: '', suffix: '', lines: 'a\n', records: 1 },
      { logger: 1, directory: '', suffix: '', lines: 'b\n', records: 1 },
    ]);
    await writers.close();
    expect(readFileSync(output, 'utf8')).toBe('a\nb\n');
  });
});
