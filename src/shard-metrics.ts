import { getHeapStatistics } from 'node:v8';
import type { ReadyQueues } from './flow/ready-queue/index.ts';
import type { ScheduledQueues } from './flow/scheduled-queue/index.ts';
import type { DiskSpace, DiskSpaceWatch } from './io/disk-space/index.ts';
import type { MemoryWatch } from './io/memory/index.ts';
import type { Registry, RegistrySnapshot } from './io/metrics/index.ts';

/** The rooms of a shard that have something to measure; those that are not open yet have not. */
export interface MeasuredRooms {
  readonly registry: Registry;
  readonly queues: ScheduledQueues | undefined;
  readonly ready: ReadyQueues | undefined;
  /** Measured by one shard for all. */
  readonly shared: { disks: DiskSpaceWatch; memory: MemoryWatch } | undefined;
}

/** The metrics of a shard now. Gauges of things that come and go are read off the things: none is left behind. */
export function measureShard({ registry, queues, ready, shared }: MeasuredRooms): RegistrySnapshot {
  registry.series('scheduled_count_total').set(queues?.size ?? 0);
  registry.series('message_count').set(queues?.size ?? 0);
  const snapshot = registry.snapshot();
  const connections = snapshot.connection_count ?? [];
  snapshot.scheduled_count = Array.from(queues?.live() ?? [], ({ name, size }) => ({
    labels: [name],
    value: size,
  }));
  const live = [...(ready?.live() ?? [])];
  snapshot.ready_count = live.map(({ name, length }) => ({
    labels: [`${serviceOf(name)}:${name}`],
    value: length,
  }));
  const open = live.map(({ name, connections }) => ({
    labels: [`${serviceOf(name)}:${name}`],
    value: connections,
  }));
  const totals = new Map([['smtp_client', 0]]);
  for (const { name, connections } of live) {
    totals.set(serviceOf(name), (totals.get(serviceOf(name)) ?? 0) + connections);
  }
  const all = Array.from(totals, ([service, value]) => ({ labels: [service], value }));
  snapshot.connection_count = [...connections, ...all, ...open];
  snapshot.egress_source_health_suspended = (ready?.suspendedSources() ?? []).map(({ source, why }) => ({
    labels: [source, why],
    value: 1,
  }));
  measureMemory(snapshot, queues);
  if (shared !== undefined) {
    measureDisks(snapshot, shared.disks);
    measureLimits(snapshot, shared.memory);
  }
  return snapshot;
}

/** The protocol in the name of a ready queue (operations.md: PROTO of `SOURCE->SITE@PROTO`). */
function serviceOf(readyQueue: string): string {
  return readyQueue.includes('@lua:') ? 'lua' : 'smtp_client';
}

const one = (value: number): RegistrySnapshot[string] => [{ labels: [], value }];

/** Of this shard alone. */
function measureMemory(snapshot: RegistrySnapshot, queues: ScheduledQueues | undefined): void {
  snapshot.memory_usage_rust = one(getHeapStatistics().used_heap_size);
  snapshot.message_data_resident_count = one(queues?.resident.bodies ?? 0);
  snapshot.message_meta_resident_count = one(queues?.resident.count ?? 0);
}

function measureLimits(snapshot: RegistrySnapshot, { usage, limits, counts }: MemoryWatch): void {
  snapshot.memory_usage = one(usage);
  snapshot.memory_limit = one(limits.soft);
  snapshot.memory_low_thresh = one(limits.low);
  snapshot.memory_low_count = one(counts.low);
  snapshot.memory_over_limit_count = one(counts.none);
}

function measureDisks(snapshot: RegistrySnapshot, disks: DiskSpaceWatch): void {
  const found = [...disks.found];
  const gauge = (read: (space: DiskSpace) => number): RegistrySnapshot[string] =>
    found.map(([name, space]) => ({ labels: [name], value: read(space) }));
  snapshot.disk_free_bytes = gauge(({ bytes }) => bytes.free);
  snapshot.disk_free_percent = gauge(({ bytes }) => bytes.percent);
  snapshot.disk_free_inodes = gauge(({ inodes }) => inodes.free);
  snapshot.disk_free_inodes_percent = gauge(({ inodes }) => inodes.percent);
}
