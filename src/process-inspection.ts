import { setDiagnosticFilter } from './io/diagnostics/index.ts';
import {
  earliestStates,
  type InspectedQueue,
  type InspectionRequest,
  type InspectionRequests,
  type MachineDescription,
  mergePreviews,
  mergeReadyQueues,
  type ReadyQueueStates,
} from './model/index.ts';
import { explainProcess, mergeShared } from './process-explanation.ts';
import { reportMemory, reportTasks } from './process-report.ts';
import type { ShardPool } from './shard-pool.ts';

/** What the coordinator knows by itself. */
export interface InspectedProcess {
  logDirs: readonly string[];
  machine: MachineDescription | undefined;
}

/** What all shards have of what an administrator asks to see. */
export async function inspectProcess(
  { kind, asked }: InspectionRequest,
  shards: ShardPool,
  { logDirs, machine }: InspectedProcess,
): Promise<InspectionRequests[keyof InspectionRequests]['answer']> {
  switch (kind) {
    case 'inspect-message':
      return (await shards.askAll(kind, asked)).find((message) => message !== undefined);
    case 'inspect-queue':
      return mergeQueues(await shards.askAll(kind, asked), asked.limit);
    case 'inspect-ready-queue': {
      const parts = await shards.askAll(kind, asked);
      return mergeReadyQueues(parts.filter((part) => part !== undefined));
    }
    case 'abort-connection': {
      const parts = await shards.askAll(kind, asked);
      return (['aborted', 'no-session'] as const).find((part) => parts.includes(part)) ?? 'no-queue';
    }
    case 'ready-states':
      return mergeStates(await shards.askAll(kind, asked));
    case 'explain':
      return { facts: await explainProcess(asked, shards), logDirs: [...logDirs] };
    case 'explain-shared':
      return mergeShared(await shards.askAll(kind, asked));
    case 'machine':
      return machine;
    case 'memory-stats':
      return reportMemory(shards);
    case 'task-dump':
      return reportTasks(shards, asked);
    case 'compact-spool':
      await shards.askAll(kind, asked);
      return undefined;
    case 'set-log-filter':
      setDiagnosticFilter(asked);
      await shards.askAll(kind, asked);
      return undefined;
    case 'preview':
      return mergePreviews(await shards.askAll(kind, asked));
  }
}

/** The parts of a queue that shards have; undefined when none has any. */
export function mergeQueues(
  parts: readonly (InspectedQueue | undefined)[],
  limit: number,
): InspectedQueue | undefined {
  const there = parts.filter((part) => part !== undefined);
  if (there.length === 0) return undefined;
  const first = there.flatMap(({ messages }) => messages).sort((a, b) => a.due - b.due);
  return {
    messages: first.slice(0, limit),
    size: there.reduce((sum, { size }) => sum + size, 0),
    config: there.find(({ config }) => config !== null)?.config ?? null,
    lastChanged: Math.max(...there.map(({ lastChanged }) => lastChanged)),
  };
}

/** What holds up ready queues, of all shards. */
export function mergeStates(
  parts: readonly ReadonlyMap<string, ReadyQueueStates>[],
): Map<string, ReadyQueueStates> {
  const all = new Map<string, ReadyQueueStates>();
  for (const part of parts) {
    for (const [name, states] of part) all.set(name, earliestStates([all.get(name) ?? {}, states]));
  }
  return all;
}
