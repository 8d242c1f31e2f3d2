import { describe, expect, test } from 'vitest';
import { openShardSpools, type SpoolKind } from '../../../src/io/spool/index.ts';
import type { EnumeratedMessage, Spool } from '../../../src/model/index.ts';
import { enumerated, envelopeFor, nextId } from '../../contract/spool.ts';
import { PromptClock } from '../../kit/prompt-clock.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';
import { VolatileDisk } from '../../kit/volatile-disk.ts';

/** The spools of a process with so many shards. */
function openAll(disk: VolatileDisk, shards: number, kind: SpoolKind = 'RocksDB'): Promise<Spool[]> {
  const options = { metaPath: '/meta', dataPath: '/data', shards, kind, fileSystem: disk };
  const one = (shard: number): Promise<Spool> =>
    openShardSpools({ ...options, shard, clock: new PromptClock(5), diagnostics: silentDiagnostics() });
  return Promise.all(Array.from({ length: shards }, (_, shard) => one(shard)));
}

async function storeSome(spools: readonly Spool[], each: number): Promise<string[]> {
  const ids: string[] = [];
  for (const spool of spools) {
    for (let index = 0; index < each; index++) {
      const id = nextId();
      await spool.store(id, envelopeFor(), Buffer.from(`body ${id}`));
      ids.push(id);
    }
  }
  return ids;
}

async function enumerateAll(spools: readonly Spool[]): Promise<Map<Spool, EnumeratedMessage[]>> {
  const found = new Map<Spool, EnumeratedMessage[]>();
  for (const spool of spools) found.set(spool, [...(await enumerated(spool)).values()]);
  return found;
}

function directories(disk: VolatileDisk): string[] {
  return [...new Set(disk.paths().map((path) => path.split('/').slice(1, 3).join('/')))];
}

describe('the number of shards may change', () => {
  test.each([
    [4, 1],
    [4, 3],
    [1, 4],
    [3, 2],
  ])('from %i to %i: every message is with exactly one shard', async (before, after) => {
    const disk = new VolatileDisk();
    const first = await openAll(disk, before);
    const ids = await storeSome(first, 5);
    await Promise.all(first.map((spool) => spool.close()));
    const spools = await openAll(disk, after);
    const found = await enumerateAll(spools);
    const seen = [...found.values()].flat().map(({ entry }) => entry.id);
    expect(seen.sort()).toEqual([...ids].sort());
    for (const [spool, messages] of found) {
      for (const { entry } of messages)
        expect((await spool.loadBody(entry)).toString()).toBe(`body ${entry.id}`);
    }
  });

  test('mail of an absent shard is updated, kept and removed where it is; then its directory goes', async () => {
    const disk = new VolatileDisk();
    const first = await openAll(disk, 2);
    await storeSome(first, 3);
    await Promise.all(first.map((spool) => spool.close()));
    expect(directories(disk)).toEqual(['data/shard-0', 'data/shard-1', 'meta/shard-0', 'meta/shard-1']);

    const [spool] = await openAll(disk, 1);
    const messages = (await enumerateAll([spool!])).get(spool!)!;
    const late = await storeSome([spool!], 2);
    for (const { entry } of messages) {
      await spool!.updateEnvelope(entry, envelopeFor('second@example.org'));
      spool!.saveProgress(entry, { attempts: 1, due: 77 });
    }
    await spool!.flush();
    const [again] = await openAll(disk.copy(), 1);
    const survivors = [...(await enumerated(again!)).values()];
    expect(survivors.filter(({ progress }) => progress.due === 77).length).toBe(6);

    for (const { entry } of messages) spool!.remove(entry);
    await spool!.flush();
    await spool!.close();
    expect(directories(disk)).toEqual(['data/shard-0', 'meta/shard-0']);
    const [last] = await openAll(disk, 1);
    expect([...(await enumerated(last!)).keys()].sort()).toEqual(late.sort());
  });

  test('an empty directory of an absent shard goes at the start', async () => {
    const disk = new VolatileDisk();
    const first = await openAll(disk, 2);
    for (const spool of first) spool.remove(await spool.store(nextId(), envelopeFor(), Buffer.from('x')));
    await Promise.all(first.map((spool) => spool.close()));
    const [spool] = await openAll(disk, 1);
    await spool!.enumerate(() => {});
    await spool!.close();
    expect(directories(disk).filter((name) => name.endsWith('shard-1'))).toEqual([]);
  });

  test('the kind of spool may change too', async () => {
    const disk = new VolatileDisk();
    const first = await openAll(disk, 2, 'LocalDisk');
    const ids = await storeSome(first, 3);
    await Promise.all(first.map((spool) => spool.close()));
    const spools = await openAll(disk, 1);
    const messages = (await enumerateAll(spools)).get(spools[0]!)!;
    expect(messages.map(({ entry }) => entry.id).sort()).toEqual(ids.sort());
    for (const { entry } of messages) spools[0]!.remove(entry);
    await spools[0]!.close();
    expect(directories(disk).filter((name) => name.endsWith('-files'))).toEqual([]);
  });

  test('LocalDisk refuses one path for both', async () => {
    const opening = openShardSpools({
      metaPath: '/spool',
      dataPath: '/spool',
      shard: 0,
      shards: 1,
      kind: 'LocalDisk',
      clock: new PromptClock(),
      diagnostics: silentDiagnostics(),
      fileSystem: new VolatileDisk(),
    });
    await expect(opening).rejects.toThrow('LocalDisk needs different paths');
  });
});

test('the database of KumoMTA in the same directories is told of, once, and left alone', async () => {
  const theirs = ['/data/CURRENT', '/data/MANIFEST-000005', '/data/000004.log'];
  const disk = new VolatileDisk();
  await disk.makeDirectory('/data');
  for (const path of theirs) await disk.close(await disk.create(path));
  const diagnostics = silentDiagnostics();
  for (const shard of [0, 1]) {
    const clock = new PromptClock(5);
    const options = { metaPath: '/meta', dataPath: '/data', shard, shards: 2, fileSystem: disk };
    await openShardSpools({ ...options, clock, diagnostics });
  }
  expect(diagnostics.lines).toEqual([
    'warn spool: there is a RocksDB in /data and /meta: mail of KumoMTA cannot be read, and stays in there',
  ]);
  expect(disk.paths()).toEqual(expect.arrayContaining(theirs));
});
