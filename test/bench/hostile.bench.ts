/**
 * What contains each hostile script (test/lua/hostile), how long it ran, and how long the event loop stood still
 * meanwhile, in milliseconds; the shared machine is told apart by the processor time of the same gap.
 * Run: node test/bench/hostile.bench.ts [NAME...]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contain, hostileEngine, hostileScripts, isFine, unexpected } from '../lua/hostile-kit.ts';

// The young generation of a shard; see io/threads.
const HEAP = '--max-semi-space-size=8';
if (!process.execArgv.includes(HEAP)) {
  const [, file, ...rest] = process.argv;
  process.exit(spawnSync(process.execPath, [HEAP, file!, ...rest], { stdio: 'inherit' }).status ?? 1);
}

const wanted = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'moonpost-hostile-'));
mkdirSync(join(directory, 'helpers'));
const scripts = hostileScripts().filter(({ name }) => wanted.length === 0 || wanted.includes(name));
/** Longest gap that is wanted, ms. */
const GOAL = 20;
const ms = (value: number) => value.toFixed(1).padStart(7);
console.log(`${'script'.padEnd(32)} elapsed     cpu     gap gap cpu  others  contained by`);
const worst = { gap: 0, cpuGap: 0, cpu: 0 };
let wide = 0;
for (const script of scripts) {
  const engine = await hostileEngine(directory, writeFileSync, script);
  const contained = await contain(engine);
  const { result, elapsed, cpu, gap, cpuGap, asked, answered, after } = contained;
  const by = result.kind === 'error' ? result.message.replace(/^.*\.lua:/, '').slice(0, 90) : result.kind;
  const wrong = unexpected(script, result);
  const notes = [
    ...(wrong === undefined ? [] : [`UNEXPECTED, wanted ${script.expected}`]),
    ...(isFine(after, 0) ? [] : ['ENGINE BROKEN']),
  ].join(' ');
  console.log(
    `${script.name.padEnd(32)} ${ms(elapsed)} ${ms(cpu)} ${ms(gap)} ${ms(cpuGap)} ${answered}/${asked}`.padEnd(
      78,
    ),
    by.replaceAll('\n', ' '),
    notes,
  );
  if (cpuGap > GOAL) wide++;
  worst.gap = Math.max(worst.gap, gap);
  worst.cpuGap = Math.max(worst.cpuGap, cpuGap);
  worst.cpu = Math.max(worst.cpu, cpu);
  engine.close();
}
console.log(
  `${scripts.length} scripts, ${wide} with a gap of more than ${GOAL} ms of processor time; worst gap ${ms(worst.gap)}, of it cpu ${ms(worst.cpuGap)}; worst cpu ${ms(worst.cpu)}`,
);
rmSync(directory, { recursive: true });
