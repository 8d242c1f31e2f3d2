import { type Difference, decided } from './difference.ts';

/** Where the way of a message through its queues is not as in KumoMTA. */
export const queueDifferences: readonly Difference[] = [
  decided(
    'event',
    'throttle_insert_ready_queue',
    'The due time that the handler sets is kept. KumoMTA overwrites it with a random 0 to 59 s. During reception it is asked before max_message_rate of the queue.',
  ),
  decided(
    'behaviour',
    'max_message_rate of a queue',
    'What exceeds it waits in line, with its Delayed record, and goes on in order; requeue_message is not fired for it.',
  ),
  decided(
    'behaviour',
    'original_message of feedback_report',
    'When it is not UTF-8 and longer than 64 KiB it is text with replacement characters; a list of its bytes would be many times as long.',
  ),
];
