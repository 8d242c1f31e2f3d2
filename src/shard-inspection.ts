import type { ReadyQueues } from './flow/ready-queue/index.ts';
import type { ScheduledQueues } from './flow/scheduled-queue/index.ts';
import type { InspectionRequest, ReadyQueueStates } from './model/index.ts';

/** What a shard has of what an administrator asks to see; nothing as long as its spool is not open. */
export async function inspectShard(
  { kind, asked }: InspectionRequest,
  { queues, ready }: { queues: ScheduledQueues | undefined; ready: ReadyQueues | undefined },
): Promise<unknown> {
  switch (kind) {
    case 'inspect-message':
      return queues?.inspection.message(asked.id, asked.wantBody);
    case 'inspect-queue':
      return queues?.inspection.queue(asked.name, asked.limit, asked.wantBody);
    case 'ready-states': {
      const states = new Map<string, ReadyQueueStates>();
      for (const { name, states: own } of ready?.live() ?? [])
        if (Object.keys(own).length > 0) states.set(name, own);
      return states;
    }
  }
}
