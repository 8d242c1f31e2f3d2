export type { ScheduleParts } from './parts.ts';
export { ScheduledQueue } from './queue.ts';
export { QueueConfigError } from './queue-configs.ts';
export type { GateVerdict } from './ready-gate.ts';
export { ScheduledQueues } from './scheduled-queues.ts';
