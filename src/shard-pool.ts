import type { LineBatch } from './io/delivery-log/index.ts';
import { mergeSnapshots, type RegistrySnapshot } from './io/metrics/index.ts';
import { startThread, type Thread } from './io/threads/index.ts';
import type { FromShard, ShardStart, ToShard } from './shard-messages.ts';

/** What the pool tells the coordinator. */
export interface ShardPoolEvents {
  /** Every shard has bound its listeners. */
  bound(): void;
  /** Every shard has its share of the spool back. */
  enumerated(messages: number, quarantined: number): void;
  /** Takes lines for the delivery log; resolves when there is room for more. */
  lines(batches: LineBatch[]): Promise<void>;
  /** A shard ended that was not told to. */
  lost(shard: number, why: string): void;
  /** No shard is left. */
  allEnded(): void;
}

interface MetricsRequest {
  waiting: Set<number>;
  snapshots: RegistrySnapshot[];
  done: (merged: RegistrySnapshot) => void;
}

/** A thread that has stopped ends when its last handle is closed; after this long, ms, it is ended. */
const STOPPED_GRACE = 1000;

/** The worker threads, one per shard, and the conversation with them. */
export class ShardPool {
  readonly #events: ShardPoolEvents;
  readonly #workers: Thread<ToShard>[];
  readonly #ended = new Set<number>();
  readonly #requests = new Map<number, MetricsRequest>();
  /** Why a shard gave up, until its thread is gone. */
  readonly #failures = new Map<number, string>();
  #nextRequest = 0;
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

  /** The metrics of all shards, added up. */
  metrics(): Promise<RegistrySnapshot> {
    const request = this.#nextRequest++;
    return new Promise((done) => {
      const waiting = new Set(this.#workers.keys());
      for (const shard of this.#ended) waiting.delete(shard);
      this.#requests.set(request, { waiting, snapshots: [], done });
      this.tellAll({ kind: 'metrics', request });
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
      case 'metrics':
        this.#metricsFrom(shard, message.request, message.snapshot);
        return;
      case 'ask-metrics':
        void this.metrics().then((snapshot) => {
          const answer: ToShard = { kind: 'all-metrics', question: message.question, snapshot };
          this.#workers[shard]!.post(answer);
        });
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

  #metricsFrom(shard: number, request: number, snapshot: RegistrySnapshot | undefined): void {
    const asked = this.#requests.get(request);
    if (asked === undefined || !asked.waiting.delete(shard)) return;
    if (snapshot !== undefined) asked.snapshots.push(snapshot);
    if (asked.waiting.size > 0) return;
    this.#requests.delete(request);
    asked.done(mergeSnapshots(asked.snapshots));
  }

  #end(shard: number, why: string | undefined): void {
    if (this.#ended.has(shard)) return;
    this.#ended.add(shard);
    for (const request of [...this.#requests.keys()]) this.#metricsFrom(shard, request, undefined);
    if (why !== undefined && !this.#terminating) this.#events.lost(shard, why);
    if (this.running === 0) this.#events.allEnded();
  }
}
