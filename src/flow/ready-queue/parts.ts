import type {
  AdminActions,
  Clock,
  Counters,
  DeliveryLog,
  Diagnostics,
  Leases,
  MessageStore,
  PolicyEvents,
  Throttles,
} from '../../model/index.ts';
import type { Dial, PeerSecurity } from '../delivery/index.ts';
import type { Routing } from './routing.ts';

/** What the rooms around give to the ready queues. */
export interface ReadyParts {
  policy: PolicyEvents;
  routing: Routing;
  throttles: Throttles;
  leases: Leases;
  counters: Counters;
  store: MessageStore;
  log: DeliveryLog;
  admin: AdminActions;
  diagnostics: Diagnostics;
  clock: Clock;
  /** Random number in [0, 1). */
  random: () => number;
  dial: Dial;
  security: PeerSecurity;
  /** Name of this machine, for EHLO when neither path nor source names one. */
  hostname: string;
  /** A ready queue of that name has been forgotten. */
  onReaped: (name: string) => void;
  /** Number of shards in the process; `max_ready` is divided among them. */
  shards: number;
}
