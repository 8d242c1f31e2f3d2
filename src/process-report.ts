import { systemClock } from './io/clock/index.ts';
import { memoryUsage, usableMemory } from './io/memory/index.ts';
import type { ShardPool } from './shard-pool.ts';

/** What each shard is busy with. One that does not answer within `timeout` ms is told of as such. */
export function reportTasks(shards: ShardPool, timeout: number): Promise<string> {
  return ofEach(shards, (shard) => withinTime(shards.askOne(shard, 'task-dump', timeout), timeout));
}

/** What the process and each shard have in memory. */
export async function reportMemory(shards: ShardPool): Promise<string> {
  const { rss, heapUsed } = process.memoryUsage();
  const limits = usableMemory();
  const own = [
    `resident: ${rss} bytes`,
    `counted against the limits: ${memoryUsage() ?? 'unknown'} bytes`,
    `limits of the system: hard ${limits.hard}, soft ${limits.soft}, low ${limits.low} bytes`,
    `heap of the coordinator: ${heapUsed} bytes in use`,
  ].join('\n');
  return `${own}\n\n${await ofEach(shards, (shard) => shards.askOne(shard, 'memory-stats', undefined))}`;
}

async function ofEach(
  shards: ShardPool,
  ask: (shard: number) => Promise<string | undefined>,
): Promise<string> {
  const texts = await Promise.all(Array.from({ length: shards.size }, (_, shard) => ask(shard)));
  const part = (text: string | undefined, shard: number): string =>
    `shard ${shard}\n${(text ?? 'has ended').replace(/^/gm, '  ')}\n`;
  return texts.map(part).join('\n');
}

function withinTime(work: Promise<string | undefined>, timeout: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const late = `does not answer within ${timeout / 1000} s`;
    const timer = systemClock.after(timeout, () => resolve(late));
    work.then(resolve, (error: Error) => resolve(error.message)).finally(() => timer.cancel());
  });
}
