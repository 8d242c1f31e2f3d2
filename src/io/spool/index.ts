export { nodeFileSystem, type SpoolFileSystem } from './file-system.ts';
export { type LocalDiskSpool, type LocalDiskSpoolOptions, openLocalDiskSpool } from './local-disk-spool.ts';
export { lockSpool, type SpoolLock, SpoolLockedError } from './lock.ts';
export { pairSpoolDirectories, SpoolPairError } from './pairing.ts';
export { openSegmentSpool, type SegmentSpool, type SegmentSpoolOptions } from './segment-spool.ts';
export { openShardSpools, type ShardSpoolsOptions, type SpoolKind } from './shard-spools.ts';
