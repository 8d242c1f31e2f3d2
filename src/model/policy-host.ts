import type { AdminPort } from './admin-actions.ts';
import type { Clock } from './clock.ts';
import type { Diagnostics } from './diagnostics.ts';
import type { InjectionPort } from './generation.ts';
import type { QueuePort } from './kept/index.ts';
import type { Counters, Throttles } from './limits.ts';
import type { Message } from './message.ts';
import type { MtaStsPolicies } from './mta-sts.ts';
import type { Resolver } from './resolver.ts';

/** Something that `init` asked for, such as a listener; the coordinator hands the list to the shards. */
export interface InitDeclaration {
  /** Name of the Lua function, such as `start_esmtp_listener`. */
  kind: string;
  /** Its options, parsed, as plain data that can be posted to a worker. */
  options: unknown;
  /** FILE:LINE of the call. */
  where: string;
}

/** What policy functions can reach. One per Lua state owner: the coordinator, each shard, the validator. */
export interface PolicyHost {
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  readonly throttles: Throttles;
  readonly resolver: Resolver;
  /** The resolver of kumo.dns.define_resolver. */
  resolverNamed?(name: string): Resolver | undefined;
  /** Without it, domains have no MTA-STS policies. */
  readonly mtaSts?: MtaStsPolicies;
  /** Numbers shared by the whole process; without them they are those of this owner alone. */
  readonly counters?: Counters;
  /** Random number in [0, 1). */
  random(): number;
  /** True under `moonpost --validate`. */
  readonly validating: boolean;
  /** Takes what `pre_init` and `init` declare; elsewhere a no-op, since the shards were handed it. */
  declare(declaration: InitDeclaration): void;
  /** Options of the last declaration of that kind in pre_init or init. */
  declared?(kind: string): unknown;
  /** The metrics of the process, as /metrics shows them. */
  metricsText?(): Promise<string>;
  /** kumo.make_message and friends need an id. */
  newMessageId(): string;
  /** kumo.inject_message. */
  inject(message: Message): Promise<void>;
  /** kumo.api.inject; absent where no mail is taken. */
  readonly injection?: InjectionPort;
  /** True for the first caller with this key in the whole process; for what is to be said once. */
  once(key: string): boolean;
  /** The queues of kumo.mpsc of the whole process; without them they are those of this owner alone. */
  readonly queues?: QueuePort;
  /** The rules of the administrators of the whole process; without it they are those of this owner alone. */
  readonly admin?: AdminPort;
  /** Number of the configuration epoch; 0 where there are none. */
  configEpoch?(): number;
  /** Begins the next configuration epoch although no file changed. */
  bumpEpoch?(): void;
  /** The policy read a file, whose change begins the next epoch then, or wrote one, which is its own affair. */
  readonly fileUsed?: (path: string, use: 'read' | 'written') => void;
  /** Paths of the files whose change begins the next one. */
  monitoredFiles?(): Promise<string[]>;
  /** Seconds that a timer of the policy measured, for the metric user_lua_latency. */
  observeLatency?(label: string, seconds: number): void;
  /** kumo.validation_failed; `why` is what was found, a line for each finding. */
  validationFailed(why?: string): void;
}
