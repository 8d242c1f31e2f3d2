/**
 * Mail while metrics are read: `node test/bench/metrics-mail.bench.ts [queues] [seconds] [shards]`, by default 100,000
 * queues, 10 seconds a round and 2 shards. Rounds without and with a scrape each second take turns; wants a quiet machine.
 */
import { Moonpost } from '../kit/moonpost.ts';
import { everyNow, serverWithQueues, shown, transactions } from './many-queues.ts';

/** The goal: p99 with scrapes, by p99 without. */
const GOAL = 1.2;
const ROUNDS = 3;

const [queues = 100_000, seconds = 10, shards = 2] = process.argv.slice(2).map(Number);

const began = performance.now();
const server = await serverWithQueues(queues, shards);
console.log(`${queues} queues after ${((performance.now() - began) / 1000).toFixed(0)} s`);
const base = `http://127.0.0.1:${server.http}`;
await transactions(server.smtp, 2);

const ratios: number[] = [];
for (const path of ['/metrics', '/metrics.json']) {
  for (let round = 1; round <= ROUNDS; round++) {
    const quiet = await transactions(server.smtp, seconds);
    let bytes = 0;
    const scraping = everyNow(1000, async () => {
      bytes = (await (await fetch(base + path)).arrayBuffer()).byteLength;
    });
    const busy = await transactions(server.smtp, seconds);
    const took = await scraping.stop();
    const ratio = busy.p99 / quiet.p99;
    ratios.push(ratio);
    const scrapes = `${took.length} scrapes of ${(bytes / 1e6).toFixed(1)} MB, at most ${Math.max(...took).toFixed(0)} ms`;
    console.log(`without: ${shown(quiet)}`);
    console.log(`${path}: ${shown(busy)}; ${scrapes}; p99 x${ratio.toFixed(2)}`);
  }
}
ratios.sort((a, b) => a - b);
console.log(
  `p99 with scrapes: x${ratios[Math.floor(ratios.length / 2)]!.toFixed(2)} in the median (goal ${GOAL})`,
);
await server.stop();
await Moonpost.disposeAll();
