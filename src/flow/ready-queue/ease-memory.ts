import type { Clock, MemoryState } from '../../model/index.ts';
import type { ReadyQueue } from './ready-queue.ts';

/** Messages and queues looked at per turn of the event loop. */
const STEPS_PER_TURN = 256;

/**
 * Has every ready queue do what a change of memory asks for: connections come or go, and when there is no memory left
 * messages that wait leave it as no_memory_reduction_policy says. Takes turns with everything else.
 */
export async function easeMemory(
  queues: Iterable<ReadyQueue>,
  memory: MemoryState,
  clock: Pick<Clock, 'after'>,
): Promise<void> {
  const { level } = memory;
  let steps = 0;
  const nextTurn = async (): Promise<void> => {
    steps = 0;
    await new Promise<void>((resolve) => void clock.after(0, resolve));
  };
  for (const queue of queues) {
    queue.memoryChanged();
    if (++steps >= STEPS_PER_TURN) await nextTurn();
    const how = queue.path.no_memory_reduction_policy;
    for (let from = 0; level === 'none' && from < queue.length; from += STEPS_PER_TURN) {
      const messages = queue.waiting(from, STEPS_PER_TURN);
      for (const message of messages) message.home.shrink(message, how);
      steps += messages.length;
      if (steps >= STEPS_PER_TURN) await nextTurn();
    }
    // Another change looks at all of them again.
    if (memory.level !== level) return;
  }
}
