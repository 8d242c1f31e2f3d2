import {
  type Clock,
  type DeliveryEvent,
  type DeliveryLog,
  type JsonObject,
  logRecord,
  type MaybePromise,
  Message,
  type RecordType,
  selectMeta,
  type Timer,
} from '../../model/index.ts';
import type { LocalLogsOptions } from '../../model/options/index.ts';
import { headersOf, headerValue } from '../../protocol/mime/index.ts';

/** Lines on their way to one file of one logger. */
export interface LineBatch {
  /** Index of the logger, in the order of configure_local_logs. */
  logger: number;
  suffix: string;
  /** Newline-terminated JSON. */
  lines: string;
}

export interface RecordLogParts {
  loggers: readonly LocalLogsOptions[];
  clock: Clock;
  nodeId: string;
  /** When a message was created, in ms since the epoch. */
  createdAt: (id: string) => number;
  /** Takes batches; resolves when the writer has room for more. */
  send: (batches: LineBatch[]) => Promise<void>;
}

/** Batches are sent this often, ms. */
const SEND_EVERY = 50;
/** Or when this many characters wait. */
const SEND_AT = 256 * 1024;
/** Callers wait when this many characters are written and not taken. */
const BACK_PRESSURE_AT = 8 * 1024 * 1024;

/**
 * The shard's side of the delivery log: makes records of events, for every logger, and passes them on in
 * batches. A writer that does not keep up makes callers wait; no record is dropped.
 */
export class RecordLog implements DeliveryLog {
  readonly #parts: RecordLogParts;
  readonly #headerPatterns: ((name: string) => boolean)[];
  #batches = new Map<string, LineBatch>();
  #waiting = 0;
  #inFlight = 0;
  #sending: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(parts: RecordLogParts) {
    this.#parts = parts;
    this.#headerPatterns = parts.loggers.map((logger) => matcher(logger.headers));
  }

  /** The writer does not keep up; no further mail should be taken. */
  get isStalled(): boolean {
    return this.#inFlight + this.#waiting > BACK_PRESSURE_AT;
  }

  write(event: DeliveryEvent): MaybePromise<void> {
    const { subject } = event;
    const needsBody =
      subject instanceof Message &&
      subject.body === undefined &&
      this.#parts.loggers.some((logger) => logger.headers.length > 0);
    // A body that cannot be read costs the record its headers, never the record.
    if (needsBody) {
      const append = (): MaybePromise<void> => this.#append(event);
      return Promise.resolve(subject.data()).then(append, append);
    }
    return this.#append(event);
  }

  /** Passes on what waits; resolves when the writer has it. */
  async flush(): Promise<void> {
    this.#send();
    await this.#sending;
  }

  #append(event: DeliveryEvent): MaybePromise<void> {
    const now = this.#parts.clock.now();
    this.#parts.loggers.forEach((logger, index) => {
      const how = perRecord(logger, event.type);
      if (!how.enable) return;
      const { subject } = event;
      const created = subject instanceof Message ? this.#parts.createdAt(subject.id) : now;
      const meta = selectMeta(subject.meta, logger.meta);
      const headers = this.#headers(subject, index);
      const record = logRecord(event, now, created, this.#parts.nodeId, meta, headers);
      this.#add(index, how.suffix ?? '', `${JSON.stringify(record)}\n`);
    });
    if (this.#waiting >= SEND_AT) this.#send();
    else if (this.#waiting > 0) this.#timer ??= this.#parts.clock.after(SEND_EVERY, () => this.#send());
    if (this.isStalled) return this.#sending;
  }

  #headers(subject: DeliveryEvent['subject'], logger: number): JsonObject {
    const headers: JsonObject = {};
    if (!(subject instanceof Message) || subject.body === undefined) return headers;
    if (this.#parts.loggers[logger]!.headers.length === 0) return headers;
    for (const field of headersOf(subject.body, this.#headerPatterns[logger])) {
      const value = String(headerValue(subject.body, field));
      const seen = headers[field.name];
      if (seen === undefined) headers[field.name] = value;
      else headers[field.name] = Array.isArray(seen) ? [...seen, value] : [seen, value];
    }
    return headers;
  }

  #add(logger: number, suffix: string, line: string): void {
    const key = `${logger} ${suffix}`;
    const batch = this.#batches.get(key);
    if (batch === undefined) this.#batches.set(key, { logger, suffix, lines: line });
    else batch.lines += line;
    this.#waiting += line.length;
  }

  #send(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiting === 0) return;
    const batches = [...this.#batches.values()];
    const size = this.#waiting;
    this.#batches = new Map();
    this.#waiting = 0;
    this.#inFlight += size;
    const taken = this.#parts.send(batches).finally(() => {
      this.#inFlight -= size;
    });
    this.#sending = Promise.all([this.#sending, taken]).then(() => {});
  }
}

function perRecord(
  logger: LocalLogsOptions,
  type: RecordType,
): { enable: boolean; suffix?: string | undefined } {
  return logger.per_record[type] ?? logger.per_record.Any ?? { enable: true };
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
  const exact = new Set(
    patterns.filter((pattern) => !pattern.endsWith('*')).map((name) => name.toLowerCase()),
  );
  const prefixes = patterns
    .filter((pattern) => pattern.endsWith('*'))
    .map((pattern) => pattern.slice(0, -1).toLowerCase());
  return (name) => {
    const lower = name.toLowerCase();
    return exact.has(lower) || prefixes.some((prefix) => lower.startsWith(prefix));
  };
}
