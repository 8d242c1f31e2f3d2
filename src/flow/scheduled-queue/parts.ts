import type {
  AdminActions,
  Clock,
  DeliveryLog,
  Diagnostics,
  MessageStore,
  PolicyEvents,
  Throttles,
} from '../../model/index.ts';
import type { ReadyQueues } from '../ready-queue/index.ts';

/** What the rooms around give to the scheduled queues. */
export interface ScheduleParts {
  policy: PolicyEvents;
  ready: ReadyQueues;
  store: MessageStore;
  throttles: Throttles;
  log: DeliveryLog;
  admin: AdminActions;
  diagnostics: Diagnostics;
  clock: Clock;
  /** Random number in [0, 1). */
  random: () => number;
  /** When a message was created, in ms since the epoch, from its id. */
  createdAt: (id: string) => number;
}
