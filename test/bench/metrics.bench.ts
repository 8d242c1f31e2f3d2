/**
 * What metrics cost: `node test/bench/metrics.bench.ts` for an observation and for a scrape of 1,000,000 scheduled
 * queues; see metrics-mail.bench.ts for mail during a scrape.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { systemClock } from '../../src/io/clock/index.ts';
import {
  JsonFormat,
  MetricsPages,
  type MetricsSource,
  Registry,
  scrape,
  TextFormat,
} from '../../src/io/metrics/index.ts';
import { scheduledFamilies } from '../../src/shard-metrics.ts';

const QUEUES = 1_000_000;
const OBSERVATIONS = 20_000_000;
/** The goal, ms. */
const SCRAPE = 2000;

type Call = { number: number; method: 'overview' | 'deal' | 'parts'; request: never };

/** The longest time that the event loop did not turn, and the CPU time of the thread meanwhile, both in ms. */
function watch(): () => [gap: number, cpu: number] {
  let last = performance.now();
  const from = systemClock.cpu!();
  let worst = 0;
  const look = (): void => {
    const now = performance.now();
    worst = Math.max(worst, now - last - 1);
    last = now;
  };
  const timer = setInterval(look, 1);
  return () => {
    look();
    clearInterval(timer);
    return [worst, systemClock.cpu!() - from];
  };
}

function observe(): void {
  const registry = new Registry();
  const histogram = registry.histogram('queue_insert_latency');
  const counter = registry.series('scheduled_count_total');
  const clock = systemClock;
  const time = (name: string, count: number, step: (index: number) => void): void => {
    for (let index = 0; index < 100_000; index++) step(index);
    const began = performance.now();
    for (let index = 0; index < count; index++) step(index);
    console.log(`${name}: ${(((performance.now() - began) * 1e6) / count).toFixed(1)} ns`);
  };
  time('counter.add', OBSERVATIONS, () => counter.add());
  time('histogram.observe', OBSERVATIONS, (index) => histogram.observe((index & 15) / 1000));
  time('two looks at the clock and histogram.took', OBSERVATIONS / 10, () => {
    const began = clock.monotonic();
    histogram.took(clock.monotonic() - began);
  });
}

/** A shard in a thread of its own, which measures its own event loop. */
function beShard(): void {
  const live = new Map<string, { name: string; size: number }>();
  for (let index = 0; index < QUEUES; index++) {
    const name = `campaign${index % 50}:tenant${index % 1000}@domain${index}.example`;
    live.set(name, { name, size: (index % 7) + 1 });
  }
  const queues = { count: QUEUES, size: QUEUES * 4, live: () => live.values() };
  const pages = new MetricsPages(() => scheduledFamilies(queues as never), systemClock);
  let seen = watch();
  parentPort!.on(
    'message',
    async ({ number, method, request }: Call | ({ number: number; method: 'gap' } & { request: never })) => {
      if (method === 'gap') {
        parentPort!.postMessage({ number, value: seen() });
        seen = watch();
      } else parentPort!.postMessage({ number, value: await pages[method](request) });
    },
  );
}

async function scrapes(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  const open = new Map<number, (value: never) => void>();
  let asked = 0;
  worker.on('message', ({ number, value }) => {
    open.get(number)?.(value as never);
    open.delete(number);
  });
  const ask = <T>(method: string, request?: unknown): Promise<T> =>
    new Promise((resolve) => {
      open.set(++asked, resolve as (value: never) => void);
      worker.postMessage({ number: asked, method, request });
    });
  const source: MetricsSource = {
    overview: async () => [await ask('overview')],
    deal: async (request) => [await ask('deal', request)],
    parts: async (request) => [await ask('parts', request)],
  };
  for (let round = 1; round <= 2; round++) {
    for (const [name, format] of [
      ['text', new TextFormat()],
      ['JSON', new JsonFormat()],
    ] as const) {
      await ask('gap');
      const memory = process.memoryUsage.rss();
      let most = memory;
      const seen = watch();
      const began = performance.now();
      let bytes = 0;
      let lines = 0;
      for await (const piece of scrape(source, format, systemClock)) {
        bytes += Buffer.from(piece).length;
        if (name === 'text')
          for (let at = piece.indexOf('\n'); at >= 0; at = piece.indexOf('\n', at + 1)) lines++;
        most = Math.max(most, process.memoryUsage.rss());
      }
      const took = performance.now() - began;
      const [gap, cpu] = seen();
      const [shardGap, shardCpu] = await ask<[number, number]>('gap');
      const gaps = `longest pause: shard ${shardGap.toFixed(1)} ms, coordinator ${gap.toFixed(1)} ms`;
      const cpus = `CPU: shard ${shardCpu.toFixed(0)} ms, coordinator ${cpu.toFixed(0)} ms`;
      const grown = `RSS +${((most - memory) / 2 ** 20).toFixed(0)} MB`;
      console.log(
        `${name}, ${QUEUES} queues: ${took.toFixed(0)} ms (goal ${SCRAPE}), ${(bytes / 1e6).toFixed(0)} MB, ${lines} lines, ${gaps}, ${cpus}, ${grown}`,
      );
    }
  }
  await worker.terminate();
}

if (isMainThread) {
  observe();
  await scrapes();
} else beShard();
