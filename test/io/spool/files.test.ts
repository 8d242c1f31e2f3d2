import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock/index.ts';
import { openSegmentSpool, openShardSpools } from '../../../src/io/spool/index.ts';
import { envelopeFor, nextId } from '../../contract/spool.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';

let path: string;
beforeEach(() => {
  path = mkdtempSync(`${tmpdir()}/moonpost-files-`);
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

test.each(['RocksDB', 'LocalDisk'] as const)(
  '%s: files are private, and so are the directories',
  async (kind) => {
    const spool = await openShardSpools({
      metaPath: `${path}/meta`,
      dataPath: `${path}/data`,
      shard: 0,
      shards: 1,
      kind,
      clock: systemClock,
      diagnostics: silentDiagnostics(),
    });
    await spool.store(nextId(), envelopeFor(), Buffer.from('x'));
    const entries = readdirSync(path, { recursive: true, withFileTypes: true });
    // Body and metadata; the segment log has its reserve besides.
    expect(entries.filter((entry) => entry.isFile()).length).toBe(kind === 'LocalDisk' ? 2 : 3);
    for (const entry of entries) {
      const mode = statSync(`${entry.parentPath}/${entry.name}`).mode & 0o777;
      expect(mode, entry.name).toBe(entry.isFile() ? 0o600 : 0o700);
    }
    await spool.close();
  },
);

test('a symbolic link in the place of a segment is refused', async () => {
  const options = {
    metaPath: `${path}/m`,
    dataPath: `${path}/d`,
    clock: systemClock,
    diagnostics: silentDiagnostics(),
  };
  await (await openSegmentSpool(options)).close();
  writeFileSync(`${path}/victim`, 'precious');
  symlinkSync(`${path}/victim`, `${path}/m/00000001.meta`);
  await expect(openSegmentSpool(options)).rejects.toThrow(/ELOOP/);
});
