import { type LogPosition, LogTailer, type TailerOptions } from '../../io/delivery-log/index.ts';
import {
  defineFunction,
  defineObject,
  LuaCall,
  type LuaFunction,
  luaFunction,
  methodsOf,
  optional,
  optionsArgument,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { type Json, parseJsonText } from '../../model/index.ts';
import { multiTailerOptions, tailerOptions } from '../../model/options/index.ts';

/** Records that one consumer gets together. */
export class JsonLinesBatch {
  readonly consumer: string;
  readonly records: readonly Json[];
  readonly #commit: () => void;
  #isCommitted = false;

  constructor(consumer: string, records: readonly Json[], commit: () => void) {
    this.consumer = consumer;
    this.records = records;
    this.#commit = commit;
  }

  commit(): void {
    if (this.#isCommitted) throw new Error('the batch is committed already');
    this.#isCommitted = true;
    this.#commit();
  }
}

interface Read {
  records: Json[];
  position: LogPosition;
}

/** One who reads a log: what it read and nobody asked for yet is kept. */
class Consumer {
  readonly name: string;
  readonly filter: LuaFunction | undefined;
  readonly tailer: LogTailer;
  #coming: Promise<Read | undefined> | undefined;
  /** What came, until it is taken. */
  ready: { read: Read | undefined } | { error: unknown } | undefined;

  constructor(name: string, filter: LuaFunction | undefined, options: TailerOptions) {
    this.name = name;
    this.filter = filter;
    this.tailer = new LogTailer(options);
  }

  /** Settles when something came. */
  wait(): Promise<unknown> {
    this.#coming ??= this.#read();
    return this.#coming.then(
      (read) => {
        this.ready ??= { read };
      },
      (error: unknown) => {
        this.ready ??= { error };
      },
    );
  }

  take(): Read | undefined {
    const came = this.ready!;
    this.ready = undefined;
    this.#coming = undefined;
    if ('error' in came) throw came.error;
    return came.read;
  }

  async #read(): Promise<Read | undefined> {
    const next = await this.tailer.next();
    if (next === undefined) return undefined;
    const records = next.lines.filter((line) => line.trim() !== '').map(parseRecord);
    return { records, position: next.position };
  }

  batch({ records, position }: Read): JsonLinesBatch {
    return new JsonLinesBatch(this.name, records, () => this.tailer.commit(position));
  }
}

function parseRecord(line: string): Json {
  try {
    return parseJsonText(line);
  } catch (error) {
    throw new Error(`a line of the log is no JSON: ${(error as Error).message}`);
  }
}

export class JsonLinesTailer {
  readonly #consumers: readonly Consumer[];
  /** Whether its iterator gives lists of batches. */
  readonly #isMulti: boolean;

  constructor(consumers: readonly Consumer[], isMulti: boolean) {
    this.#consumers = consumers;
    this.#isMulti = isMulti;
  }

  /** The next batch, or batches; nothing once the tailer is closed. */
  async next(): Promise<unknown> {
    await Promise.race(this.#consumers.map((consumer) => consumer.wait()));
    const ready = this.#consumers.filter((consumer) => consumer.ready !== undefined);
    const reads: { consumer: Consumer; read: Read }[] = [];
    for (const consumer of ready) {
      const read = consumer.take();
      if (read === undefined) return null;
      reads.push({ consumer, read });
    }
    return this.#filtered(reads, 0, 0, []);
  }

  /** Asks the filters about one record after the other; each answer leads to the next question. */
  #filtered(reads: { consumer: Consumer; read: Read }[], at: number, from: number, kept: Json[]): unknown {
    const current = reads[at];
    if (current === undefined) return this.#give(reads);
    const { consumer, read } = current;
    if (consumer.filter === undefined) return this.#filtered(reads, at + 1, 0, []);
    if (from === read.records.length) {
      read.records = kept;
      return this.#filtered(reads, at + 1, 0, []);
    }
    const record = read.records[from]!;
    return new LuaCall(consumer.filter, [record], (outcome) => {
      if (!outcome.ok) throw new Error(`the filter of ${consumer.name}: ${outcome.message}`);
      const [wanted] = outcome.values;
      if (wanted !== undefined && wanted !== null && wanted !== false) kept.push(record);
      // A promise between many records keeps the stack short.
      const isPause = from % 50 === 49;
      const go = () => this.#filtered(reads, at, from + 1, kept);
      return isPause ? Promise.resolve().then(go) : go();
    });
  }

  #give(reads: { consumer: Consumer; read: Read }[]): unknown {
    const wanted = reads.filter(({ consumer, read }) => {
      if (read.records.length > 0) return true;
      // Nothing of it is wanted, so it is dealt with.
      consumer.tailer.commit(read.position);
      return false;
    });
    if (wanted.length === 0) return this.next();
    const batches = wanted.map(({ consumer, read }) => consumer.batch(read));
    return this.#isMulti ? batches : batches[0];
  }

  async close(): Promise<void> {
    await Promise.all(this.#consumers.map(({ tailer }) => tailer.close()));
  }
}

const filter = optional(luaFunction('fun(record: table): boolean'));

export const tailerFunctions: Readonly<Record<string, UnnamedFunction>> = {
  new_tailer: defineFunction({
    params: { options: optionsArgument(tailerOptions), filter },
    returns: 'jsonl_tailer',
    doc: 'Reads a log of lines of JSON, compressed or not, and follows it. `filter` says which records are wanted.',
    call: ({ options: { options }, filter }) => {
      const consumer = new Consumer(options.checkpoint_name ?? 'tailer', filter, {
        directory: options.directory,
        pattern: options.pattern,
        maxBatchSize: options.max_batch_size,
        maxBatchLatency: options.max_batch_latency,
        checkpoint: options.checkpoint_name,
        fromNewest: options.tail,
      });
      consumer.tailer.start();
      return new JsonLinesTailer([consumer], false);
    },
  }),
  new_multi_tailer: defineFunction({
    params: { options: optionsArgument(multiTailerOptions) },
    returns: 'jsonl_tailer',
    doc: 'Reads a log for several consumers, each with batches and a checkpoint of its own; batches() gives lists of batches.',
    call: ({ options: { options } }) => {
      const consumers = options.consumers.map(
        (one) =>
          new Consumer(one.name, one.filter, {
            directory: options.directory,
            pattern: options.pattern,
            maxBatchSize: one.max_batch_size,
            maxBatchLatency: one.max_batch_latency,
            checkpoint: one.checkpoint_name,
            fromNewest: options.tail,
          }),
      );
      if (consumers.length === 0) throw new Error('there are no consumers');
      for (const { tailer } of consumers) tailer.start();
      return new JsonLinesTailer(consumers, true);
    },
  }),
};

const method = methodsOf<JsonLinesTailer>();

export const jsonlTailerObject = defineObject(
  'jsonl_tailer',
  JsonLinesTailer,
  { doc: 'A reader of a log of lines of JSON.' },
  {
    batches: method({
      returns: 'fun(): jsonl_batch',
      doc: 'For a loop: waits for the next batch; ends when the tailer is closed.',
      call: (self) => () => self.next(),
    }),
    close: method({ doc: 'Ends batches(). Commits nothing.', call: (self) => self.close() }),
  },
);

const batchMethod = methodsOf<JsonLinesBatch>();

export const jsonlBatchObject = defineObject(
  'jsonl_batch',
  JsonLinesBatch,
  { doc: 'Records that were read together.' },
  {
    records: batchMethod({ returns: 'table[]', doc: 'The records.', call: (self) => self.records }),
    iter_records: batchMethod({
      returns: 'fun(): table',
      doc: 'For a loop over the records.',
      call: (self) => {
        let at = 0;
        return () => self.records[at++] ?? null;
      },
    }),
    consumer_name: batchMethod({
      returns: 'string',
      doc: 'Name of the consumer; of a tailer for one, that of its checkpoint.',
      call: (self) => self.consumer,
    }),
    commit: batchMethod({
      doc: 'Keeps in the checkpoint that the records up to here were dealt with. Once.',
      call: (self) => self.commit(),
    }),
  },
);
