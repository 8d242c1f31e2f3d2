import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockSpool, SpoolLockedError } from '../../../src/io/spool/index.ts';

describe('the lock of a spool', () => {
  let path: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    path = mkdtempSync(`${tmpdir()}/moonpost-lock-`);
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(path, { recursive: true, force: true });
  });

  /** A process that holds the lock; resolves when it does. */
  async function holder(): Promise<ChildProcess> {
    const module = new URL('../../../src/io/spool/lock.ts', import.meta.url).href;
    const script = `import { lockSpool } from ${JSON.stringify(module)};
      globalThis.lock = lockSpool(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await new Promise<void>((resolve) => child.stdout!.once('data', () => resolve()));
    return child;
  }

  test('another process is refused by path and pid, and admitted after kill -9', {
    timeout: 20_000,
  }, async () => {
    const child = await holder();
    expect(() => lockSpool(path)).toThrow(SpoolLockedError);
    expect(() => lockSpool(path)).toThrow(`${path} is in use by another Moonpost (process ${child.pid})`);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    lockSpool(path).release();
  });

  test('a second lock in the same process is refused until the first is released', () => {
    const lock = lockSpool(path);
    expect(() => lockSpool(path)).toThrow(SpoolLockedError);
    lock.release();
    lock.release();
    lockSpool(path).release();
  });

  test('is private, makes the directory, and survives junk in its file', () => {
    writeFileSync(`${path}/spool.lock`, 'x'.repeat(5000));
    lockSpool(path).release();
    const deeper = `${path}/a/b`;
    const lock = lockSpool(deeper);
    expect(statSync(`${deeper}/spool.lock`).mode & 0o777).toBe(0o600);
    expect(statSync(`${deeper}/spool.pid`).mode & 0o777).toBe(0o600);
    lock.release();
  });

  test('does not go through a symbolic link', () => {
    writeFileSync(`${path}/victim`, 'precious');
    symlinkSync(`${path}/victim`, `${path}/spool.lock`);
    expect(() => lockSpool(path)).toThrow(/ELOOP/);
  });
});
