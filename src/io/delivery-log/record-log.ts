import {
  type Clock,
  type DeliveryEvent,
  type DeliveryLog,
  type Diagnostics,
  type HistogramSeries,
  type LogRecord,
  LogSelection,
  type MaybePromise,
  Message,
  measured,
  recordJson,
  recordText,
} from '../../model/index.ts';
import type { LoggerOptions, PerRecordOptions } from '../../model/options/index.ts';
import { type LineBatch, LineBatches } from './line-batches.ts';

export interface RecordLogParts {
  loggers: readonly LoggerOptions[];
  clock: Clock;
  nodeId: string;
  /** When a message was created, in ms since the epoch. */
  createdAt: (id: string) => number;
  /** Takes batches; resolves when the writer has room for more. */
  send: (batches: LineBatch[]) => Promise<void>;
  /** Asks the policy whether a message is logged (filter_event). Does not throw. */
  filter: (event: string, message: Message) => MaybePromise<boolean>;
  diagnostics: Diagnostics;
  /** A record has to wait for its logger, which has back_pressure of them already; told its directory or output. */
  onFull?: (logger: string) => void;
}

/** What loggers of either kind may say of a type of record. */
type LoggedRecord = Pick<PerRecordOptions, 'enable'> & Partial<PerRecordOptions>;

/** One configure_local_logs or configure_plain_logs. */
interface Logger {
  index: number;
  /** What metrics call it. */
  name: string;
  submits: HistogramSeries;
  directory: string;
  filterEvent: string | undefined;
  selection: LogSelection<LoggedRecord>;
  /** Records that may wait for the writer. */
  mostWaiting: number;
}

/** As KumoMTA: `dir-PATH`; ours that write elsewhere, by where. */
function loggerName(options: RecordLogParts['loggers'][number]): string {
  return 'output' in options ? `output-${options.output}` : `dir-${options.log_dir}`;
}

/** Callers wait when this many characters are written and not taken. */
const BACK_PRESSURE_AT = 8 * 1024 * 1024;

/**
 * The shard's side of the delivery log: makes records of events, for every logger, and passes them on in
 * batches. A writer that does not keep up makes callers wait; no record is dropped.
 */
export class RecordLog implements DeliveryLog {
  readonly #parts: RecordLogParts;
  readonly #loggers: readonly Logger[];
  readonly #hasFilters: boolean;
  /** Templates that failed, so that each is reported once. */
  readonly #failedTemplates = new Set<string>();
  readonly #batches: LineBatches;

  constructor(parts: RecordLogParts) {
    this.#parts = parts;
    this.#batches = new LineBatches(parts);
    this.#loggers = parts.loggers.map((options, index) => ({
      index,
      name: loggerName(options),
      submits: measured.histogram('log_submit_latency', loggerName(options)),
      directory: 'output' in options ? '' : options.log_dir,
      filterEvent: options.filter_event,
      selection: new LogSelection<LoggedRecord>(options),
      mostWaiting: options.back_pressure,
    }));
    this.#hasFilters = this.#loggers.some(({ filterEvent }) => filterEvent !== undefined);
  }

  /** The writer does not keep up; no further mail should be taken. */
  get isStalled(): boolean {
    return this.#batches.characters > BACK_PRESSURE_AT;
  }

  write(event: DeliveryEvent): MaybePromise<void> {
    const now = this.#parts.clock.now();
    if (!this.#hasFilters) return this.#writeTo(this.#loggers, event, now);
    const chosen = this.#passFilters(event);
    if (chosen instanceof Promise) return chosen.then((loggers) => this.#writeTo(loggers, event, now));
    return this.#writeTo(chosen, event, now);
  }

  /** Passes on what waits; resolves when the writer has it. */
  flush(): Promise<void> {
    return this.#batches.flush();
  }

  /** The loggers that want the record, as the policy says. */
  #passFilters(event: DeliveryEvent): MaybePromise<Logger[]> {
    const verdicts = this.#loggers.map(({ filterEvent, selection }): MaybePromise<boolean> => {
      // What was refused is no message to ask about (operations.md 10).
      if (filterEvent === undefined || !(event.subject instanceof Message)) return true;
      return selection.enables(event.type) && this.#parts.filter(filterEvent, event.subject);
    });
    const passed = (passes: readonly MaybePromise<boolean>[]): Logger[] =>
      this.#loggers.filter(({ index }) => passes[index] === true);
    return verdicts.some((verdict) => verdict instanceof Promise)
      ? Promise.all(verdicts).then(passed)
      : passed(verdicts);
  }

  #writeTo(loggers: readonly Logger[], event: DeliveryEvent, now: number): MaybePromise<void> {
    const { subject } = event;
    if (subject instanceof Message && loggers.some(({ selection }) => selection.needsBodyOf(event))) {
      // A body that cannot be read costs the record its headers, never the record.
      const append = (): MaybePromise<void> => this.#append(loggers, event, now);
      return Promise.resolve(subject.data()).then(append, append);
    }
    return this.#append(loggers, event, now);
  }

  #append(loggers: readonly Logger[], event: DeliveryEvent, now: number): MaybePromise<void> {
    const { nodeId, createdAt } = this.#parts;
    let isFull = false;
    for (const logger of loggers) {
      const { directory, selection } = logger;
      if (!selection.enables(event.type)) continue;
      const began = this.#parts.clock.monotonic();
      const { suffix, log_dir, template } = selection.of(event.type) ?? {};
      const record = selection.recordOf(event, { now, nodeId, createdAt });
      const line = template === undefined ? recordJson(record) : this.#shown(record, template, now);
      this.#batches.add(logger.index, log_dir ?? directory, suffix ?? '', line);
      logger.submits.took(this.#parts.clock.monotonic() - began);
      if (this.#batches.linesOf(logger.index) < logger.mostWaiting) continue;
      isFull = true;
      this.#parts.onFull?.(logger.name);
    }
    if (isFull) return this.#batches.flush();
    if (this.isStalled) return this.#batches.taken;
  }

  /** A template that fails on a record costs it its shape, never the record. */
  #shown(record: LogRecord, template: string, now: number): string {
    try {
      return recordText(record, template, now);
    } catch (error) {
      const text = `template of a ${record.type} record, which is written as JSON: ${(error as Error).message}`;
      if (!this.#failedTemplates.has(text) && this.#failedTemplates.size < 100) {
        this.#failedTemplates.add(text);
        this.#parts.diagnostics.error('log', text);
      }
      return recordJson(record);
    }
  }
}
