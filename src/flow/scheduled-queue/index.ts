export type { ScheduleParts } from './parts.ts';
export { ScheduledQueue } from './queue.ts';
export { QueueConfigError } from './queue-configs.ts';
export { ScheduledQueues } from './scheduled-queues.ts';
