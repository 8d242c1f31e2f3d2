import type { RebindRequest } from './flow/scheduled-queue/index.ts';
import type { LineBatch } from './io/delivery-log/index.ts';
import type { SharedLimits } from './io/limits/index.ts';
import type {
  DealRequest,
  MetricsOverview,
  MetricsRequest,
  PartsRequest,
  SeriesPage,
} from './io/metrics/index.ts';
import type {
  AdminChange,
  AdminCounts,
  AdminKind,
  InitDeclaration,
  InspectionRequests,
  ListedRule,
  MonthTotals,
  NewRule,
  PolicyStatus,
  ShardInspectionRequests,
  TraceSide,
} from './model/index.ts';

/** What a shard is started with. */
export interface ShardStart {
  shard: number;
  shards: number;
  /** Policy file, absolute. */
  policy: string;
  /** What pre_init and init declared; the shard keeps the options it needs. Ports are never 0 here. */
  declarations: InitDeclaration[];
  limits: SharedLimits;
  /** Memory of the GenerationNumber. */
  generation: SharedArrayBuffer;
  /** What the files of the policy said when the coordinator read them, by path. */
  texts: ReadonlyMap<string, Uint8Array>;
  nodeId: string;
  /** Name of this machine, for listeners that name none. */
  hostname: string;
}

/** What the coordinator asks of every shard. */
export interface ShardRequests extends ShardInspectionRequests {
  metrics: { asked: readonly string[] | undefined; answer: MetricsOverview };
  'metrics-deal': { asked: DealRequest; answer: Uint32Array };
  'metrics-parts': { asked: PartsRequest; answer: SeriesPage[] };
  /** Load the next generation of the policy beside the one that serves. */
  'prepare-policy': { asked: NextGeneration; answer: undefined };
  /** That one will not serve. */
  'drop-policy': { asked: number; answer: undefined };
  /** It serves: take what it says for what is kept of the one before. */
  'policy-switched': { asked: undefined; answer: undefined };
  /** Put queued messages elsewhere; answered when it has begun. */
  rebind: { asked: RebindRequest; answer: undefined };
  /** The rules of the administrators change. */
  'admin-change': { asked: AdminChange; answer: undefined };
  /** What the rules of a kind did. */
  'admin-counts': { asked: AdminKind; answer: AdminCounts };
  /** Somebody watches sessions from now on. */
  trace: { asked: AskedTrace; answer: undefined };
  /** Generations before the one that serves, with the events that they still handle. */
  'old-policies': { asked: undefined; answer: { generation: number; running: number }[] };
}

/** What a shard asks of the coordinator. */
export interface CoordinatorRequests extends InspectionRequests {
  /** The metrics of all shards, added up: gives a number to ask for the pieces with. */
  'metrics-begin': { asked: MetricsRequest; answer: number };
  /** The next piece, undefined after the last. */
  'metrics-next': { asked: number; answer: Uint8Array | undefined };
  /** The rest is not wanted. */
  'metrics-give-up': { asked: number; answer: undefined };
  'policy-status': { asked: undefined; answer: PolicyStatus };
  /** Build the next generation of the policy although no file changed; says who wants it. */
  'bump-epoch': { asked: string; answer: undefined };
  /** Mail that this shard received and delivered, for the totals of the process. */
  account: { asked: MonthTotals[]; answer: undefined };
  /** All mail of this shard is at rest. Answered by the pool once that holds for every shard. */
  drained: { asked: undefined; answer: undefined };
  /** Put queued messages elsewhere, in every shard. */
  rebind: { asked: RebindRequest; answer: undefined };
  /** A new rule for every shard. */
  'admin-put': {
    asked: { kind: AdminKind; rule: NewRule; sweep: boolean };
    answer: { id: string } | { problem: string };
  };
  'admin-list': { asked: AdminKind; answer: ListedRule[] };
  /** Whether there was such a rule. */
  'admin-delete': { asked: { kind: AdminKind; id: string }; answer: boolean };
  /** Somebody wants to watch the sessions of every shard. */
  trace: { asked: AskedTrace; answer: undefined };
  /** The policy read or wrote a file. */
  'file-used': { asked: { path: string; use: 'read' | 'written' }; answer: undefined };
  /** Files that are monitored now. */
  'monitored-files': { asked: undefined; answer: string[] };
}

/** `trace` is a name for it that nothing else has. */
export interface AskedTrace {
  trace: string;
  side: TraceSide;
}

/** What the pool does not answer by itself. */
export type CoordinatorQuestion = Exclude<Question<CoordinatorRequests>, { kind: 'drained' }>;

/** A question of one of those kinds, and the answer to it. */
export type Question<Requests extends Record<keyof Requests, { asked: unknown }>> = {
  [Kind in keyof Requests]: { kind: Kind; asked: Requests[Kind]['asked'] };
}[keyof Requests];
export type Answered = { value: unknown } | { error: string };

export interface NextGeneration {
  generation: number;
  /** What the files of the policy say, by path, so that every shard runs the same. */
  texts: ReadonlyMap<string, Uint8Array>;
  /** What its init declares. */
  declarations: InitDeclaration[];
}

/** What the coordinator tells a shard. */
export type ToShard =
  /** Privileges are dropped and the spool is locked: open it and begin to accept. */
  | { kind: 'open-spool' }
  /** The writer has room again after the batch with this number. */
  | { kind: 'lines-taken'; batch: number }
  | { kind: 'question'; number: number; question: Question<ShardRequests> }
  | { kind: 'answer'; number: number; answer: Answered }
  /** Finish what is in hand and answer `stopped`. */
  | { kind: 'stop' };

/** What a shard tells the coordinator. */
export type FromShard =
  /** Every listener of the shard is bound. */
  | { kind: 'bound' }
  | { kind: 'enumerated'; messages: number; quarantined: number }
  | { kind: 'lines'; batch: number; batches: LineBatch[] }
  | { kind: 'question'; number: number; question: Question<CoordinatorRequests> }
  | { kind: 'answer'; number: number; answer: Answered }
  | { kind: 'failed'; message: string }
  | { kind: 'stopped' };
