export type { ScheduleParts } from './parts.ts';
export { ScheduledQueue } from './queue.ts';
export { QueueConfigError } from './queue-configs.ts';
export type { GateVerdict } from './ready-gate.ts';
export type { RebindRequest, RebindSummary } from './rebinding.ts';
export { ScheduledQueues } from './scheduled-queues.ts';
