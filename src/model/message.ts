import type { EnvelopeAddress } from '../protocol/smtp/index.ts';
import { cloneJson, type JsonObject, type MaybePromise } from './json.ts';
import type { Schedule } from './schedule.ts';
import type { MessageId, SpoolEntry } from './spool.ts';

/** Where a message is kept; it can be saved there and its body read again. */
export interface MessageKeeper {
  save(message: Message): Promise<void>;
  loadBody(message: Message): Promise<Buffer>;
}

/**
 * A message in full: what reception builds, what policy sees, what delivery sends. The queues hold the
 * compact QueuedMessage instead and load this when it is needed.
 */
export class Message {
  readonly id: MessageId;
  sender: EnvelopeAddress;
  recipients: EnvelopeAddress[];
  meta: JsonObject;
  /** Undefined while the body is only on disk; `load` brings it. */
  body: Buffer | undefined;
  /** Size of the body in bytes, also while it is only on disk. */
  size: number;
  /** Attempts already counted. */
  attempts = 0;
  /** Milliseconds since the epoch; 0 = at once. */
  due = 0;
  /** When it may be delivered; undefined for at any time. */
  schedule: Schedule | undefined;
  /** The queue that policy took it from, and why, as long as no record says so. */
  moved: { from: string; reason: string } | undefined;
  /** Set once the message is in the spool. */
  entry: SpoolEntry | undefined;
  /** Set together with `entry`. */
  keeper: MessageKeeper | undefined;
  /** True when envelope or metadata differ from what the spool has. */
  dirty = false;
  /** True when the body differs from what the spool has; it is then not let go of. */
  #bodyChanged = false;
  readonly #load: (() => Promise<Buffer>) | undefined;

  constructor(parts: MessageParts) {
    this.id = parts.id;
    this.sender = parts.sender;
    this.recipients = parts.recipients;
    this.meta = parts.meta;
    this.body = parts.body;
    this.size = parts.size ?? parts.body?.length ?? 0;
    this.#load = parts.load;
  }

  /** The whole message as bytes, from memory or from the spool. */
  data(): MaybePromise<Buffer> {
    if (this.body !== undefined) return this.body;
    const load = this.#load?.() ?? this.keeper?.loadBody(this);
    if (load === undefined) return Buffer.alloc(0);
    return load.then((body) => {
      this.body = body;
      return body;
    });
  }

  /** Replaces the whole message. */
  setData(body: Buffer): void {
    this.body = body;
    this.size = body.length;
    this.dirty = true;
    this.#bodyChanged = true;
  }

  /** The body differs from what the spool has. */
  get isBodyChanged(): boolean {
    return this.#bodyChanged;
  }

  /** The spool is about to have what the message is now. Gives a function for when it did not work out. */
  savingBegins(): () => void {
    const bodyChanged = this.#bodyChanged;
    this.dirty = false;
    this.#bodyChanged = false;
    return () => {
      this.dirty = true;
      this.#bodyChanged ||= bodyChanged;
    };
  }

  /** Remembers the message as it is. Gives a function that puts all of it back. */
  remember(): () => void {
    const { sender, body, size, attempts, due, schedule, moved, dirty } = this;
    const recipients = [...this.recipients];
    const bodyChanged = this.#bodyChanged;
    const meta = cloneJson(this.meta);
    return () => {
      Object.assign(this, { sender, recipients, meta, size, attempts, due, schedule, moved, dirty });
      // A body that was only read meanwhile is still the same one.
      if (this.#bodyChanged !== bodyChanged || bodyChanged) this.body = body;
      this.#bodyChanged = bodyChanged;
    };
  }

  /** Called when the spool has the message with this body. */
  keptBy(keeper: MessageKeeper, entry: SpoolEntry): void {
    this.keeper = keeper;
    this.entry = entry;
    this.dirty = false;
    this.#bodyChanged = false;
  }

  /** Lets go of the body where the spool has it; true when memory was freed. */
  shrink(): boolean {
    if (this.body === undefined || this.keeper === undefined || this.#bodyChanged) return false;
    this.body = undefined;
    return true;
  }

  /**
   * Sets when the next attempt is made, in ms since the epoch, 0 for at once; the schedule moves it on to the next
   * moment that it allows.
   */
  setDue(due: number, now: number): void {
    if (this.schedule === undefined) this.due = due;
    else {
      const allowed = this.schedule.adjust(Math.max(due, now));
      this.due = allowed <= now ? 0 : allowed;
    }
  }
}

export interface MessageParts {
  id: MessageId;
  sender: EnvelopeAddress;
  recipients: EnvelopeAddress[];
  meta: JsonObject;
  body?: Buffer;
  size?: number;
  load?: () => Promise<Buffer>;
}
