/** Choosing a source among 1,000: goal at most 5 us. `node test/bench/source-selector.bench.ts` */
import { SourceSelector } from '../../src/flow/ready-queue/source-selector.ts';
import { systemClock } from '../../src/io/clock/index.ts';

const SOURCES = 1000;
const GOAL_US = 5;

function measure(name: string, weights: readonly number[], refusals = 0): void {
  const selector = new SourceSelector(weights);
  const select = (): void => {
    selector.begin();
    let index = selector.next();
    for (let refused = 0; refused < refusals; refused++) {
      selector.leaveOut(index);
      index = selector.next();
    }
    if (index < 0) throw new Error('nobody was chosen');
  };
  const rounds = 200_000;
  for (let n = 0; n < rounds / 10; n++) select();
  const started = systemClock.monotonic();
  for (let n = 0; n < rounds; n++) select();
  const each = ((systemClock.monotonic() - started) * 1000) / rounds;
  const verdict = each <= GOAL_US ? 'holds' : 'DOES NOT HOLD';
  console.log(`${name}: ${each.toFixed(3)} us; at most ${GOAL_US} us ${verdict}`);
}

const weights = (weight: (index: number) => number): number[] =>
  Array.from({ length: SOURCES }, (_, i) => weight(i));
measure(
  'equal weights',
  weights(() => 1),
);
measure(
  'weights 1 to 1000',
  weights((i) => i + 1),
);
measure(
  'one of 1,000,000, the others 1',
  weights((i) => (i === 500 ? 1_000_000 : 1)),
);
measure(
  'one of 1,000,000, the others 1; that one refuses',
  weights((i) => (i === 500 ? 1_000_000 : 1)),
  1,
);
measure(
  'equal weights; ten refuse',
  weights(() => 1),
  10,
);
