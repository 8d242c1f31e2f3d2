import type {
  AdminActions,
  Clock,
  Counters,
  DeliveryLog,
  Diagnostics,
  GenerationOutcome,
  Leases,
  MemoryState,
  Message,
  MessageStore,
  PolicyEvents,
  SourceHealth,
  Throttles,
  TraceTap,
} from '../../model/index.ts';
import type { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { Dial, PeerSecurity, TransferClient } from '../delivery/index.ts';
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
  memory: MemoryState;
  /** Random number in [0, 1). */
  random: () => number;
  dial: Dial;
  security: PeerSecurity;
  /** Hands messages to other nodes; default over HTTP. */
  transfers?: Pick<TransferClient, 'send' | 'close'>;
  health: SourceHealth;
  /** UUID of this node, for others that take its messages. */
  nodeId: string;
  /** Name of this machine, for EHLO when neither path nor source names one. */
  hostname: string;
  /** Who gets all mail instead of its recipients; see kumo.policy.set_development_recipient. */
  developmentRecipient?: EnvelopeAddress | undefined;
  /** Makes the messages of a request with `deferred_generation`. Rejects when it cannot ever. */
  generate: (message: Message) => Promise<GenerationOutcome>;
  /** No descriptor or port was left for a connection. */
  onShortage?: (why: string) => void;
  /** Who watches the sessions. */
  trace?: TraceTap;
  /** A ready queue of that name has been forgotten. */
  onReaped: (name: string) => void;
  /** Number of shards in the process; `max_ready` is divided among them. */
  shards: number;
}
