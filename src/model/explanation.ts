import type { ConnectionPlan } from './connection-plan.ts';
import type { EffectiveOption } from './effective-options.ts';
import type { ReadyQueueStates } from './inspection.ts';
import type { JsonObject } from './json.ts';
import type { MxGroup } from './mx-resolution.ts';
import type { RequeueReason } from './outcome.ts';
import type { QueueNameParts } from './queue-name.ts';
import type { RetryOptions } from './retry-schedule.ts';

/** What an explanation is asked for: a queued message, a queue, or a message that somebody thinks of. */
export type ExplainAsked =
  /** `id` without hyphens. */
  | { kind: 'message'; id: string }
  | { kind: 'queue'; name: string }
  | { kind: 'envelope'; sender: string; recipient: string; name: string };

/** A rule of an administrator that matches. */
export interface RuleFact {
  id: string;
  reason: string;
  /** ms since the epoch. */
  expires: number;
}

/** A rate, as full as it is. */
export interface RateFact {
  /** As in the configuration; `additional_message_rate_throttles.NAME` for one of a table. */
  option: string;
  key: string;
  /** As policy writes it. */
  rate: string;
  capacity: number;
  remaining: number;
  /** ms until the next request is admitted; 0 when it is now. */
  clearsIn: number;
}

/** A number of connections at a time, and who has them. */
export interface LimitFact {
  option: string;
  key: string;
  limit: number;
  held: number;
  /** Connections of each ready queue that counts against it, most first; not all of very many. */
  holders: { queue: string; connections: number }[];
}

/** Where a message is. */
export type MessagePlace =
  /** It waits for its due time. */
  | { kind: 'scheduled' }
  /** It is due and waits in its scheduled queue; `ahead` is undefined for one far behind. */
  | { kind: 'line'; ahead: number | undefined }
  | { kind: 'ready'; queue: string; source: string; ahead: number }
  /** A connection has it, or it is on its way between two places. */
  | { kind: 'hand' };

export interface MessageFacts {
  id: string;
  sender: string;
  recipients: string[];
  /** The parts of the metadata that name queues. */
  meta: JsonObject;
  bytes: number;
  /** ms since the epoch, as all times here. */
  created: number;
  due: number;
  attempts: number;
  place: MessagePlace;
  /** As set by set_scheduling. */
  scheduling?: JsonObject;
  expires?: number;
}

export interface QueueFacts {
  name: string;
  parts: QueueNameParts;
  /** Messages that belong to it, in all shards. */
  size: number;
  /** Of those, the due ones that wait in line. */
  line: number;
  /** Why the line waits. */
  hold?: { reason: RequeueReason; until: number };
  bounce?: RuleFact;
  suspension?: RuleFact;
  rate?: RateFact;
  /** The delivery log or a log hook cannot keep up, and all queues pause. */
  isStalled: boolean;
  /** Policy is asked before a message goes on (throttle_insert_ready_queue). */
  isGated: boolean;
  /** `smtp`, `maildir`, `custom_lua`. */
  protocol?: string;
  retry?: RetryOptions;
  options: EffectiveOption[];
  /** Policy could not say how it is configured. */
  error?: string;
}

/** Where the mail of a domain goes. */
export interface SiteFacts {
  domain: string;
  name?: string;
  /** Of DNS; absent where the queue lists hosts itself, or sends by other means. */
  mx?: { groups: MxGroup[]; isMx: boolean; isNullMx: boolean; mtaSts: string; ttl: number };
  error?: string;
}

/** A ready queue, the one there is or the one there would be. */
export interface ReadyFacts {
  name: string;
  isLive: boolean;
  length: number;
  capacity: number;
  connections: number;
  /** Connections that so many messages deserve. */
  ideal: number;
  suspension?: RuleFact;
  states: ReadyQueueStates;
  /** Sessions in a row that reached no host. */
  failures: number;
  failuresAllowed: number;
  limits: LimitFact[];
  connectionRate?: RateFact;
  messageRates: RateFact[];
  selectionRates: RateFact[];
  /** Longer waits for a rate put the whole ready queue back, ms. */
  idleTimeout: number;
  /** A session without progress ends after this, ms. */
  watchdog: number;
  options: EffectiveOption[];
  plan?: ConnectionPlan;
}

/** A source of the pool. */
export interface SourceFacts {
  name: string;
  weight: number;
  /** Part of the mail, 0 to 1. */
  share: number;
  address?: string;
  proxy?: string;
  ehlo?: string;
  /** It does not work, and is left out for so many ms more. */
  leftOut?: { why?: string; for: number };
  /** Why there is no path from it. */
  error?: string;
  ready?: ReadyFacts;
}

/** The way that mail of a queue takes. */
export interface RouteFacts {
  pool: string;
  poolError?: string;
  site?: SiteFacts;
  /** The first ones of very many. */
  sources: SourceFacts[];
  sourceCount: number;
}

/** All that a shard knows. Plain data. */
export interface ExplainFacts {
  asked: ExplainAsked;
  now: number;
  message?: MessageFacts;
  queue: QueueFacts;
  route?: RouteFacts;
}

/** What the process answers; without facts for a message that is in no queue. */
export interface ExplainAnswer {
  facts: ExplainFacts | undefined;
  /** Directories with the records of the process. */
  logDirs: string[];
}

/** What every shard is asked about what the shards have in common. */
export interface SharedFactsAsked {
  readyQueues: string[];
  limits: string[];
}

export interface SharedFacts {
  /** By the name of the ready queue. */
  readyQueues: ReadonlyMap<string, { length: number; connections: number; states: ReadyQueueStates }>;
  /** By the key of the limit. */
  holders: ReadonlyMap<string, { queue: string; connections: number }[]>;
}

/** Something that keeps mail from being delivered now. */
export interface Obstacle {
  /** `fails`: an attempt counts and is put off; `waits`: it stays where it is; `bounces`: it is over. */
  effect: 'fails' | 'waits' | 'bounces';
  what: string;
  /** When it ends, ms since the epoch; undefined when nobody knows. */
  clears?: number;
  /** What ends it, where no time does. */
  ends?: string;
  /** Where the option that does it was said. */
  origin?: string;
}

/** One step of the decision. */
export interface ExplainedStep {
  section: string;
  step: string;
  result: string;
  why?: string;
  origin?: string;
}

export interface Explanation {
  subject: string;
  /** What happens next and when, in a sentence or two. */
  answer: string;
  obstacles: Obstacle[];
  steps: ExplainedStep[];
  queue: { name: string; options: EffectiveOption[] };
  /** Of the sources that are shown. */
  paths: { source: string; readyQueue: string; options: EffectiveOption[] }[];
}
