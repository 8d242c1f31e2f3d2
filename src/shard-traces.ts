import { randomUUID } from 'node:crypto';
import type { CoordinatorLine } from './coordinator-line.ts';
import { systemClock } from './io/clock/index.ts';
import { openTraceChannels, SessionTap, serveTrace } from './io/smtp-trace/index.ts';
import type { OpenTraceOf, TraceSide } from './model/index.ts';

/** For all shards together, and each trace: events that wait for a slow reader, and UTF-16 units of their texts. */
const WAITING = { events: 131_072, length: 16 * 1024 * 1024 };
/** Traces of one side at a time. */
const MAX_TRACES = 8;

/** The sessions of a shard for those who watch, and the traces that are read over its HTTP listeners. */
export class ShardTraces {
  readonly server = new SessionTap(systemClock);
  readonly client = new SessionTap(systemClock);
  readonly #shard: number;
  readonly #shards: number;

  constructor({ shard, shards }: { shard: number; shards: number }) {
    this.#shard = shard;
    this.#shards = shards;
  }

  /** Begins to tell of the sessions of this shard. Throws when there are too many traces. */
  serve({ trace, side }: { trace: string; side: TraceSide }): void {
    if (this[side].watchers >= MAX_TRACES) throw new Error(`there are ${MAX_TRACES} traces already`);
    const limits = {
      events: Math.ceil(WAITING.events / this.#shards),
      length: Math.ceil(WAITING.length / this.#shards),
    };
    serveTrace({ trace, side, shard: this.#shard }, this[side], limits);
  }

  /** Opens traces of every shard. */
  opener(coordinator: CoordinatorLine): OpenTraceOf {
    return async (side, deliver) => {
      const trace = randomUUID();
      const open = openTraceChannels(trace, this.#shards, deliver);
      try {
        await coordinator.ask('trace', { trace, side });
      } catch (error) {
        open.close();
        throw error;
      }
      return open;
    };
  }
}
