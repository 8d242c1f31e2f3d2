import type {
  Clock,
  DeliveryLog,
  Diagnostics,
  InitDeclaration,
  Message,
  PolicyEvents,
} from '../../model/index.ts';
import type { LogDispositionHookOptions, LogHookOptions } from '../../model/options/index.ts';

/** What the rooms around give to the log hooks. */
export interface LogHookParts {
  /** Where every record goes first. */
  log: DeliveryLog;
  policy: PolicyEvents;
  clock: Clock;
  diagnostics: Diagnostics;
  nodeId: string;
  /** When a message was made, in ms since 1970, from its id. */
  createdAt: (id: string) => number;
  newMessageId: () => string;
  /**
   * Puts a message into the spool and its queue. It is handed to the spool before this returns. Rejects with
   * SpoolWriteError when it could not be kept.
   */
  enqueue: (message: Message, isDeferred: boolean) => Promise<void>;
  /** A record found its hook full. */
  onBacklog: (hook: string) => void;
}

/** What a policy configures, in the order in which it does. */
export interface ConfiguredHooks {
  hooks: readonly LogHookOptions[];
  dispositionHooks: readonly LogDispositionHookOptions[];
}

/** What was declared of hooks, among all else. */
export function declaredHooks(declarations: readonly InitDeclaration[]): ConfiguredHooks {
  const of = <T>(kind: string): T[] =>
    declarations.filter((entry) => entry.kind === kind).map((entry) => entry.options as T);
  return { hooks: of('configure_log_hook'), dispositionHooks: of('configure_log_disposition_hook') };
}
