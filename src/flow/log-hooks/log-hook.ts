import {
  type DeliveryEvent,
  Fifo,
  type HistogramSeries,
  type JsonObject,
  LogSelection,
  type MaybePromise,
  Message,
  measured,
  type PolicyResult,
  recordJson,
  recordText,
  type Series,
  SpoolWriteError,
  type Timer,
} from '../../model/index.ts';
import type { LogHookOptions, PerRecordOptions } from '../../model/options/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { LogHookParts } from './parts.ts';

const EVENT = 'should_enqueue_log_record';
/** Handlers of one hook that may wait at a time; the policy has states for more events than those of hooks. */
const MOST_ASKED = 16;
/** Records of those in line that are decided at once, per turn of the event loop. */
const ASKED_PER_TURN = 64;
/** What the disk did not take is tried again after this long, ms. */
const RETRY_AFTER = 1000;

interface Waiting {
  message: Message;
  decided: () => void;
}

/**
 * One log hook. A record becomes a message; asked → dropped, or handed to the spool → queued. With a handler that
 * does not wait all of that but the disk happens inside `write`, so that the message stands in the spool's line
 * before its record's own message can be removed there. A handler that waits makes the writer of the record wait.
 * A message that the disk refused is `unkept`, and tried again until it is kept or the server stops.
 */
export class LogHook {
  readonly name: string;
  readonly #options: LogHookOptions;
  readonly #parts: LogHookParts;
  readonly #selection: LogSelection<PerRecordOptions>;
  readonly #line = new Fifo<Waiting>();
  readonly #producers = new Fifo<() => void>();
  readonly #unkept = new Set<Message>();
  readonly #submits: HistogramSeries;
  readonly #full: Series;
  /** Records that are neither dropped nor kept nor unkept. */
  #underWay = 0;
  #asking = 0;
  #timer: Timer | undefined;
  #retrying: Promise<void> | undefined;
  #watchers: (() => void)[] = [];
  /** Templates that failed are reported once. */
  #saidTemplateFailed = false;

  constructor(options: LogHookOptions, parts: LogHookParts) {
    this.name = options.name;
    this.#options = options;
    this.#parts = parts;
    this.#selection = new LogSelection(options);
    this.#submits = measured.histogram('log_submit_latency', `hook-${options.name}`);
    this.#full = measured.series('log_submit_full', `hook-${options.name}`);
  }

  /** back_pressure records are under way: no more should be made for now. */
  get isFull(): boolean {
    return this.#underWay >= this.#options.back_pressure;
  }

  /** The disk has refused records, which wait in memory. */
  get hasUnkept(): boolean {
    return this.#unkept.size > 0;
  }

  get isEmpty(): boolean {
    return this.#underWay === 0 && this.#unkept.size === 0;
  }

  /** Takes a record, whoever wrote it. The promise, when there is one, is back pressure; it does not reject. */
  write(event: DeliveryEvent, now: number): MaybePromise<void> {
    // Without an answer it would be dropped.
    if (!this.#selection.enables(event.type) || !this.#parts.policy.handles(EVENT)) return;
    if (this.#selection.needsBodyOf(event)) {
      const submit = (): MaybePromise<void> => this.#submit(event, now);
      return Promise.resolve((event.subject as Message).data()).then(submit, submit);
    }
    return this.#submit(event, now);
  }

  /** Resolves when every record is dropped or kept, however long it takes. */
  async emptied(): Promise<void> {
    while (!this.isEmpty) await this.#change();
  }

  /** Resolves when every record is dropped or kept; what the disk refuses once more is lost, and said to be. */
  async idle(): Promise<void> {
    while (this.#underWay > 0) await this.#change();
    this.#timer?.cancel();
    await this.#retrying;
    this.#timer?.cancel();
    const unkept = [...this.#unkept];
    const results = await Promise.allSettled(unkept.map((message) => this.#enqueue(message)));
    for (const message of unkept) this.#unkept.delete(message);
    this.#changed();
    const failures = results.filter((result) => result.status === 'rejected');
    if (failures.length === 0) return;
    this.#report(`${failures.length} records are lost: ${(failures[0]!.reason as Error).message}`);
  }

  #submit(event: DeliveryEvent, now: number): MaybePromise<void> {
    const message = this.#messageOf(event, now);
    if (this.isFull) {
      this.#parts.onBacklog(this.name);
      this.#full.add();
    }
    this.#underWay++;
    const { clock } = this.#parts;
    const began = clock.monotonic();
    const decided = this.#askInTurn(message);
    const submitted = (): MaybePromise<void> => {
      this.#submits.took(clock.monotonic() - began);
      return this.#room();
    };
    return decided instanceof Promise ? decided.then(submitted) : submitted();
  }

  #askInTurn(message: Message): MaybePromise<void> {
    if (this.#asking < MOST_ASKED) return this.#ask(message);
    return new Promise((decided) => this.#line.push({ message, decided }));
  }

  #ask(message: Message): MaybePromise<void> {
    const result = this.#parts.policy.fire(EVENT, [message, this.name]);
    if (!(result instanceof Promise)) {
      this.#decide(message, result);
      return;
    }
    this.#asking++;
    return result.then((settled) => {
      this.#asking--;
      this.#decide(message, settled);
      this.#askNext();
    });
  }

  readonly #askNext = (): void => {
    for (let steps = 0; this.#asking < MOST_ASKED; steps++) {
      if (steps === ASKED_PER_TURN) {
        this.#parts.clock.after(0, this.#askNext);
        return;
      }
      const next = this.#line.shift();
      if (next === undefined) return;
      const asked = this.#ask(next.message);
      if (asked instanceof Promise) void asked.then(next.decided);
      else next.decided();
    }
  };

  #decide(message: Message, result: PolicyResult): void {
    if (result.kind === 'reject')
      this.#report(`${EVENT}: ${result.code} ${result.text}; the record is not sent`);
    if (isWanted(result)) void this.#keep(message);
    else this.#leave();
  }

  async #keep(message: Message): Promise<void> {
    try {
      await this.#enqueue(message);
      this.#leave();
    } catch (error) {
      if (!(error instanceof SpoolWriteError)) {
        this.#report(`a record cannot be queued: ${(error as Error).message}`);
        this.#leave();
        return;
      }
      if (!this.hasUnkept) this.#report(`records wait in memory: ${error.message}`);
      this.#unkept.add(message);
      this.#timer ??= this.#parts.clock.after(RETRY_AFTER, this.#retry);
      this.#leave();
    }
  }

  readonly #retry = (): void => {
    this.#retrying = this.#retryAll().then(() => {
      // Not whether all were taken: another may have been refused since.
      this.#timer = this.hasUnkept ? this.#parts.clock.after(RETRY_AFTER, this.#retry) : undefined;
      this.#retrying = undefined;
    });
  };

  /** One after the other: the first that fails shows that it is too early for the rest. */
  async #retryAll(): Promise<void> {
    for (const message of this.#unkept) {
      try {
        await this.#enqueue(message);
      } catch {
        return;
      }
      this.#unkept.delete(message);
    }
    this.#changed();
  }

  #enqueue(message: Message): Promise<void> {
    return this.#parts.enqueue(message, this.#options.deferred_spool);
  }

  #leave(): void {
    this.#underWay--;
    this.#producers.shift()?.();
    this.#changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  #changed(): void {
    if (this.#watchers.length === 0) return;
    for (const resolve of this.#watchers.splice(0)) resolve();
  }

  /** Waits for its turn among the producers while the hook is full; each record that leaves lets one go on. */
  #room(): MaybePromise<void> {
    if (this.isFull) return new Promise((resolve) => this.#producers.push(resolve));
  }

  #messageOf(event: DeliveryEvent, now: number): Message {
    const { nodeId, createdAt, newMessageId } = this.#parts;
    const record = this.#selection.recordOf(event, { now, nodeId, createdAt });
    const meta: JsonObject = {
      ...record.meta,
      log_record: record as unknown as JsonObject,
      reception_protocol: 'LogRecord',
    };
    const { sender, recipients } = addressesOf(event);
    const body = Buffer.from(this.#textOf(record, now));
    return new Message({ id: newMessageId(), sender, recipients, meta, body });
  }

  /** A template that fails on a record costs it its shape, never the record. */
  #textOf(record: Parameters<typeof recordText>[0], now: number): string {
    const template = this.#selection.of(record.type)?.template;
    if (template === undefined) return recordJson(record);
    try {
      return recordText(record, template, now);
    } catch (error) {
      if (!this.#saidTemplateFailed) {
        const why = (error as Error).message;
        this.#report(`template of a ${record.type} record, which is sent as JSON: ${why}`);
      }
      this.#saidTemplateFailed = true;
      return recordJson(record);
    }
  }

  #report(text: string): void {
    this.#parts.diagnostics.error('log-hooks', `${this.name}: ${text}`);
  }
}

/** Any value but nil and false is a yes (policy-api.md 1.2). */
function isWanted(result: PolicyResult): boolean {
  if (result.kind !== 'values') return false;
  const [answer] = result.values;
  return answer !== undefined && answer !== null && answer !== false;
}

/** Of a refused transaction the texts may be no addresses; its record is about nobody then. */
function addressesOf(event: DeliveryEvent): { sender: EnvelopeAddress; recipients: EnvelopeAddress[] } {
  const { subject } = event;
  const parse = (text: string): EnvelopeAddress => EnvelopeAddress.parse(text) ?? EnvelopeAddress.nullSender;
  if (subject instanceof Message) {
    return { sender: subject.sender, recipients: event.recipients?.map(parse) ?? [...subject.recipients] };
  }
  const { sender, recipient } = subject;
  return { sender: parse(sender), recipients: (event.recipients ?? [recipient]).map(parse) };
}
