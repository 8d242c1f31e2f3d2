import { CpuMeter } from './io/cpu/index.ts';
import {
  type Family,
  gauges,
  JsonFormat,
  MetricsPages,
  type MetricsRequest,
  type MetricsSource,
  registryFamilies,
  scrape,
  TextFormat,
} from './io/metrics/index.ts';
import type { Clock, Timer } from './model/index.ts';
import { measured } from './model/index.ts';
import type { ShardPool } from './shard-pool.ts';

/** How often the use of the processors is looked at, ms (operations.md 13). */
const CPU_EVERY = 3000;
/** Who began to read metrics and asks for no more of them is forgotten after this long, ms. */
const PATIENCE = 60_000;

interface Reading {
  pieces: AsyncGenerator<string>;
  timer: Timer;
}

/** The metrics of the process: those of every shard and those of the coordinator itself, added up and formatted here. */
export class ProcessMetrics {
  readonly #clock: Clock;
  readonly #own: MetricsPages;
  readonly #readings = new Map<number, Reading>();
  readonly #shards: ShardPool;
  #begun = 0;
  readonly #cpu = new CpuMeter();
  #timer: Timer;

  /** `measure` notes what has to be looked up. Until `stop`. */
  constructor(clock: Clock, shards: ShardPool, measure: () => void) {
    this.#clock = clock;
    this.#shards = shards;
    this.#own = new MetricsPages(() => {
      measure();
      return [...registryFamilies(measured), ...this.#poolFamilies()];
    }, clock);
    this.#timer = this.#look();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #look(): Timer {
    const { process, system, cores } = this.#cpu.look();
    measured.series('process_cpu_usage_sum').set(process);
    measured.series('process_cpu_usage_normalized').set(process / cores);
    measured.series('system_cpu_usage_sum').set(system);
    measured.series('system_cpu_usage_normalized').set(system / cores);
    this.#timer = this.#clock.after(CPU_EVERY, () => void this.#look());
    return this.#timer;
  }

  /** Threads that do the work; how many of the shards are idle they say themselves. */
  #poolFamilies(): Family[] {
    const shards = this.#shards.running;
    return [
      gauges('thread_pool_size', [
        [shards, 'shard'],
        [1, 'coordinator'],
        [Number(process.env.UV_THREADPOOL_SIZE), 'libuv'],
      ]),
    ];
  }

  /** Begins to read; gives the number to go on with. */
  begin({ format, prefix, names }: MetricsRequest): number {
    const number = ++this.#begun;
    const shape = format === 'json' ? new JsonFormat(prefix) : new TextFormat(prefix);
    this.#readings.set(number, {
      pieces: scrape(this.#source, shape, this.#clock, names),
      timer: this.#patience(number),
    });
    return number;
  }

  /** The next piece; undefined when there is none. */
  async next(number: number): Promise<Uint8Array | undefined> {
    const reading = this.#readings.get(number);
    if (reading === undefined) return undefined;
    reading.timer.cancel();
    try {
      const { value, done } = await reading.pieces.next();
      if (done !== true) {
        reading.timer = this.#patience(number);
        return Buffer.from(value);
      }
    } catch (error) {
      this.#readings.delete(number);
      throw error;
    }
    this.#readings.delete(number);
    return undefined;
  }

  /** Nobody wants the rest. */
  end(number: number): void {
    const reading = this.#readings.get(number);
    if (reading === undefined) return;
    this.#readings.delete(number);
    reading.timer.cancel();
    void reading.pieces.return(undefined).catch(() => {});
  }

  #patience(number: number): Timer {
    return this.#clock.after(PATIENCE, () => this.end(number));
  }

  get #source(): MetricsSource {
    const shards = this.#shards;
    const own = this.#own;
    return {
      overview: async (names) => [...(await shards.askAll('metrics', names)), await own.overview(names)],
      deal: async (request) => [...(await shards.askAll('metrics-deal', request)), await own.deal(request)],
      parts: async (request) => [
        ...(await shards.askAll('metrics-parts', request)),
        await own.parts(request),
      ],
    };
  }
}
