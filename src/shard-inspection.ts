import { inspectReadyQueue, type ReadyQueues, sharedFacts } from './flow/ready-queue/index.ts';
import { setDiagnosticFilter } from './io/diagnostics/index.ts';
import {
  type AdminTarget,
  type InspectionRequests,
  mergeReadyQueues,
  PREVIEW_SAMPLE,
  type ReadyQueueStates,
  type ShardInspectionRequests,
  type Spool,
  type TargetPart,
} from './model/index.ts';
import type { Question } from './shard-messages.ts';
import { type ReportedRooms, reportMemory, reportTasks } from './shard-report.ts';

/** The rooms of a shard with mail in them, as far as they are open. */
interface InspectedRooms extends ReportedRooms {
  spool: Spool | undefined;
}

/** What a shard has of what an administrator asks to see; nothing as long as its spool is not open. */
export async function inspectShard(
  { kind, asked }: Question<ShardInspectionRequests>,
  rooms: InspectedRooms,
): Promise<unknown> {
  const { queues, ready, spool } = rooms;
  switch (kind) {
    case 'inspect-message':
      return queues?.inspection.message(asked.id, asked.wantBody);
    case 'inspect-queue':
      return queues?.inspection.queue(asked.name, asked.limit, asked.wantBody);
    case 'inspect-ready-queue':
      return mergeReadyQueues(
        [...(ready?.live() ?? [])]
          .filter(({ name }) => name === asked.name)
          .map((queue) => inspectReadyQueue(queue, asked.withQueues)),
      );
    case 'abort-connection':
      return abortConnection(asked, ready);
    case 'ready-states': {
      const states = new Map<string, ReadyQueueStates>();
      for (const { name, states: own } of ready?.live() ?? [])
        if (Object.keys(own).length > 0) states.set(name, own);
      return states;
    }
    case 'explain':
      return { facts: await queues?.explaining.explain(asked.about, asked.even === true), logDirs: [] };
    case 'explain-shared':
      return sharedFacts(ready?.live() ?? [], asked);
    case 'memory-stats':
      return reportMemory(rooms);
    case 'task-dump':
      return reportTasks(rooms);
    case 'compact-spool':
      return spool?.compact?.();
    case 'set-log-filter':
      return setDiagnosticFilter(asked);
    case 'preview':
      return previewTarget(asked, rooms);
  }
}

function abortConnection(
  { queue, sessionId }: InspectionRequests['abort-connection']['asked'],
  ready: ReadyQueues | undefined,
): InspectionRequests['abort-connection']['answer'] {
  const named = [...(ready?.live() ?? [])].filter(({ name }) => name === queue);
  if (named.length === 0) return 'no-queue';
  return named.some(({ open }) => open.abort(sessionId)) ? 'aborted' : 'no-session';
}

async function previewTarget(target: AdminTarget, { queues, ready }: InspectedRooms): Promise<TargetPart> {
  if (target.kind === 'scheduled') {
    return (await queues?.inspection.preview(target.selector)) ?? { byQueue: new Map(), sample: [] };
  }
  const part = { byQueue: new Map<string, number>(), sample: [] as TargetPart['sample'] };
  for (const queue of ready?.live() ?? []) {
    if (queue.name !== target.name || queue.length === 0) continue;
    part.byQueue.set(queue.name, (part.byQueue.get(queue.name) ?? 0) + queue.length);
    for (const { entry, home } of queue.waiting(0, PREVIEW_SAMPLE)) {
      part.sample.push({ id: entry.id, queue: home.name });
    }
  }
  return part;
}
