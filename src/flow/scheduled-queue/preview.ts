import {
  PREVIEW_SAMPLE,
  type QueueSelector,
  selectsQueue,
  type TargetMessage,
  type TargetPart,
} from '../../model/index.ts';
import type { ScheduleParts } from './parts.ts';
import type { ScheduledQueue } from './queue.ts';

/** Queues looked at per turn of the event loop. */
const QUEUES_PER_TURN = 500;

/** What a preview needs of the room. */
export interface PreviewRoom {
  readonly isStopping: boolean;
  live(): Iterable<ScheduledQueue>;
}

/**
 * How many messages the selected queues have, with a few of them. Queues know their size, so that only queues are
 * counted; a message that is on its way belongs to its queue too.
 */
export async function previewQueues(
  { clock }: Pick<ScheduleParts, 'clock'>,
  room: PreviewRoom,
  selector: QueueSelector,
): Promise<TargetPart> {
  const byQueue = new Map<string, number>();
  const sample: TargetMessage[] = [];
  let looked = 0;
  for (const queue of room.live()) {
    if (++looked % QUEUES_PER_TURN === 0) {
      await new Promise<void>((resolve) => void clock.after(0, resolve));
      if (room.isStopping) break;
    }
    if (queue.size === 0 || !selectsQueue(selector, queue)) continue;
    byQueue.set(queue.name, queue.size);
    const walk = queue.members.walk();
    while (sample.length < PREVIEW_SAMPLE) {
      const message = walk.next();
      if (message === undefined) break;
      sample.push({ id: message.entry.id, queue: queue.name });
    }
    walk.close();
  }
  return { byQueue, sample };
}
