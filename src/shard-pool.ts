import type { LineBatch } from './io/delivery-log/index.ts';
import { startThread, type Thread } from './io/threads/index.ts';
import type {
  Answered,
  CoordinatorQuestion,
  FromShard,
  Question,
  ShardRequests,
  ShardStart,
  ToShard,
} from './shard-messages.ts';

/** What the pool tells the coordinator. */
export interface ShardPoolEvents {
  /** Every shard has bound its listeners. */
  bound(): void;
  /** Every shard has its share of the spool back. */
  enumerated(messages: number, quarantined: number): void;
  /** Takes lines for the delivery log; resolves when there is room for more. */
  lines(batches: LineBatch[]): Promise<void>;
  /** Answers what a shard asks. Rejects with what the asker is told. */
  asked(question: CoordinatorQuestion): Promise<unknown>;
  /** A shard ended that was not told to. */
  lost(shard: number, why: string): void;
  /** No shard is left. */
  allEnded(): void;
}

interface OpenQuestion {
  waiting: Set<number>;
  values: unknown[];
  error: string | undefined;
  resolve: (values: unknown[]) => void;
  reject: (error: Error) => void;
}

/** A thread that has stopped ends when its last handle is closed; after this long, ms, it is ended. */
const STOPPED_GRACE = 1000;

/** The worker threads, one per shard, and the conversation with them. */
export class ShardPool {
  readonly #events: ShardPoolEvents;
  readonly #workers: Thread<ToShard>[];
  readonly #ended = new Set<number>();
  readonly #questions = new Map<number, OpenQuestion>();
  /** Why a shard gave up, until its thread is gone. */
  readonly #failures = new Map<number, string>();
  /** Shards that have drained, each with the number of its question. */
  readonly #drained = new Map<number, number>();
  #asked = 0;
  #bound = 0;
  #enumerated = { shards: 0, messages: 0, quarantined: 0 };
  #terminating = false;

  constructor(starts: readonly ShardStart[], events: ShardPoolEvents) {
    this.#events = events;
    const entry = new URL(import.meta.url.endsWith('.ts') ? './shard.ts' : './shard.js', import.meta.url);
    this.#workers = starts.map((start) =>
      startThread<ToShard, FromShard>(entry, start, {
        message: (message) => this.#receive(start.shard, message),
        ended: (why) => this.#end(start.shard, this.#failures.get(start.shard) ?? why),
      }),
    );
  }

  /** Number of shards, ended or not. */
  get size(): number {
    return this.#workers.length;
  }

  /** Shards that have not ended. */
  get running(): number {
    return this.#workers.length - this.#ended.size;
  }

  tellAll(message: ToShard): void {
    for (const worker of this.#workers) worker.post(message);
  }

  /** Every shard finishes what it has in hand and ends. */
  stop(): void {
    this.tellAll({ kind: 'stop' });
  }

  /** Ends every shard: those that have stopped are given a moment to end by themselves. */
  async terminate(): Promise<void> {
    this.#terminating = true;
    await Promise.all(
      this.#workers.map((worker, shard) => worker.end(this.#ended.has(shard) ? STOPPED_GRACE : 0)),
    );
  }

  /**
   * Asks every shard that has not ended; resolves with what they answered. Rejects, once all have, with the first
   * error of any.
   */
  askAll<Kind extends keyof ShardRequests>(
    kind: Kind,
    asked: ShardRequests[Kind]['asked'],
  ): Promise<ShardRequests[Kind]['answer'][]> {
    return this.#ask(this.#workers.keys(), kind, asked);
  }

  /** Asks one shard; undefined when it has ended. */
  async askOne<Kind extends keyof ShardRequests>(
    shard: number,
    kind: Kind,
    asked: ShardRequests[Kind]['asked'],
  ): Promise<ShardRequests[Kind]['answer'] | undefined> {
    return (await this.#ask([shard], kind, asked))[0];
  }

  #ask<Kind extends keyof ShardRequests>(
    shards: Iterable<number>,
    kind: Kind,
    asked: ShardRequests[Kind]['asked'],
  ): Promise<ShardRequests[Kind]['answer'][]> {
    const number = this.#asked++;
    const waiting = new Set(shards);
    for (const shard of this.#ended) waiting.delete(shard);
    if (waiting.size === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const done = resolve as (values: unknown[]) => void;
      this.#questions.set(number, { waiting, values: [], error: undefined, resolve: done, reject });
      const question = { kind, asked } as Question<ShardRequests>;
      for (const shard of waiting) this.#workers[shard]!.post({ kind: 'question', number, question });
    });
  }

  #receive(shard: number, message: FromShard): void {
    switch (message.kind) {
      case 'bound':
        if (++this.#bound === this.#workers.length) this.#events.bound();
        return;
      case 'enumerated':
        this.#enumeratedBy(message);
        return;
      case 'lines': {
        const taken: ToShard = { kind: 'lines-taken', batch: message.batch };
        // `lines` does not reject: what cannot be written is reported and kept by the writers.
        void this.#events.lines(message.batches).finally(() => this.#workers[shard]!.post(taken));
        return;
      }
      case 'question':
        if (message.question.kind === 'drained') this.#drainedBy(shard, message.number);
        else void this.#answer(shard, message.number, message.question);
        return;
      case 'answer':
        this.#answered(shard, message.number, message.answer);
        return;
      case 'failed':
        // It cannot go on, so its thread must not either; what it held is given back once it is gone.
        this.#failures.set(shard, message.message);
        void this.#workers[shard]!.end(0);
        return;
      case 'stopped':
        this.#end(shard, undefined);
    }
  }

  #enumeratedBy(part: { messages: number; quarantined: number }): void {
    this.#enumerated.messages += part.messages;
    this.#enumerated.quarantined += part.quarantined;
    if (++this.#enumerated.shards < this.#workers.length) return;
    this.#events.enumerated(this.#enumerated.messages, this.#enumerated.quarantined);
  }

  #drainedBy(shard: number, number: number): void {
    this.#drained.set(shard, number);
    this.#answerDrained();
  }

  /** Who has drained hears of it when nobody drains any more. */
  #answerDrained(): void {
    if (!this.#workers.every((_, shard) => this.#drained.has(shard) || this.#ended.has(shard))) return;
    for (const [shard, number] of this.#drained) {
      this.#workers[shard]!.post({ kind: 'answer', number, answer: { value: undefined } });
    }
    this.#drained.clear();
  }

  async #answer(shard: number, number: number, question: CoordinatorQuestion): Promise<void> {
    let answer: Answered;
    try {
      answer = { value: await this.#events.asked(question) };
    } catch (error) {
      answer = { error: (error as Error).message };
    }
    this.#workers[shard]!.post({ kind: 'answer', number, answer });
  }

  /** `answer` is undefined for a shard that ended without one. */
  #answered(shard: number, number: number, answer: Answered | undefined): void {
    const open = this.#questions.get(number);
    if (open === undefined || !open.waiting.delete(shard)) return;
    if (answer !== undefined && 'value' in answer) open.values.push(answer.value);
    else if (answer !== undefined) open.error ??= answer.error;
    if (open.waiting.size > 0) return;
    this.#questions.delete(number);
    if (open.error === undefined) open.resolve(open.values);
    else open.reject(new Error(open.error));
  }

  #end(shard: number, why: string | undefined): void {
    if (this.#ended.has(shard)) return;
    this.#ended.add(shard);
    for (const number of [...this.#questions.keys()]) this.#answered(shard, number, undefined);
    this.#answerDrained();
    if (why !== undefined && !this.#terminating) this.#events.lost(shard, why);
    if (this.running === 0) this.#events.allEnded();
  }
}
