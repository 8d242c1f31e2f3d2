import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { systemClock } from '../../../src/io/clock/index.ts';
import {
  nodeFileSystem,
  openLocalDiskSpool,
  openSegmentSpool,
  openShardSpools,
  type SpoolFileSystem,
} from '../../../src/io/spool/index.ts';
import type { Clock, Spool } from '../../../src/model/index.ts';
import { type SpoolHarness, spoolContract } from '../../contract/spool.ts';
import { MemorySpool, type MemorySpoolContent } from '../../kit/memory-spool.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';

type Open = (directory: string, fileSystem: SpoolFileSystem, clock: Clock) => Promise<Spool>;

/** The real file system until it is killed; then nothing happens any more. */
class MortalFileSystem {
  #dead = false;
  readonly calls = Object.fromEntries(
    Object.entries(nodeFileSystem).map(([name, call]) => [
      name,
      (...args: unknown[]) =>
        this.#dead ? new Promise(() => {}) : (call as (...args: unknown[]) => Promise<unknown>)(...args),
    ]),
  ) as unknown as SpoolFileSystem;

  kill(): void {
    this.#dead = true;
  }
}

async function onDisk(open: Open): Promise<SpoolHarness> {
  const directory = await mkdtemp(`${tmpdir()}/moonpost-spool-`);
  let files = new MortalFileSystem();
  return {
    open: () => {
      files = new MortalFileSystem();
      return open(directory, files.calls, systemClock);
    },
    kill: async () => files.kill(),
    dispose: async () => {
      files.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const diagnostics = silentDiagnostics();

spoolContract('the segment log', () =>
  onDisk((directory, fileSystem, clock) =>
    openSegmentSpool({
      metaPath: `${directory}/meta/shard-0`,
      dataPath: `${directory}/data/shard-0`,
      clock,
      diagnostics,
      fileSystem,
    }),
  ),
);

spoolContract('the segment log with tiny segments and without sync', () =>
  onDisk((directory, fileSystem, clock) =>
    openSegmentSpool({
      metaPath: `${directory}/meta/shard-0`,
      dataPath: `${directory}/data/shard-0`,
      clock,
      diagnostics,
      fileSystem,
      flush: false,
      metaSegmentBytes: 500,
      bodySegmentBytes: 500,
    }),
  ),
);

spoolContract('LocalDisk', () =>
  onDisk((directory, fileSystem, clock) =>
    openLocalDiskSpool({
      metaPath: `${directory}/meta`,
      dataPath: `${directory}/data`,
      clock,
      diagnostics,
      fileSystem,
    }),
  ),
);

spoolContract('the spools of a shard', () =>
  onDisk((directory, fileSystem, clock) =>
    openShardSpools({
      metaPath: `${directory}/meta`,
      dataPath: `${directory}/data`,
      shard: 0,
      shards: 1,
      clock,
      diagnostics,
      fileSystem,
    }),
  ),
);

spoolContract('MemorySpool', async () => {
  const content: MemorySpoolContent = new Map();
  return {
    open: async () => new MemorySpool(content),
    kill: async () => {},
    dispose: async () => {},
  };
});
