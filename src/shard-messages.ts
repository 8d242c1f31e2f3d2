import type { LineBatch } from './io/delivery-log/index.ts';
import type { SharedLimits } from './io/limits/index.ts';
import type { RegistrySnapshot } from './io/metrics/index.ts';
import type { InitDeclaration } from './model/index.ts';

/** What a shard is started with. */
export interface ShardStart {
  shard: number;
  shards: number;
  /** Policy file, absolute. */
  policy: string;
  /** What pre_init and init declared; the shard keeps the options it needs. Ports are never 0 here. */
  declarations: InitDeclaration[];
  limits: SharedLimits;
  nodeId: string;
  /** Name of this machine, for listeners that name none. */
  hostname: string;
}

/** What the coordinator tells a shard. */
export type ToShard =
  /** Privileges are dropped and the spool is locked: open it and begin to accept. */
  | { kind: 'open-spool' }
  /** The writer has room again after the batch with this number. */
  | { kind: 'lines-taken'; batch: number }
  | { kind: 'metrics'; request: number }
  /** The metrics of all shards, for a question of this shard. */
  | { kind: 'all-metrics'; question: number; snapshot: RegistrySnapshot }
  /** Finish what is in hand and answer `stopped`. */
  | { kind: 'stop' };

/** What a shard tells the coordinator. */
export type FromShard =
  /** Every listener of the shard is bound. */
  | { kind: 'bound' }
  | { kind: 'enumerated'; messages: number; quarantined: number }
  | { kind: 'lines'; batch: number; batches: LineBatch[] }
  | { kind: 'metrics'; request: number; snapshot: RegistrySnapshot }
  | { kind: 'ask-metrics'; question: number }
  | { kind: 'failed'; message: string }
  | { kind: 'stopped' };
