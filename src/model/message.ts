import type { EnvelopeAddress } from '../protocol/smtp/index.ts';
import type { JsonObject, MaybePromise } from './json.ts';
import type { MessageId, SpoolEntry } from './spool.ts';

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
  /** Set once the message is in the spool. */
  entry: SpoolEntry | undefined;
  /** True when envelope or metadata differ from what the spool has. */
  dirty = false;
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
    if (this.#load === undefined) return Buffer.alloc(0);
    return this.#load().then((body) => {
      this.body = body;
      return body;
    });
  }

  /** Replaces the whole message. */
  setData(body: Buffer): void {
    this.body = body;
    this.size = body.length;
    this.dirty = true;
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
