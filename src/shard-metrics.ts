import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { CoordinatorLine } from './coordinator-line.ts';
import { type ReadyQueue, type ReadyQueues, serviceOf } from './flow/ready-queue/index.ts';
import type { ScheduledQueue, ScheduledQueues } from './flow/scheduled-queue/index.ts';
import { systemClock } from './io/clock/index.ts';
import type { DiskSpace, DiskSpaceWatch } from './io/disk-space/index.ts';
import type { MemoryWatch } from './io/memory/index.ts';
import {
  type Family,
  gauges,
  MetricsPages,
  type MetricsRequest,
  registryFamilies,
  valueFamily,
} from './io/metrics/index.ts';
import type { PolicyGenerations } from './lua/index.ts';
import { keyOf, measured } from './model/index.ts';
import { campaignOf, domainOf, tenantOf } from './queue-labels.ts';

/** The rooms of a shard that have something to measure; those that are not open yet have not. */
export interface MeasuredRooms {
  readonly queues: ScheduledQueues | undefined;
  readonly ready: ReadyQueues | undefined;
}

/** The metrics of a shard, in pages. Gauges of things that come and go are read off the things: none is left behind. */
export function shardMetrics(
  shard: number,
  parts: () => [rooms: MeasuredRooms, disks: DiskSpaceWatch, memory: MemoryWatch, policy: PolicyGenerations],
): MetricsPages {
  const families = (): Family[] => {
    const [rooms, disks, memory, policy] = parts();
    // Disks and memory are those of all shards.
    const ofAll = shard === 0 ? [...diskFamilies(disks), ...limitFamilies(memory)] : [];
    return [...familiesOf(rooms), ...stateFamilies(policy), ...ofAll];
  };
  return new MetricsPages(families, systemClock);
}

/** The metrics of the process, as the coordinator has them. */
export async function* readMetrics(
  coordinator: CoordinatorLine,
  request: MetricsRequest,
): AsyncGenerator<Uint8Array> {
  const number = await coordinator.ask('metrics-begin', request);
  let isOver = false;
  try {
    for (;;) {
      const piece = await coordinator.ask('metrics-next', number);
      isOver = piece === undefined;
      if (piece === undefined) return;
      yield piece;
      // Pieces that are there already must not keep the event loop from turning.
      await new Promise<void>((resolve) => systemClock.after(0, resolve));
    }
  } finally {
    if (!isOver) void coordinator.ask('metrics-give-up', number).catch(() => {});
  }
}

/** The same as one text, for policy. */
export async function metricsText(coordinator: CoordinatorLine): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readMetrics(coordinator, { format: 'text', prefix: '' })) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function familiesOf({ queues, ready }: MeasuredRooms): Family[] {
  return [
    ...registryFamilies(measured),
    ...scheduledFamilies(queues),
    ...readyFamilies(ready),
    ...memoryFamilies(queues),
  ];
}

/** `queues` undefined: not open yet. */
export function scheduledFamilies(
  queues: Pick<ScheduledQueues, 'count' | 'size' | 'live'> | undefined,
): Family[] {
  const size = queues?.count ?? 0;
  const items = (): Iterable<ScheduledQueue> => queues?.live() ?? [];
  const value = (queue: ScheduledQueue): number => queue.size;
  const shared = { size, items, value, isShared: true };
  return [
    gauges('scheduled_count_total', [[queues?.size ?? 0]]),
    gauges('message_count', [[queues?.size ?? 0]]),
    gauges('scheduled_queue_count', [[size]]),
    gauges('scheduled_queue_maintainer_count', [[size]]),
    valueFamily<ScheduledQueue>({
      ...{ ...shared, name: 'queued_count_by_provider' },
      key: (queue) => {
        const provider = providerOfQueue(queue);
        return provider === undefined ? undefined : keyOf([provider]);
      },
    }),
    valueFamily<ScheduledQueue>({
      ...{ ...shared, name: 'queued_count_by_provider_and_pool' },
      key: (queue) => {
        const provider = providerOfQueue(queue);
        return provider === undefined ? undefined : keyOf([provider, queue.egressPool ?? 'unspecified']);
      },
    }),
    valueFamily<ScheduledQueue>({
      ...{ name: 'scheduled_count', size, items, value },
      key: ({ name }) => keyOf([name]),
    }),
    valueFamily<ScheduledQueue>({ ...shared, name: 'scheduled_by_domain', key: domainOf }),
    valueFamily<ScheduledQueue>({ ...shared, name: 'scheduled_by_tenant', key: tenantOf }),
    valueFamily<ScheduledQueue>({ ...shared, name: 'scheduled_by_tenant_campaign', key: campaignOf }),
  ];
}

function readyFamilies(ready: ReadyQueues | undefined): Family[] {
  const { sites, workers } = ready?.measuredQueues() ?? { sites: [], workers: [] };
  const live = [...sites];
  const family = (
    name: string,
    key: (one: Site) => string,
    value: (queue: ReadyQueue) => number,
    isShared = false,
  ): Family =>
    valueFamily<Site>({
      ...{ name, key, isShared, size: live.length, items: () => live },
      value: ({ queue }) => value(queue),
    });
  const ofQueue = ({ queue }: Site): string => keyOf([serviceOf(queue.name)]);
  const ofProtocol = ({ queue }: Site): string => protocolOf(queue);
  const length = (queue: ReadyQueue): number => queue.length;
  const connections = (queue: ReadyQueue): number => queue.connections;
  return [
    family('ready_count', ofQueue, length),
    family('ready_count', ofProtocol, length, true),
    gauges(
      'ready_count',
      workers.map((queue) => [queue.length, queue.name] as const),
    ),
    family('connection_count', ofQueue, connections),
    family('connection_count', ofProtocol, connections, true),
    gauges('connection_count', [
      [0, 'smtp_client'],
      ...workers.map((queue) => [queue.connections, queue.name] as const),
    ]),
    family('connection_count_by_provider', ({ queue }) => keyOf([providerOf(queue)]), connections, true),
    family(
      'connection_count_by_provider_and_pool',
      ({ queue, pool }) => keyOf([providerOf(queue), pool]),
      connections,
      true,
    ),
    gauges(
      'egress_source_health_suspended',
      (ready?.suspendedSources() ?? []).map(({ source, why }) => [1, source, why] as const),
    ),
  ];
}

interface Site {
  queue: ReadyQueue;
  pool: string;
}

/** As records name it, where the policy names none. */
function providerOf({ path, site }: ReadyQueue): string {
  return path.provider_name ?? site;
}

function protocolOf({ name }: ReadyQueue): string {
  return name.includes('@lua:') ? 'lua' : 'smtp_client';
}

/** Whoever the mail of a queue is for, as its configuration says, or else by where it went; undefined before that. */
function providerOfQueue(queue: ScheduledQueue): string | undefined {
  return queue.size === 0 ? undefined : (queue.providerName ?? queue.feed?.provider);
}

/** Of this shard alone. */
function memoryFamilies(queues: ScheduledQueues | undefined): Family[] {
  return [
    gauges('memory_usage_rust', [[getHeapStatistics().used_heap_size]]),
    gauges('message_data_resident_count', [[queues?.resident.bodies ?? 0]]),
    gauges('message_meta_resident_count', [[queues?.resident.count ?? 0]]),
  ];
}

let lastLook: EventLoopUtilization | undefined;

/** The part of the time since the last look in which this thread had nothing to do, to a hundredth. */
function idleShare(): number {
  const now = performance.eventLoopUtilization();
  const { utilization } = performance.eventLoopUtilization(now, lastLook);
  lastLook = now;
  return Math.round((1 - utilization) * 100) / 100;
}

/** The first scrape may come before the policy is there. */
export function stateFamilies(policy: PolicyGenerations | undefined): Family[] {
  const { all, spare } = policy?.states ?? { all: 0, spare: 0 };
  return [
    gauges('lua_count', [[all]]),
    gauges('lua_spare_count', [[spare]]),
    gauges('thread_pool_parked', [[idleShare(), 'shard']]),
  ];
}

function limitFamilies({ usage, limits, counts }: MemoryWatch): Family[] {
  return [
    gauges('memory_usage', [[usage]]),
    gauges('memory_limit', [[limits.soft]]),
    gauges('memory_low_thresh', [[limits.low]]),
    gauges('memory_low_count', [[counts.low]]),
    gauges('memory_over_limit_count', [[counts.none]]),
  ];
}

function diskFamilies({ found }: DiskSpaceWatch): Family[] {
  const disks = [...found];
  const ofDisks = (name: string, read: (space: DiskSpace) => number): Family =>
    gauges(
      name,
      disks.map(([disk, space]) => [read(space), disk] as const),
    );
  return [
    ofDisks('disk_free_bytes', ({ bytes }) => bytes.free),
    ofDisks('disk_free_percent', ({ bytes }) => bytes.percent),
    ofDisks('disk_free_inodes', ({ inodes }) => inodes.free),
    ofDisks('disk_free_inodes_percent', ({ inodes }) => inodes.percent),
  ];
}
