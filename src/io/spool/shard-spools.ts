import type {
  Clock,
  DeliveryProgress,
  Diagnostics,
  EnumeratedMessage,
  EnumerationSummary,
  MaybePromise,
  MessageId,
  Spool,
  SpoolEntry,
  SpooledEnvelope,
} from '../../model/index.ts';
import {
  errorCode,
  errorText,
  makeDirectories,
  nodeFileSystem,
  type SpoolFileSystem,
} from './file-system.ts';
import { openLocalDiskSpool } from './local-disk-spool.ts';
import { openSegmentSpool } from './segment-spool.ts';

export type SpoolKind = 'RocksDB' | 'LocalDisk';

export interface ShardSpoolsOptions {
  /** Path of the `data` spool, for bodies. */
  dataPath: string;
  /** Path of the `meta` spool. */
  metaPath: string;
  /** Number of this shard, from 0. */
  shard: number;
  /** How many shards there are in this process. */
  shards: number;
  /** `RocksDB` is the segment log, `LocalDisk` a file per message. Default: RocksDB. */
  kind?: SpoolKind;
  /** False leaves out every sync: mail then survives a crash of the process, not of the machine. Default: true. */
  flush?: boolean;
  clock: Clock;
  diagnostics: Diagnostics;
  /** Default: that of the machine. */
  fileSystem?: SpoolFileSystem;
}

/** What an implementation offers besides Spool, so that a drained directory can be removed. */
export interface ShardSpool extends Spool {
  /** The directories it lives in, which go when it is drained. */
  readonly directories: readonly string[];
  /** True once all that was there at the start is known and nothing is left. */
  readonly empty: boolean;
}

/** An entry that knows the spool that made it. */
interface OwnedEntry extends SpoolEntry {
  readonly owner: Spool;
}

const DIRECTORY_NAME = /^shard-(\d{1,5})(-files)?$/;

/**
 * Opens the spool of one shard: its own directories, and to be drained those of shards that no longer exist and are
 * dealt to this one, and what the other kind left in its own directory. The caller holds the lock of the spool.
 */
export async function openShardSpools(options: ShardSpoolsOptions): Promise<Spool> {
  const files = options.fileSystem ?? nodeFileSystem;
  const kind = options.kind ?? 'RocksDB';
  if (kind === 'LocalDisk' && options.dataPath === options.metaPath) {
    throw new Error(
      `LocalDisk needs different paths for the data and the meta spool, not twice ${options.dataPath}`,
    );
  }
  await makeDirectories(files, options.metaPath);
  await makeDirectories(files, options.dataPath);
  const ownName = directoryName(options.shard, kind);
  const current = await openDirectory(options, ownName, kind);
  const draining: ShardSpool[] = [];
  const names = new Set([...(await files.list(options.metaPath)), ...(await files.list(options.dataPath))]);
  if (options.shard === 0) tellForeignSpool(names, options);
  for (const name of names) {
    const match = DIRECTORY_NAME.exec(name);
    if (match === null || name === ownName || Number(match[1]) % options.shards !== options.shard) continue;
    const theirKind = match[2] === undefined ? 'RocksDB' : 'LocalDisk';
    // The directory of a shard that runs is its own business unless it is of the kind that is not used any more.
    if (Number(match[1]) < options.shards && theirKind === kind) continue;
    draining.push(await openDirectory(options, name, theirKind));
  }
  return new ShardSpools(current, draining, options.diagnostics, files);
}

/** Who moves here with the directories of KumoMTA would else think that its mail is ours now. */
function tellForeignSpool(
  names: ReadonlySet<string>,
  { diagnostics, dataPath, metaPath }: ShardSpoolsOptions,
): void {
  const isRocksDb = names.has('CURRENT') && [...names].some((name) => name.startsWith('MANIFEST-'));
  if (!isRocksDb) return;
  const where = `${dataPath} and ${metaPath}`;
  diagnostics.warn(
    'spool',
    `there is a RocksDB in ${where}: mail of KumoMTA cannot be read, and stays in there`,
  );
}

function directoryName(shard: number, kind: SpoolKind): string {
  return `shard-${shard}${kind === 'LocalDisk' ? '-files' : ''}`;
}

function openDirectory(options: ShardSpoolsOptions, name: string, kind: SpoolKind): Promise<ShardSpool> {
  const { metaPath, dataPath, flush, clock, diagnostics, fileSystem } = options;
  const open = kind === 'LocalDisk' ? openLocalDiskSpool : openSegmentSpool;
  return open({
    metaPath: `${metaPath}/${name}`,
    dataPath: `${dataPath}/${name}`,
    quarantinePath: `${metaPath}/quarantine`,
    quarantinePrefix: `${name}-`,
    flush,
    clock,
    diagnostics,
    fileSystem,
  });
}

/** One spool for new mail and any number that are only drained, as one. */
class ShardSpools implements Spool {
  readonly #current: ShardSpool;
  readonly #draining: Set<ShardSpool>;
  readonly #diagnostics: Diagnostics;
  readonly #files: SpoolFileSystem;
  readonly #retiring = new Set<Promise<void>>();

  constructor(
    current: ShardSpool,
    draining: readonly ShardSpool[],
    diagnostics: Diagnostics,
    files: SpoolFileSystem,
  ) {
    this.#current = current;
    this.#draining = new Set(draining);
    this.#diagnostics = diagnostics;
    this.#files = files;
  }

  store(id: MessageId, envelope: SpooledEnvelope, body: Buffer): Promise<SpoolEntry> {
    return this.#current.store(id, envelope, body);
  }

  updateEnvelope(entry: SpoolEntry, envelope: SpooledEnvelope, body?: Buffer): Promise<void> {
    return ownerOf(entry).updateEnvelope(entry, envelope, body);
  }

  saveProgress(entry: SpoolEntry, progress: DeliveryProgress): void {
    ownerOf(entry).saveProgress(entry, progress);
  }

  loadEnvelope(entry: SpoolEntry): Promise<SpooledEnvelope> {
    return ownerOf(entry).loadEnvelope(entry);
  }

  loadBody(entry: SpoolEntry): Promise<Buffer> {
    return ownerOf(entry).loadBody(entry);
  }

  remove(entry: SpoolEntry): void {
    const owner = ownerOf(entry);
    owner.remove(entry);
    if (this.#draining.size > 0) this.#retireIfEmpty(owner);
  }

  async removalsWritten(): Promise<void> {
    await Promise.all([this.#current, ...this.#draining].map((spool) => spool.removalsWritten()));
  }

  async enumerate(visit: (message: EnumeratedMessage) => MaybePromise<void>): Promise<EnumerationSummary> {
    const total = { messages: 0, quarantined: 0 };
    for (const spool of [...this.#draining, this.#current]) {
      const { messages, quarantined } = await spool.enumerate(visit);
      total.messages += messages;
      total.quarantined += quarantined;
      this.#retireIfEmpty(spool);
    }
    return total;
  }

  async flush(): Promise<void> {
    await allOf([this.#current, ...this.#draining].map((spool) => spool.flush()));
    await Promise.all(this.#retiring);
  }

  /** What is drained goes as a whole. */
  async compact(): Promise<void> {
    await this.#current.compact?.();
  }

  async close(): Promise<void> {
    await Promise.all(this.#retiring);
    await allOf([this.#current, ...this.#draining].map((spool) => spool.close()));
  }

  #retireIfEmpty(spool: Spool): void {
    const drained = spool as ShardSpool;
    if (!drained.empty || !this.#draining.delete(drained)) return;
    const retiring = this.#retire(drained).finally(() => this.#retiring.delete(retiring));
    this.#retiring.add(retiring);
  }

  /** Removes the directories of a spool that is empty. Never rejects: what stays is looked at by the next start. */
  async #retire(spool: ShardSpool): Promise<void> {
    try {
      await spool.close();
      for (const path of spool.directories) await removeTree(this.#files, path);
    } catch (error) {
      this.#diagnostics.warn('spool', `an empty spool directory stays for now: ${errorText(error)}`);
    }
  }
}

function ownerOf(entry: SpoolEntry): Spool {
  return (entry as OwnedEntry).owner;
}

async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/**
 * Removes a directory of our own making, files and all. Oldest segments go first and each durably, so that a removal
 * never goes before what it kills. A symbolic link is removed, not followed.
 */
async function removeTree(files: SpoolFileSystem, path: string): Promise<void> {
  try {
    return await files.unlink(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return;
    if (code !== 'EISDIR' && code !== 'EPERM') throw error;
  }
  for (const name of (await files.list(path)).sort()) {
    await removeTree(files, `${path}/${name}`);
    if (name.endsWith('.meta')) await files.syncDirectory(path);
  }
  await files.removeDirectory(path);
}
