import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { belowFloor, DiskSpaceWatch, diskSpace } from '../../../src/io/disk-space/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';

const MIB = 1024 * 1024;
const filesystem = {
  bsize: 4096,
  blocks: (100 * MIB) / 4096,
  bavail: (20 * MIB) / 4096,
  files: 1000,
  ffree: 50,
};

describe('free space', () => {
  test('is told in amounts and percent', async () => {
    const { bytes, inodes } = await diskSpace('/x', async () => filesystem);
    expect(bytes).toEqual({ free: 20 * MIB, total: 100 * MIB, percent: 20 });
    expect(inodes).toEqual({ free: 50, total: 1000, percent: 5 });
  });

  test('is told of a real directory', async () => {
    const { bytes } = await diskSpace(tmpdir());
    expect(bytes.total).toBeGreaterThan(0);
    expect(bytes.percent).toBeLessThanOrEqual(100);
    await expect(diskSpace('/no/such/path')).rejects.toThrow('ENOENT');
  });

  test('is compared with percent and with amounts', async () => {
    const { bytes, inodes } = await diskSpace('/x', async () => filesystem);
    expect(belowFloor(bytes, { percent: 21 })).toBe(true);
    expect(belowFloor(bytes, { percent: 20 })).toBe(false);
    expect(belowFloor(inodes, { amount: 51 })).toBe(true);
    expect(belowFloor(inodes, { amount: 50 })).toBe(false);
  });

  test('of a file system without a number of inodes is never short of them', async () => {
    const { inodes } = await diskSpace('/x', async () => ({ ...filesystem, files: 0, ffree: 0 }));
    expect(inodes.percent).toBe(100);
    expect(belowFloor(inodes, { amount: 1 })).toBe(false);
  });
});

test('the watch says once that space is short, and once that it is back', async () => {
  const clock = new FakeClock();
  const diagnostics = silentDiagnostics();
  let bavail = filesystem.bavail;
  const floors = { minFreeSpace: { percent: 10 }, minFreeInodes: { percent: 1 } };
  const watched = [{ name: 'data spool', path: '/spool/data', ...floors }];
  const watch = new DiskSpaceWatch(watched, clock, diagnostics, async () => ({ ...filesystem, bavail }));
  await watch.start();
  expect(watch.full).toBe(false);
  bavail = 1000;
  await clock.advance(11_000);
  expect(watch.full).toBe(true);
  expect(diagnostics.lines).toEqual([
    'warn spool: data spool /spool/data is below its floor, no mail is taken: 3.9% of space and 5.0% of inodes are free',
  ]);
  bavail = filesystem.bavail;
  await clock.advance(6_000);
  expect(watch.full).toBe(false);
  expect(diagnostics.lines.length).toBe(2);
  watch.stop();
  expect(clock.pending).toBe(0);
});
