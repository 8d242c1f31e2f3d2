/** Insert, remove and fire at a million entries. `node test/bench/timer-wheel.bench.ts` */
import { NOT_QUEUED, TimerWheel, type WheelNode } from '../../src/model/timer-wheel.ts';

const COUNT = 1_000_000;
const start = Date.UTC(2026, 0, 1);

function node(due: number): WheelNode {
  return { due, wheelNext: undefined, wheelPrev: undefined, wheelSlot: NOT_QUEUED };
}

function measure(name: string, step: () => void): void {
  const started = performance.now();
  step();
  console.log(`${name}: ${(((performance.now() - started) * 1e6) / COUNT).toFixed(0)} ns per entry`);
}

const nodes = Array.from({ length: COUNT }, (_, n) => node(start + ((n * 7919) % 86_400_000)));
const wheel = new TimerWheel<WheelNode>(start);
for (const round of ['cold', 'warm']) {
  measure(`insert, ${round}`, () => {
    for (const entry of nodes) wheel.insert(entry);
  });
  measure(`remove, ${round}`, () => {
    for (const entry of nodes) wheel.remove(entry);
  });
}
for (const entry of nodes) wheel.insert(entry);
let fired = 0;
measure('a day in steps of one second', () => {
  for (let now = start; now <= start + 86_400_000; now += 1000) wheel.advance(now, () => fired++);
});
console.log(`fired ${fired}`);
