import type { ExplainAnswer, ExplainAsked, SharedFacts, SharedFactsAsked } from './explanation.ts';
import type { JsonObject } from './json.ts';
import type { MachineDescription } from './machine.ts';
import type { QueueSelector } from './queue-selector.ts';
import type { Ceilings } from './throughput.ts';

/** A queued message as administrators see it. */
export interface InspectedMessage {
  id: string;
  sender: string;
  recipients: string[];
  meta: JsonObject;
  /** The whole message; null when it was not asked for, or too much was. What is no UTF-8 is replaced. */
  data: string | null;
  scheduling?: JsonObject;
  /** ms since the epoch; 0 when it is due at once. */
  due: number;
  attempts: number;
}

/** A scheduled queue as administrators see it. */
export interface InspectedQueue {
  messages: InspectedMessage[];
  /** Messages that belong to it. */
  size: number;
  /** Null when policy was not asked for it yet. */
  config: JsonObject | null;
  /** When a message came or went last, ms since the epoch. */
  lastChanged: number;
}

/** Why a ready queue does not go on. */
export interface ReadyState {
  /** Which limit or rate it is. */
  context: string;
  /** ms since the epoch. */
  since: number;
}

/** What a connection does now, by the names that clients know. */
export type ConnectionPhase =
  | 'Starting'
  | 'Idle'
  | 'ConnectionRateThrottled'
  | 'MessageRateThrottled'
  | 'AttemptingConnection'
  | 'DeliveringMessage'
  | 'Closing';

/** A connection as administrators see it. Times in ms since the epoch. */
export interface InspectedConnection {
  /** Null until a host has greeted, and where policy delivers. */
  sessionId: string | null;
  startedAt: number;
  phase: ConnectionPhase;
  phaseSince: number;
  /** Messages, each by the best of its outcomes. */
  delivered: number;
  transfailed: number;
  failed: number;
  /** To the host that it is connected with. */
  deliveredHere: number;
}

/** A ready queue as administrators see it. */
export interface InspectedReadyQueue {
  source: string;
  /** Of the message that is next; null when none waits. */
  pool: string | null;
  /** Messages that wait. */
  ready: number;
  connections: InspectedConnection[];
  states: ReadyQueueStates;
  /** ms without progress after which the watchdog ends a connection. */
  patience: number;
  path: JsonObject;
  ceilings: Ceilings;
  /** Scheduled queues that messages wait from, as far as was looked. */
  queues: string[];
}

/** What holds up a ready queue, by the names that clients know. */
export interface ReadyQueueStates {
  connection_limited?: ReadyState;
  connection_rate_throttled?: ReadyState;
}

/** What administrators ask to see of every shard (operations.md 5.4, 5.5 and 5.8). */
export interface InspectionRequests {
  'inspect-message': { asked: { id: string; wantBody: boolean }; answer: InspectedMessage | undefined };
  /** `limit`: the most messages to show. */
  'inspect-queue': {
    asked: { name: string; limit: number; wantBody: boolean };
    answer: InspectedQueue | undefined;
  };
  /** `withQueues`: with the names of the scheduled queues that feed it. */
  'inspect-ready-queue': {
    asked: { name: string; withQueues: boolean };
    answer: InspectedReadyQueue | undefined;
  };
  /** By the name of the ready queue; those that nothing holds up are left out. */
  'ready-states': { asked: undefined; answer: ReadonlyMap<string, ReadyQueueStates> };
  /** Ends the connection of a ready queue that has this session. */
  'abort-connection': {
    asked: { queue: string; sessionId: string };
    answer: 'aborted' | 'no-session' | 'no-queue';
  };
  /** What a change would touch; nothing is changed. */
  preview: { asked: AdminTarget; answer: Preview };
  /** Undefined until it is known. */
  machine: { asked: undefined; answer: MachineDescription | undefined };
  /** Text for people, of no stable form. */
  'memory-stats': { asked: undefined; answer: string };
  /** Likewise; asked: how long a shard may take for it, ms. */
  'task-dump': { asked: number; answer: string };
  /** The spool gives back what space it can; answered when that is done. */
  'compact-spool': { asked: undefined; answer: undefined };
  /** Which diagnostic lines are written from now on. */
  'set-log-filter': { asked: string; answer: undefined };
  /** `even`: although there is no queue of that name. */
  explain: { asked: { about: ExplainAsked; even?: boolean }; answer: ExplainAnswer };
  'explain-shared': { asked: SharedFactsAsked; answer: SharedFacts };
}

/** The same of one shard. */
export interface ShardInspectionRequests extends Omit<InspectionRequests, 'preview' | 'machine'> {
  preview: { asked: AdminTarget; answer: TargetPart };
}

/** One of those requests. */
export type InspectionRequest = {
  [Kind in keyof InspectionRequests]: { kind: Kind; asked: InspectionRequests[Kind]['asked'] };
}[keyof InspectionRequests];

/** Asks every shard. */
export type Inspect = <Kind extends keyof InspectionRequests>(
  kind: Kind,
  asked: InspectionRequests[Kind]['asked'],
) => Promise<InspectionRequests[Kind]['answer']>;

/** The messages that an administrator means: of scheduled queues, or of a ready queue. */
export type AdminTarget = { kind: 'scheduled'; selector: QueueSelector } | { kind: 'ready'; name: string };

/** What a shard has of them. */
export interface TargetPart {
  /** Messages by queue, without those that have none. */
  byQueue: ReadonlyMap<string, number>;
  /** A few of the messages. */
  sample: TargetMessage[];
}

export interface TargetMessage {
  id: string;
  /** Its scheduled queue. */
  queue: string;
}

/** What the whole process has of them. */
export interface Preview {
  messages: number;
  queues: number;
  /** The queues with the most messages. */
  deepest: { queue: string; messages: number }[];
  sample: TargetMessage[];
}

/** How many queues and messages a preview shows. */
export const PREVIEW_SAMPLE = 10;

/** Adds up what the shards have. */
export function mergePreviews(parts: readonly TargetPart[]): Preview {
  const byQueue = new Map<string, number>();
  let messages = 0;
  for (const part of parts) {
    for (const [queue, count] of part.byQueue) {
      byQueue.set(queue, (byQueue.get(queue) ?? 0) + count);
      messages += count;
    }
  }
  const deepest = Array.from(byQueue, ([queue, count]) => ({ queue, messages: count }))
    .sort((a, b) => b.messages - a.messages || (a.queue < b.queue ? -1 : 1))
    .slice(0, PREVIEW_SAMPLE);
  const sample = parts.flatMap((part) => part.sample).slice(0, PREVIEW_SAMPLE);
  return { messages, queues: byQueue.size, deepest, sample };
}

/** Of the same state in several places the one that lasts for longest. */
export function earliestStates(parts: readonly ReadyQueueStates[]): ReadyQueueStates {
  const merged: ReadyQueueStates = {};
  for (const states of parts) {
    for (const [state, own] of Object.entries(states) as [keyof ReadyQueueStates, ReadyState][]) {
      const known = merged[state];
      if (known === undefined || own.since < known.since) merged[state] = own;
    }
  }
  return merged;
}

/** The parts of a ready queue, one or more in each shard; undefined when there are none. */
export function mergeReadyQueues(parts: readonly InspectedReadyQueue[]): InspectedReadyQueue | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  return {
    ...first,
    pool: parts.find(({ pool }) => pool !== null)?.pool ?? null,
    ready: parts.reduce((sum, { ready }) => sum + ready, 0),
    connections: parts.flatMap(({ connections }) => connections),
    states: earliestStates(parts.map(({ states }) => states)),
    queues: [...new Set(parts.flatMap(({ queues }) => queues))].sort(),
  };
}
