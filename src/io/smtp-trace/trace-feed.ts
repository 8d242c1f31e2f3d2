import {
  Fifo,
  type Json,
  type JsonObject,
  jsonWithoutSecrets,
  type TraceEvent,
  type TraceFilter,
  type TracePayload,
  type TraceRequest,
  type TraceSide,
  terseForm,
  traceFilter,
} from '../../model/index.ts';

/** What waits for one who watches, at most. */
export interface FeedLimits {
  events: number;
  /** UTF-16 units of their texts. */
  length: number;
}

/** What is sent at a time. */
const BATCH: FeedLimits = { events: 256, length: 262_144 };

/**
 * The events of one shard for one who watches, as texts.
 * waiting for the request → waiting for room at the reader ⇄ sending. Whatever the reader does, nobody else waits:
 * what does not fit is counted, costs next to nothing, and is told of where it is missing.
 */
export class TraceFeed {
  readonly #side: TraceSide;
  readonly #limits: FeedLimits;
  readonly #send: (events: string[]) => void;
  readonly #events = new Fifo<string>();
  #length = 0;
  #missed = 0;
  #missedSince = '';
  #filter: TraceFilter | undefined;
  #isTerse = false;
  /** The reader has taken what was sent. */
  #hasRoom = false;
  #isSending = false;
  #isClosed = false;

  constructor(side: TraceSide, limits: FeedLimits, send: (events: string[]) => void) {
    this.#side = side;
    this.#limits = limits;
    this.#send = send;
  }

  offer(
    meta: JsonObject,
    payload: TracePayload | (() => TracePayload),
    { secrets, when }: { secrets: readonly string[]; when: string },
  ): void {
    if (this.#filter !== undefined && !this.#filter(meta)) return;
    if (this.#events.length >= this.#limits.events || this.#length >= this.#limits.length) {
      if (this.#missed++ === 0) this.#missedSince = when;
      return;
    }
    this.#tellMissed();
    const whole = typeof payload === 'function' ? payload() : payload;
    const plain = jsonWithoutSecrets(whole as Json, secrets) as TracePayload;
    const shown = this.#isTerse ? terseForm(plain, this.#side) : plain;
    this.#push({ conn_meta: jsonWithoutSecrets(meta, secrets), payload: shown, when });
    this.#sendSoon();
  }

  /** The reader says what it wants, and that it has room. Throws CidrError. */
  start(request: TraceRequest): void {
    const filter = traceFilter(request, this.#side);
    this.#isTerse = request.terse === true;
    const early: string[] = [];
    for (let text = this.#events.shift(); text !== undefined; text = this.#events.shift()) early.push(text);
    this.#length = 0;
    this.#filter = filter;
    for (const text of early) {
      const event = JSON.parse(text) as TraceEvent;
      if (event.conn_meta !== null && !filter(event.conn_meta)) continue;
      this.#push(this.#isTerse ? { ...event, payload: terseForm(event.payload, this.#side) } : event);
    }
    this.more();
  }

  /** The reader has room. */
  more(): void {
    this.#hasRoom = true;
    this.#sendSoon();
  }

  close(): void {
    this.#isClosed = true;
  }

  #push(event: TraceEvent): void {
    const text = JSON.stringify(event);
    this.#events.push(text);
    this.#length += text.length;
  }

  #tellMissed(): void {
    if (this.#missed === 0) return;
    const message = `Tracer Lagged behind and missed ${this.#missed} events`;
    this.#missed = 0;
    const when = this.#missedSince;
    this.#push({ conn_meta: null, payload: { Diagnostic: { level: 'ERROR', message } }, when });
  }

  /** Next turn, with what comes until then. */
  #sendSoon(): void {
    if (this.#isSending || !this.#hasRoom || this.#events.length === 0) return;
    this.#isSending = true;
    setImmediate(() => {
      this.#isSending = false;
      if (!this.#isClosed) this.#sendBatch();
    });
  }

  #sendBatch(): void {
    const batch: string[] = [];
    let length = 0;
    while (batch.length < BATCH.events && length < BATCH.length) {
      const text = this.#events.shift();
      if (text === undefined) break;
      batch.push(text);
      length += text.length;
    }
    this.#length -= length;
    if (this.#events.length === 0) this.#tellMissed();
    this.#hasRoom = false;
    this.#send(batch);
  }
}
