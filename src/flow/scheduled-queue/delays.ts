import { measured, type RequeueReason } from '../../model/index.ts';

/** Counters of messages that were put back or had to wait, by why. */
const METRICS: Partial<Record<RequeueReason, string>> = {
  MessageRateThrottle: 'delayed_due_to_message_rate_throttle',
  ReadyQueueWasFull: 'delayed_due_to_ready_queue_full',
  ThrottledByThrottleInsertReadyQueue: 'delayed_due_to_throttle_insert_ready',
};

/** Counts a delay of one message of the queue. */
export function countDelay(queue: string, reason: RequeueReason): void {
  const metric = METRICS[reason];
  if (metric !== undefined) measured.series(metric, queue).add();
}

/** The queue is gone, and what was counted for it. */
export function forgetDelays(queue: string): void {
  for (const metric of Object.values(METRICS)) measured.drop(metric, queue);
}
