import { headersOf, headerValue } from '../protocol/mime/index.ts';
import type { Json, JsonObject } from './json.ts';
import { type DeliveryEvent, type LogRecord, logRecord, type RecordType, selectMeta } from './log-record.ts';
import { Message } from './message.ts';
import { renderKeptJinja } from './texts/index.ts';

/** What local logs and log hooks say alike about what they want of each record. */
export interface LogSelectionOptions<P> {
  readonly meta: readonly string[];
  readonly headers: readonly string[];
  readonly per_record: Readonly<Partial<Record<RecordType | 'Any', P>>>;
}

export interface RecordFacts {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly nodeId: string;
  /** When a message was made, in ms since 1970, from its id. */
  readonly createdAt: (id: string) => number;
}

/** Which records one logger or hook takes, and what of the message goes into them (operations.md 10). */
export class LogSelection<P extends { readonly enable: boolean }> {
  readonly #options: LogSelectionOptions<P>;
  readonly #isWantedHeader: ((name: string) => boolean) | undefined;

  constructor(options: LogSelectionOptions<P>) {
    this.#options = options;
    this.#isWantedHeader = options.headers.length === 0 ? undefined : matcher(options.headers);
  }

  /** An entry of the type itself counts as a whole; Any is for types that have none. */
  enables(type: RecordType): boolean {
    return this.of(type)?.enable ?? true;
  }

  /** What is said about records of the type, if anything is. */
  of(type: RecordType): P | undefined {
    return this.#options.per_record[type] ?? this.#options.per_record.Any;
  }

  /** The record wants headers of a message whose body is only on disk. */
  needsBodyOf({ subject }: DeliveryEvent): boolean {
    return this.#isWantedHeader !== undefined && subject instanceof Message && subject.body === undefined;
  }

  recordOf(event: DeliveryEvent, { now, nodeId, createdAt }: RecordFacts): LogRecord {
    const { subject } = event;
    const created = subject instanceof Message ? createdAt(subject.id) : now;
    const meta = selectMeta(subject.meta, this.#options.meta);
    return logRecord(event, now, created, nodeId, meta, this.#headersOf(subject));
  }

  #headersOf(subject: DeliveryEvent['subject']): JsonObject {
    const headers: JsonObject = {};
    if (this.#isWantedHeader === undefined) return headers;
    if (!(subject instanceof Message) || subject.body === undefined) return headers;
    for (const field of headersOf(subject.body, this.#isWantedHeader)) {
      const value = String(headerValue(subject.body, field));
      const seen = headers[field.name];
      if (seen === undefined) headers[field.name] = value;
      else headers[field.name] = Array.isArray(seen) ? [...seen, value] : [seen, value];
    }
    return headers;
  }
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

/** The record as a line of JSON, with its newline. */
export function recordJson(record: LogRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/**
 * The record as the template shows it, with a newline at its end. Every field is a variable, `log_record` is all of
 * them. `now`: milliseconds since 1970. Throws what is wrong with the template.
 */
export function recordText(record: LogRecord, template: string, now: number): string {
  // Handing a record over costs as much as rendering it: the second one only for who asks for it.
  const context = template.includes('log_record') ? { ...record, log_record: record } : record;
  const text = renderKeptJinja(template, context as unknown as Json, now);
  return text.endsWith('\n') ? text : `${text}\n`;
}
