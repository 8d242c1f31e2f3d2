import type { EnvelopeAddress, Reply } from '../protocol/smtp/index.ts';
import type { AdminVerdict } from './admin-actions.ts';
import { CompactProgress } from './compact-progress.ts';
import type { Shrinking } from './memory.ts';
import type { Message } from './message.ts';
import type { RequeueReason } from './outcome.ts';
import type { QueueNameParts } from './queue-name.ts';
import { Schedule } from './schedule.ts';
import type { SpoolEntry } from './spool.ts';
import type { WheelNode } from './timer-wheel.ts';

/**
 * A message as the queues hold it: small, because there may be a million. Envelope, metadata and body are in
 * the spool; `loaded` keeps them in memory only while delivery is near.
 */
export class QueuedMessage extends CompactProgress implements WheelNode {
  wheelNext: WheelNode | undefined = undefined;
  wheelPrev: WheelNode | undefined = undefined;
  wheelSlot = -1;
  /** The messages before and after it in its home. */
  memberNext: QueuedMessage | undefined = undefined;
  memberPrev: QueuedMessage | undefined = undefined;
  /** Of the body, in bytes. */
  size: number;
  entry: SpoolEntry;
  home: MessageHome;
  /** The message while it is loaded, which has its schedule; else the schedule alone, if it has one. */
  #content: Message | Schedule | undefined;

  constructor(entry: SpoolEntry, home: MessageHome, size: number, loaded: Message | undefined) {
    super();
    this.entry = entry;
    this.home = home;
    this.size = size;
    this.#content = loaded;
    this.due = loaded?.due ?? 0;
    this.attempts = loaded?.attempts ?? 0;
  }

  /** Envelope, metadata and perhaps the body, while they are in memory. */
  get loaded(): Message | undefined {
    return this.#content instanceof Schedule ? undefined : this.#content;
  }

  set loaded(loaded: Message | undefined) {
    this.#content = loaded ?? this.schedule;
  }

  /** When it may be delivered; undefined, as for nearly all, for at any time. */
  get schedule(): Schedule | undefined {
    return this.#content instanceof Schedule ? this.#content : this.#content?.schedule;
  }

  set schedule(schedule: Schedule | undefined) {
    const { loaded } = this;
    if (loaded === undefined) this.#content = schedule;
    else loaded.schedule = schedule;
  }
}

/** The scheduled queue a message belongs to, as the rooms after it see it. */
export interface MessageHome {
  readonly name: string;
  readonly parts: QueueNameParts;
  readonly egressPool: string | undefined;
  readonly providerName: string | undefined;
  /** Takes a message back from delivery. Called exactly once for every message that was offered and accepted. */
  settle(message: QueuedMessage, settlement: Settlement): void;
  /** Memory is short: lets go of what is loaded of a message that nobody has in hand. */
  shrink(message: QueuedMessage, how: Shrinking): void;
}

export type Settlement =
  /** Every recipient is final: the message leaves the spool. */
  | { kind: 'done' }
  /** Policy let a deferred message pass: it goes to the queue that it names now, or is as before after `takeBack`. */
  | { kind: 'rebound'; message: Message; takeBack: () => void; protocol: string }
  /** An administrator wants it gone, or its queue to wait. */
  | AdminVerdict
  /** Nobody has it any more but `to`, who asked for it. */
  | { kind: 'handed'; to: (message: QueuedMessage) => void }
  /** Its ready queue was suspended: it looks for another at once, uncounted. */
  | { kind: 'reinsert' }
  /** What the spool kept of it can no longer be read; the spool has set the bytes aside. */
  | { kind: 'damaged'; why: string }
  /** Back to the scheduled queue. */
  | {
      kind: 'requeue';
      reply: Reply;
      reasons: RequeueReason[];
      /** Whether the attempt counts for the backoff. */
      counted: boolean;
      /** Milliseconds; undefined = the normal backoff, or a random delay when not counted. */
      delay: number | undefined;
      /** What the Delayed record says in place of the reasons. */
      delayedReply?: Reply;
      /** The recipients still to be served, when others are final. */
      remaining?: EnvelopeAddress[];
    };
