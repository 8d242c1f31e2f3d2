import { expect, test } from 'vitest';
import { countDelay, forgetDelays } from '../../../src/flow/scheduled-queue/delays.ts';
import { measured } from '../../../src/model/index.ts';

/** Metrics that have a series for the queue. */
function metricsOf(queue: string): string[] {
  return [...measured.entries()]
    .filter(([, series]) => series.has(queue))
    .map(([name]) => name)
    .sort();
}

test('delays are counted by queue and reason, until the queue is gone', () => {
  const queue = 'delays.test';
  countDelay(queue, 'MessageRateThrottle');
  countDelay(queue, 'MessageRateThrottle');
  countDelay(queue, 'ReadyQueueWasFull');
  countDelay(queue, 'ThrottledByThrottleInsertReadyQueue');
  countDelay(queue, 'ScheduledForLater');
  expect(metricsOf(queue)).toEqual([
    'delayed_due_to_message_rate_throttle',
    'delayed_due_to_ready_queue_full',
    'delayed_due_to_throttle_insert_ready',
  ]);
  expect(measured.series('delayed_due_to_message_rate_throttle', queue).value).toBe(2);
  forgetDelays(queue);
  expect(metricsOf(queue)).toEqual([]);
});
